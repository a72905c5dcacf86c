"""``@on``: how a project says what it does with an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar

from django.conf import settings
from django.utils.module_loading import autodiscover_modules, module_has_submodule

from django_vzaps.events.parsing import normalised

#: The module of an app, or of the project itself, in which handlers are looked for.
MODULE: Final = "vzaps_handlers"
_NAME_MAX_LENGTH: Final = 255

Function = TypeVar("Function", bound=Callable[[Any], object])


@dataclass(frozen=True, kw_only=True, slots=True)
class Handler:
    """A function and the events it wants. ``types`` are normalised; empty means every type."""

    name: str
    function: Callable[[Any], object]
    types: frozenset[str]
    atomic: bool

    def wants(self, event_type: str) -> bool:
        """Whether the function is called for events of this type."""
        return not self.types or normalised(event_type) in self.types


_registered: dict[str, Handler] = {}


def on(*types: str, atomic: bool = True) -> Callable[[Function], Function]:
    """Call the decorated function with each event of these types; of every type where none is named.

        @on("Message")
        def keep(event: MessageEvent) -> None: ...

    The function runs in a transaction together with the mark that it is done: what it does in the database happens
    once, however often it is tried. ``atomic=False`` is for a function that reaches outside, such as one that
    replies: no transaction is open, and when its process dies midway it is not run again by itself.

    An exception is a failed attempt; the function is called again later, up to ``VZAPS["HANDLER_ATTEMPTS"]`` times.
    Raises ``TypeError`` or ``ValueError`` for what cannot be a handler.
    """
    for name in types:
        if not isinstance(name, str):
            raise TypeError('Write @on("Message"), or @on() for every type.')
        if normalised(name) == "all":
            raise ValueError('"All" is what one subscribes to, not a type of event: write @on() for every type.')

    def register(function: Function) -> Function:
        name = f"{function.__module__}.{function.__qualname__}"
        if iscoroutinefunction(function):
            raise TypeError(f"{name} is a coroutine function; handlers are plain functions.")
        if name in _registered:
            raise ValueError(f'{name} is a handler already. For several types write @on("Message", "ReadReceipt").')
        if len(name) > _NAME_MAX_LENGTH:
            raise ValueError(f"The name of a handler has at most {_NAME_MAX_LENGTH} characters: {name}")
        _registered[name] = handler_of(function, *types, atomic=atomic)
        return function

    return register


def handler_of(function: Callable[[Any], object], *types: str, atomic: bool = True) -> Handler:
    """The function as a handler, not registered."""
    return Handler(
        name=f"{function.__module__}.{function.__qualname__}",
        function=function,
        types=frozenset(normalised(name) for name in types),
        atomic=atomic,
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
