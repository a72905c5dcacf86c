from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.test import override_settings

from django_vzaps.events import InboundEvent, handlers, on


def test_a_handler_gets_the_types_it_names() -> None:
    @on("Message", "read_receipt")
    def keep(event: InboundEvent) -> None: ...

    (handler,) = handlers.registered()
    assert handler.function is keep
    assert handler.atomic
    assert [name for name in ("Message", "ReadReceipt", "Connected") if handler.wants(name)] == [
        "Message",
        "ReadReceipt",
    ]


def test_a_handler_without_types_gets_every_event() -> None:
    @on(atomic=False)
    def keep(event: InboundEvent) -> None: ...

    (handler,) = handlers.registered()
    assert not handler.atomic
    assert handler.wants("Message")
    assert handler.wants("SomethingNew")
    assert handler.wants("")


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
