"""``@on``: how a project says what it does with an event."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar

from django.conf import settings
from django.utils.module_loading import autodiscover_modules, module_has_submodule

from django_vzaps.events.inbound import InboundEvent
from django_vzaps.events.parsing import TYPES as _DOCUMENTED
from django_vzaps.events.parsing import normalised

#: The module of an app, or of the project itself, in which handlers are looked for.
MODULE: Final = "vzaps_handlers"
_NAME_MAX_LENGTH: Final = 255

Function = TypeVar("Function", bound=Callable[[Any], object])


#: What only these events know, by the argument of :func:`on` that asks for it and the attribute that answers.
_ASKED_OF: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "from_me": ("is_from_me", frozenset({"message", "readreceipt", "chatpresence"})),
    "group": ("is_group", frozenset({"message", "readreceipt", "chatpresence"})),
    "revisions": ("is_revision", frozenset({"message"})),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Handler:
    """A function and the events it wants. ``types`` are normalised; empty means every type."""

    name: str
    function: Callable[[Any], object]
    types: frozenset[str]
    atomic: bool = True
    instances: frozenset[str] = frozenset()
    """VZaps ids; empty means every instance."""
    accounts: frozenset[str] = frozenset()
    """Names; empty means every account."""
    from_me: bool | None = None
    group: bool | None = None
    revisions: bool = False

    def why_not(self, event: InboundEvent) -> str:
        """Why the function is not called for the event, as the argument of :func:`on` that says so; empty if it is."""
        if self.types and normalised(event.type) not in self.types:
            return "type"
        if self.instances and event.instance.vzaps_id not in self.instances:
            return "instance"
        if self.accounts and event.instance.account.name not in self.accounts:
            return "account"
        if event.is_revision and not self.revisions:
            return "revisions"
        for name, wanted in (("from_me", self.from_me), ("group", self.group)):
            if wanted is not None and getattr(event, _ASKED_OF[name][0], None) is not wanted:
                return name
        return ""

    def wants(self, event: InboundEvent) -> bool:
        """Whether the function is called for the event."""
        return not self.why_not(event)


_registered: dict[str, Handler] = {}


def on(
    *types: str,
    atomic: bool = True,
    instance: str | Collection[str] = (),
    account: str | Collection[str] = (),
    from_me: bool | None = None,
    group: bool | None = None,
    revisions: bool = False,
) -> Callable[[Function], Function]:
    """Call the decorated function with each event of these types; of every type where none is named.

        @on("Message", from_me=False)
        def keep(event: MessageEvent) -> None: ...

    The function runs in a transaction together with the mark that it is done: what it does in the database happens
    once, however often it is tried. ``atomic=False`` is for a function that reaches outside, such as one that
    replies: no transaction is open, and when its process dies midway it is not run again by itself.

    ``instance`` and ``account`` name the VZaps ids and the accounts whose events are wanted, ``from_me`` and ``group``
    say on which side and in which kind of chat. A message that comes in several copies is seen once, unless
    ``revisions=True`` asks for the others too (``event.is_revision``).

    An exception is a failed attempt; the function is called again later, up to ``VZAPS["HANDLER_ATTEMPTS"]`` times.
    Raises ``TypeError`` or ``ValueError`` for what cannot be a handler.
    """
    for name in types:
        if not isinstance(name, str):
            raise TypeError('Write @on("Message"), or @on() for every type.')
        if normalised(name) == "all":
            raise ValueError('"All" is what one subscribes to, not a type of event: write @on() for every type.')
    wanted = frozenset(normalised(name) for name in types)
    filters: dict[str, Any] = {
        "instances": _names("instance", instance),
        "accounts": _names("account", account),
        "from_me": _choice("from_me", from_me, wanted),
        "group": _choice("group", group, wanted),
        "revisions": _choice("revisions", revisions or None, wanted) or False,
    }

    def register(function: Function) -> Function:
        name = f"{function.__module__}.{function.__qualname__}"
        if iscoroutinefunction(function):
            raise TypeError(f"{name} is a coroutine function; handlers are plain functions.")
        if name in _registered:
            raise ValueError(f'{name} is a handler already. For several types write @on("Message", "ReadReceipt").')
        if len(name) > _NAME_MAX_LENGTH:
            raise ValueError(f"The name of a handler has at most {_NAME_MAX_LENGTH} characters: {name}")
        _registered[name] = Handler(name=name, function=function, types=wanted, atomic=atomic, **filters)
        return function

    return register


def _names(argument: str, given: str | Collection[str]) -> frozenset[str]:
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Collection) else [None]
    if not all(isinstance(name, str) and name for name in names):
        raise TypeError(f'{argument} is a text or several, such as {argument}="..." or {argument}=["...", "..."].')
    return frozenset(names)


def _choice(argument: str, given: bool | None, types: frozenset[str]) -> bool | None:
    if given is None:
        return None
    if not isinstance(given, bool):
        raise TypeError(f"{argument} is True or False.")
    _attribute, known_by = _ASKED_OF[argument]
    if types - known_by:
        names = ", ".join(name for name in _DOCUMENTED if normalised(name) in known_by)
        raise ValueError(f"{argument} can be asked of {names} only: register other types in a handler of their own.")
    return given


def handler_of(function: Callable[[Any], object], *types: str) -> Handler:
    """The function as a handler, not registered."""
    return Handler(
        name=f"{function.__module__}.{function.__qualname__}",
        function=function,
        types=frozenset(normalised(name) for name in types),
    )


def registered() -> tuple[Handler, ...]:
    """All handlers, in the order in which they are called."""
    return tuple(_registered.values())


def autodiscover() -> None:
    """Import ``vzaps_handlers`` of every installed app, and that of the project's own package."""
    autodiscover_modules(MODULE)
    # The package of settings and URLs often is no app, and yet the first place in which one looks.
    project = getattr(settings, "ROOT_URLCONF", "").rpartition(".")[0]
    if project and module_has_submodule(import_module(project), MODULE):
        import_module(f"{project}.{MODULE}")
