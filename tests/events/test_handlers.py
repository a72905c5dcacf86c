from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from django_vzaps.events import InboundEvent, handlers, inbound, on
from django_vzaps.models import Account, Event, Instance
from django_vzaps.testing import events


def event_of(type_or_body: str | dict[str, Any], *, vzaps_id: str = "VZ1", account: str = "default") -> InboundEvent:
    """An event that is not stored."""
    body = {"type": type_or_body} if isinstance(type_or_body, str) else type_or_body
    instance = Instance(vzaps_id=vzaps_id, account=Account(name=account))
    return inbound.from_record(Event(instance=instance, type=body["type"], payload=json.dumps(body)))


def test_a_handler_gets_the_types_it_names() -> None:
    @on("Message", "read_receipt")
    def keep(event: InboundEvent) -> None: ...

    (handler,) = handlers.registered()
    assert handler.function is keep
    assert handler.atomic
    assert [name for name in ("Message", "ReadReceipt", "Connected") if handler.wants(event_of(name))] == [
        "Message",
        "ReadReceipt",
    ]


def test_a_handler_without_types_gets_every_event() -> None:
    @on(atomic=False)
    def keep(event: InboundEvent) -> None: ...

    (handler,) = handlers.registered()
    assert not handler.atomic
    assert handler.wants(event_of("Message"))
    assert handler.wants(event_of("SomethingNew"))
    assert handler.wants(event_of(""))


def test_a_handler_gets_the_instances_and_accounts_it_names() -> None:
    @on("Connected", instance="VZ1", account=["north", "south"])
    def keep(event: InboundEvent) -> None: ...

    (handler,) = handlers.registered()
    assert handler.wants(event_of("Connected", account="north"))
    assert handler.why_not(event_of("Connected", account="east")) == "account"
    assert handler.why_not(event_of("Connected", vzaps_id="VZ2", account="north")) == "instance"
    assert handler.why_not(event_of("Disconnected", account="north")) == "type"


@pytest.mark.parametrize("from_me", [True, False])
@pytest.mark.parametrize("group", [True, False])
def test_a_handler_gets_the_side_and_the_kind_of_chat_it_names(from_me: bool, group: bool) -> None:
    @on("Message", from_me=from_me, group=group)
    def keep(event: InboundEvent) -> None: ...

    (handler,) = handlers.registered()
    for its_side in (True, False):
        for its_chat in (True, False):
            event = event_of(events.message(from_me=its_side, group=its_chat))
            assert handler.wants(event) == ((its_side, its_chat) == (from_me, group))


def test_events_that_know_no_side_are_not_for_who_asks_for_one() -> None:
    @on(from_me=False)
    def keep(event: InboundEvent) -> None: ...

    (handler,) = handlers.registered()
    assert handler.wants(event_of(events.message()))
    assert handler.why_not(event_of(events.connected())) == "from_me"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"instance": 5}, "instance is a text or several"),
        ({"instance": [5]}, "instance is a text or several"),
        ({"account": ""}, "account is a text or several"),
        ({"from_me": "yes"}, "from_me is True or False"),
        ({"group": 1}, "group is True or False"),
        ({"revisions": "all"}, "revisions is True or False"),
        ({"from_me": True}, "from_me can be asked of Message, ReadReceipt, ChatPresence only"),
        ({"group": False}, "group can be asked of Message, ReadReceipt, ChatPresence only"),
        ({"revisions": True}, "revisions can be asked of Message only"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_at_once(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        on("Message", "Connected", **wrong)
    assert handlers.registered() == ()


def test_handlers_are_called_in_the_order_they_were_registered() -> None:
    for name in ("one", "two", "three"):

        def keep(event: InboundEvent) -> None: ...

        keep.__qualname__ = name
        on("Message")(keep)
    assert [handler.name.rpartition(".")[2] for handler in handlers.registered()] == ["one", "two", "three"]


def test_what_cannot_be_a_handler_is_refused_at_once() -> None:
    async def later(event: InboundEvent) -> None: ...

    def keep(event: InboundEvent) -> None: ...

    with pytest.raises(TypeError, match="coroutine"):
        on("Message")(later)
    with pytest.raises(TypeError, match=r'Write @on\("Message"\)'):
        on(keep)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a type of event"):
        on("All")
    on("Message")(keep)
    with pytest.raises(ValueError, match="is a handler already"):
        on("ReadReceipt")(keep)
    keep.__qualname__ = "k" * 300
    with pytest.raises(ValueError, match="at most 255"):
        on("Message")(keep)


def test_the_modules_of_apps_and_of_the_project_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("shop_app", "shop_project"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "vzaps_handlers.py").write_text(
            "from django_vzaps.events import on\n\n@on('Message')\ndef keep(event): ...\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(INSTALLED_APPS=["shop_app"], ROOT_URLCONF="shop_project.urls"):
        handlers.autodiscover()
    assert [handler.name for handler in handlers.registered()] == [
        "shop_app.vzaps_handlers.keep",
        "shop_project.vzaps_handlers.keep",
    ]
    for name in [name for name in sys.modules if name.startswith("shop_")]:
        monkeypatch.delitem(sys.modules, name)
