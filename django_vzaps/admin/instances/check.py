"""“Check now”: ask VZaps, and show both answers where they differ, the one from before and the one from now.

Also where two of VZaps' own answers contradict each other. What is compared is shown once, on the page that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.models import ConnectionSource, ConnectionState, Instance
from django_vzaps.services import VZapsError

_SESSION_KEY: Final = "vzaps_comparison"
#: A session may live in a cookie: what is compared is cut to this many characters.
_LONGEST: Final = 200

Facts = dict[str, str]


@dataclass(kw_only=True, slots=True)
class _Known:
    """What was known before: by section the facts, where they came from, and how old they are."""

    facts: Facts
    at: datetime | None
    source: str = ConnectionSource.API


@dataclass(kw_only=True, slots=True)
class _Check:
    """One press of a button: what was known before it, and what came out."""

    instance: Instance
    began: datetime = field(default_factory=timezone.now)
    before: dict[str, _Known] = field(default_factory=dict)
    #: What ``instances/get`` says of what another call knows better: whether it is connected, and the webhook.
    said_by_get: Facts = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    contradictions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = {
            "identity": _Known(facts=_identity(self.instance), at=self.instance.synced_at),
            "connection": _Known(
                facts=_connection(self.instance),
                at=self.instance.connection_asked_at,
                source=self.instance.connection_source,
            ),
            "billing": _billing(self.instance),
            "webhook": _webhook(self.instance),
        }

    def identity(self) -> None:
        """``instances/get``: what it is, and what is paid."""
        instance = services.sync.sync_instance(self.instance)
        self._compare("identity", _identity(instance))
        self._compare("billing", _billing(instance).facts)
        asked_at = instance.connection_asked_at
        if asked_at is not None and asked_at >= self.began and instance.connected is not None:
            self.said_by_get |= _connected(instance.connected)
        webhook = display.webhook_of(instance)
        if webhook is not None and webhook.checked_at is not None and webhook.checked_at >= self.began:
            self.said_by_get |= _webhook(instance).facts

    def connection(self) -> None:
        """``session/status``: whether it is connected, and as whom."""
        answer = services.sessions.status(self.instance)
        said = {
            _("Phone"): answer.phone,
            _("WhatsApp JID"): answer.whatsapp_jid,
            _("Push name"): answer.push_name,
        }
        facts = _connected(answer.connected) | {name: text for name, text in said.items() if text}
        self._compare("connection", facts)
        self._contradict(facts, by="session/status")

    def webhook(self) -> None:
        """The configured webhook."""
        services.webhooks.check(self.instance)
        facts = _webhook(self.instance).facts
        self._compare("webhook", facts)
        self._contradict(facts, by="webhook")

    def record(self) -> None:
        """``instances/get`` alone; where it says something new of what another call knows better, that is asked too."""
        self.identity()
        for section, ask in (("connection", self.connection), ("webhook", self.webhook)):
            known = self.before[section].facts
            if any(known[name] != text for name, text in self.said_by_get.items() if name in known):
                ask()

    def everything(self) -> None:
        """All three."""
        self.identity()
        self.connection()
        self.webhook()

    def _compare(self, section: str, now: Facts) -> None:
        before = self.before[section]
        rows = [(name, known, now[name]) for name, known in before.facts.items() if now.get(name, known) != known]
        if rows and before.at is not None:
            self.differences.append(
                {
                    "section": section,
                    "at": before.at.isoformat(),
                    "source": before.source,
                    "rows": [[_cut(text) for text in row] for row in rows],
                }
            )

    def _contradict(self, facts: Facts, *, by: str) -> None:
        rows = [
            (name, other, facts[name])
            for name, other in self.said_by_get.items()
            if name in facts and facts[name] != other
        ]
        if rows:
            self.contradictions.append({"by": by, "rows": [[_cut(text) for text in row] for row in rows]})


#: By the page's name: what is asked.
_ASKED: Final[dict[str, Callable[[_Check], None]]] = {
    "check": _Check.everything,
    "check_identity": _Check.record,
    "check_billing": _Check.record,
    "check_connection": _Check.connection,
    "check_webhook": _Check.webhook,
}
#: Of an instance that is gone, VZaps knows at most that it is back.
_FOR_THE_GONE: Final = ("check", "check_identity")


class InstanceChecks(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With a button for each section, and one for all."""
        return [
            *(
                path(
                    f"<int:object_id>/{name.replace('_', '/')}/",
                    self.remote(partial(self.check_view, name=name)),
                    name=f"django_vzaps_instance_{name}",
                )
                for name in _ASKED
            ),
            *super().get_urls(),
        ]

    def check_view(self, request: HttpRequest, object_id: int, *, name: str) -> HttpResponse:
        """Ask VZaps, and say what it answered."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "change")
        if instance.removed_at is not None and name not in _FOR_THE_GONE:
            return self.refuse_removed(request, instance)
        check = _Check(instance=instance)
        error = None
        try:
            _ASKED[name](check)
        except VZapsError as raised:
            error = raised
        instance.refresh_from_db()
        if check.differences or check.contradictions:
            request.session[_SESSION_KEY] = {
                "pk": instance.pk,
                "differences": check.differences,
                "contradictions": check.contradictions,
            }
        if error is None:
            self._tell(request, check, says_connection=name in ("check", "check_connection"))
        else:
            self.explain(request, error)
        return self.to_detail(instance)

    def _tell(self, request: HttpRequest, check: _Check, *, says_connection: bool) -> None:
        said = _("VZaps was asked.")
        if says_connection:
            state = display.label(ConnectionState, check.instance.connection_state)
            said = _("VZaps was asked. Connection: %(state)s.") % {"state": state}
        if check.contradictions:
            text, level = _("Two of its answers contradict each other: see below."), messages.WARNING
        elif check.differences:
            text, level = _("It says something else than what was known: see below."), messages.WARNING
        else:
            text, level = _("Nothing differs from what was known."), messages.SUCCESS
        self.message_user(request, f"{said} {text}", level)


def comparison_for(request: HttpRequest, instance: Instance) -> dict[str, Any] | None:
    """What the last check found to differ, once: for the page that follows it."""
    kept = request.session.get(_SESSION_KEY)
    if not isinstance(kept, dict) or kept.get("pk") != instance.pk:
        return None
    del request.session[_SESSION_KEY]
    return {
        "differences": list(_differences(kept)),
        "contradictions": [
            {"rows": found["rows"], "by": found["by"], "why": _why(found["by"])} for found in kept["contradictions"]
        ],
    }


def _differences(kept: dict[str, Any]) -> Iterator[dict[str, Any]]:
    titles = {
        "identity": _("Identity"),
        "connection": _("Connection"),
        "billing": _("Billing"),
        "webhook": _("Webhook"),
    }
    for found in kept["differences"]:
        yield {
            "title": titles[found["section"]],
            "ago": display.ago(parse_datetime(found["at"])),
            "source": display.label(ConnectionSource, found["source"]),
            "rows": found["rows"],
        }


def _why(by: str) -> str:
    if by == "webhook":
        return _("The latter is believed: it reads the webhook itself, and what the instance's record shows may lag.")
    return _("The latter is believed: it asks the WhatsApp session itself, and the instance's record may lag.")


def _identity(instance: Instance) -> Facts:
    gone = {_("On VZaps"): _("gone from VZaps") if instance.removed_at else _("present")}
    return gone | {
        _("Name"): instance.name,
        _("Status"): instance.status or display.NOTHING,
        _("Reject calls"): _yes_or_no(instance.reject_calls),
        _("Mark messages as read"): _yes_or_no(instance.auto_read_messages),
    }


def _connection(instance: Instance) -> Facts:
    if instance.connected is None:
        return {}
    said = {
        _("Phone"): instance.phone,
        _("WhatsApp JID"): instance.whatsapp_jid,
        _("Push name"): instance.push_name,
    }
    return _connected(instance.connected) | {name: text for name, text in said.items() if text}


def _connected(connected: bool) -> Facts:
    return {_("Connection"): _("connected") if connected else _("disconnected")}


def _billing(instance: Instance) -> _Known:
    subscription = display.subscription_of(instance)
    if subscription is None:
        return _Known(facts={}, at=None)
    facts = {
        _("State"): subscription.state_label,
        _("Ends"): display.moment(subscription.cancel_at) if subscription.cancel_at else display.NOTHING,
    }
    return _Known(facts=facts, at=subscription.refreshed_at)


def _webhook(instance: Instance) -> _Known:
    webhook = display.webhook_of(instance)
    if webhook is None:
        return _Known(facts={}, at=None)
    facts = {_("Address"): webhook.actual_host_and_path or _("no address")}
    if webhook.actual_events is not None:
        facts[_("Events")] = ", ".join(webhook.actual_events) or pgettext("events", "none")
    return _Known(facts=facts, at=webhook.checked_at)


def _yes_or_no(value: bool | None) -> str:
    if value is None:
        return display.NOTHING
    return _("yes") if value else _("no")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
