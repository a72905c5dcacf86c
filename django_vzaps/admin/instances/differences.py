"""A webhook as it is wanted beside what VZaps has: what differs, in words."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_vzaps.models import Webhook

#: What the mirror writes in the place of a secret that is not this site's.
_ANOTHER_SECRET = "another-secret"  # noqa: S105 - a word


def differences(webhook: Webhook) -> list[str]:
    """A sentence for each difference, and what follows from it; empty where nothing is known to differ."""
    drift = webhook.drift
    found = []
    if "url" in drift:
        found.append(_address(webhook))
    if "events" in drift:
        found += _events(set(webhook.desired_events or ()), set(webhook.actual_events or ()))
    return found


def _address(webhook: Webhook) -> str:
    actual = webhook.actual_host_and_path
    if not actual:
        return _("VZaps has no address: it sends the events nowhere.")
    if _ANOTHER_SECRET in actual:
        return _("VZaps has this site's address with another secret: its events are refused here.")
    return format_html(
        _("VZaps sends the events to {} and not to {}: they do not arrive here."),
        format_html("<bdi>{}</bdi>", actual),
        format_html("<bdi>{}</bdi>", webhook.desired_host_and_path),
    )


def _events(wanted: set[str], actual: set[str]) -> list[str]:
    found = []
    missing = set() if "All" in actual else wanted - actual
    if missing:
        found.append(_("Wanted, and not sent by VZaps: %(types)s.") % {"types": ", ".join(sorted(missing))})
    extra = set() if "All" in wanted else actual - wanted
    if extra:
        names = format_html("<bdi>{}</bdi>", ", ".join(sorted(extra)))
        found.append(format_html(_("Sent by VZaps, and not wanted: {}."), names))
    return found
