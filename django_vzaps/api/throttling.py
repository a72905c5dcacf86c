"""How often one user may pair or pay; the rates are set where Django REST framework has them."""

from __future__ import annotations

from typing import Any

from rest_framework.settings import api_settings
from rest_framework.throttling import UserRateThrottle


class _Scoped(UserRateThrottle):
    scope: str
    default_rate: str

    def get_rate(self) -> Any:
        """``DEFAULT_THROTTLE_RATES`` of Django REST framework, where it has the scope; None switches it off."""
        rates = api_settings.DEFAULT_THROTTLE_RATES or {}
        return rates.get(self.scope, self.default_rate)


class PairingThrottle(_Scoped):
    """QR codes, pairing codes, and how far a pairing is."""

    scope = "vzaps_pairing"
    default_rate = "120/min"


class BillingThrottle(_Scoped):
    """What charges a card, or stops that."""

    scope = "vzaps_billing"
    default_rate = "30/min"
