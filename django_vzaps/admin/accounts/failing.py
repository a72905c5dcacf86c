"""What is wrong with a whole account, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps.admin import display
from django_vzaps.models import Account
from django_vzaps.services import circuit
from django_vzaps.services.failures import FailureKind

_WHY: Final[Mapping[str, Any]] = {
    FailureKind.CREDENTIALS: gettext_lazy("VZaps does not accept the credentials."),
    FailureKind.RATE_LIMITED: gettext_lazy("VZaps asks for fewer calls."),
    FailureKind.TIMEOUT: gettext_lazy("VZaps does not answer in time."),
    FailureKind.UNREACHABLE: gettext_lazy("VZaps cannot be reached."),
    FailureKind.FAILED: gettext_lazy("VZaps answers with errors."),
    FailureKind.NOT_CONFIGURED: gettext_lazy("The credentials are missing, or cannot be decrypted."),
}


def failing(account: Account) -> SafeString | str:
    """Since when VZaps cannot be read for it and why, and until when it is left alone."""
    if account.failing_since is None:
        return display.NOTHING
    since = format_html(_("failing since {ago}"), ago=display.ago(account.failing_since))
    words = format_html("{} {}", display.framed("bad", since), _WHY.get(account.failure_kind, ""))
    if account.paused_until is None or not circuit.is_open(account):
        return words
    until = display.time_of(account.paused_until, display.moment(account.paused_until))
    return format_html("{} {}", words, format_html(_("VZaps is left alone until {when}"), when=until))
