"""What a service raises, in words for the person who asked."""

from __future__ import annotations

from django.utils.translation import gettext as _

from django_vzaps.client import (
    VZapsAnswerError,
    VZapsAPIError,
    VZapsAuthenticationError,
    VZapsConnectionError,
    VZapsError,
    VZapsNotFoundError,
    VZapsPermissionError,
    VZapsRateLimitError,
    VZapsServerError,
    VZapsTimeoutError,
    VZapsValidationError,
)
from django_vzaps.models import Operation


class ServiceError(VZapsError):
    """The root of what services raise. ``error`` is the client's error behind it, if there is one."""

    def __init__(self, message: str, *, operation: Operation | None = None, error: VZapsError | None = None) -> None:
        super().__init__(message)
        self.operation = operation
        self.error = error


class NotConfigured(ServiceError):
    """A setting or the credentials of the account are missing."""


class ReadOnly(ServiceError):
    """``VZAPS["READ_ONLY"]`` refuses every change."""


class ReadFailed(ServiceError):
    """VZaps could not be read. Nothing changed."""


class SyncRunning(ServiceError):
    """Another sync of the account is under way."""


class ChangeFailed(ServiceError):
    """The change was certainly not made: VZaps refused it, could not be reached, or we did not ask."""


class AlreadySubscribed(ChangeFailed):
    """The instance has a subscription: subscribing again could charge the card again."""


class SubscriptionIsActive(ChangeFailed):
    """The instance is paid for; what deleting it does to the subscription is not documented (API.md section 3.8)."""


class ForeignWebhook(ChangeFailed):
    """The instance has a webhook that this site did not set, and overwriting it was not asked for."""


class IdempotencyKeyReused(ChangeFailed):
    """The idempotency key stands for another change, which is ``operation``. Nothing was sent."""


class AccountInUse(ServiceError):
    """The account has instances here, or one of it may still come: deleting it would lose them."""


class OperationInProgress(ServiceError):
    """Another billing attempt for the instance is not settled yet; it is ``operation``."""


class OutcomeUnknown(ServiceError):
    """The answer never came. The change may have been made: ``operation`` is settled later, the call never repeated."""


def in_words(error: VZapsError) -> str:
    """What happened, what it means and what to do, with VZaps' own words where there are any."""
    match error:
        case VZapsAuthenticationError():
            text = _("VZaps did not accept the account's credentials. Check its client token and client secret.")
        case VZapsPermissionError():
            text = _("VZaps refused: the instance or the feature does not belong to this account.")
        case VZapsNotFoundError():
            text = _("VZaps does not know this instance. Sync the account to see what exists.")
        case VZapsValidationError():
            text = _("VZaps did not accept the values. Correct them and try again.")
        case VZapsRateLimitError():
            text = _("VZaps asks to slow down. Wait a minute and try again.")
        case VZapsTimeoutError():
            text = _("VZaps did not answer in time.")
        case VZapsConnectionError():
            text = _("VZaps could not be reached. Check the network and VZaps' status page.")
        case VZapsServerError():
            text = _("VZaps has a problem of its own. Try again later.")
        case VZapsAnswerError():
            text = _("VZaps answered something that makes no sense.")
        case _:
            return str(error)
    words = error.message if isinstance(error, VZapsAPIError) else ""
    return _("%(what)s (VZaps says: %(words)s)") % {"what": text, "words": words} if words else text
