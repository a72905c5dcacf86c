"""What tests of healing share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from django_vzaps import services
from django_vzaps.client import VZapsNotFoundError
from django_vzaps.client.answers.webhooks import WebhookLog, WebhookLogPage
from django_vzaps.client.resources.webhooks import Webhooks
from django_vzaps.events import healing
from django_vzaps.models import Account, Event, HealingRun, Instance
from django_vzaps.testing import FakeVZaps, events


def managed_instance(fake: FakeVZaps, name: str = "Front desk") -> Instance:
    """One that was made here, and so has a webhook that this site manages."""
    account = Account.objects.from_settings()
    assert account is not None
    instance = services.instances.create(account, name=name, actor=None).instance
    assert instance is not None
    services.sessions.qr(instance)
    fake.scan(instance.vzaps_id)
    Event.objects.all().delete()
    fake.calls.clear()
    return fresh(instance)


def fresh(instance: Instance) -> Instance:
    """As another process reads it."""
    return Instance.objects.select_related("webhook", "account").get(pk=instance.pk)


def look(instance: Instance) -> HealingRun | None:
    """Heal the instance as another process would."""
    return healing.heal(fresh(instance))


def row(name: str, **rest: Any) -> dict[str, Any]:
    """A delivery of a message with this text and id."""
    return {"id": name, "status": "failed", "payload": events.message(name)} | rest


@dataclass
class Log:
    """A delivery log that answers what the test says, in the place of the client's calls."""

    pages: tuple[Any, ...] = ()
    after: Any = field(default_factory=lambda: {"content": []})
    """What every page after the last is answered with."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What each delivery is when it is asked for by itself: an answer or an error. Others are not known."""
    asked: list[int] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def put_in_place(self, patch: pytest.MonkeyPatch) -> Self:
        """Answer what the client is asked from now on."""
        patch.setattr(Webhooks, "search_logs", lambda _, **whose: self.search_logs(**whose))
        patch.setattr(Webhooks, "get_log", lambda _, **whose: self.get_log(**whose))
        return self

    def says(self, *pages: Any) -> None:
        """Answer these pages to a search."""
        self.pages = pages

    def lists(self, *rows: dict[str, Any], **beside: Any) -> None:
        """Answer one page of these rows."""
        self.says({"content": list(rows), **beside})

    def forget_calls(self) -> None:
        self.asked.clear()
        self.fetched.clear()

    def search_logs(self, **filters: Any) -> WebhookLogPage:
        number = filters.get("page", 1)
        self.asked.append(number)
        return WebhookLogPage.of(self.pages[number - 1] if number <= len(self.pages) else self.after)

    def get_log(self, *, log_id: str, **whose: Any) -> WebhookLog:
        self.fetched.append(log_id)
        answer = self.kept.get(log_id, VZapsNotFoundError("There is no such delivery."))
        if isinstance(answer, Exception):
            raise answer
        return WebhookLog.of({"id": log_id} | answer)
