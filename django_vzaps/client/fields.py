"""Tolerant reading of decoded answers: names in any spelling, values of nearly the right type (API.md section 17)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from ..secret import MASK, Secret, is_secret_name, is_there
from .errors import VZapsAnswerError

logger = logging.getLogger("django_vzaps.client")

# A webhook URL of ours carries its secret in the path. VZaps has three names for it (API.md section 5.2).
WEBHOOK_KEYS: Final = frozenset({"webhook", "webhookurl"})
_USUAL_LENGTH: Final = 64
_URL: Final = re.compile(r"""(\b[a-z][a-z0-9+.-]*://)[^\s"'<>]+""", re.IGNORECASE)


class Fields:
    """One JSON object of an answer, read by name without regard to case, underscores and dashes.

    Each method takes several names and answers with the first usable value; what is missing or of no use is None.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer
        self._values: dict[str, Any] = {}
        for key, value in answer.items():
            name = plain(key)
            if self._values.get(name) in (None, ""):
                self._values[name] = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._values)})"

    @property
    def raw(self) -> Mapping[str, Any]:
        """The whole object, without secrets."""
        cleaned: Mapping[str, Any] = without_secrets(self._answer)
        return cleaned

    def raw_without(self, name: str) -> Mapping[str, Any]:
        """As :attr:`raw`, without the rows of a page: each has its own."""
        rest = {key: value for key, value in self._answer.items() if plain(key) != plain(name)}
        cleaned: Mapping[str, Any] = without_secrets(rest)
        return cleaned

    @classmethod
    def of(cls, answer: Any, what: str) -> Fields:
        """Read the JSON object ``what``, bare or in an envelope (API.md section 1.1).

        Raises VZapsAnswerError when the answer is anything but an object.
        """
        content = unwrapped(answer)
        if not isinstance(content, Mapping):
            raise VZapsAnswerError(f"VZaps sent {_kind(content)} where {what} was expected.")
        return cls(content)

    @classmethod
    def of_change(cls, answer: Any, what: str) -> Fields:
        """As :meth:`of`, for a change whose answer may also be empty (HTTP 204)."""
        return cls({}) if unwrapped(answer) is None else cls.of(answer, what)

    def value(self, *names: str) -> Any:
        for name in names:
            if (value := self._values.get(_plain(name))) not in (None, ""):
                return value
        return None

    def has(self, name: str) -> bool:
        return plain(name) in self._values

    def values(self) -> Iterator[Any]:
        """Every value, whatever its name."""
        yield from self._values.values()

    def text(self, *names: str) -> str | None:
        value = self.value(*names)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        return printable(str(value)) or None

    def secret(self, *names: str) -> Secret | None:
        value = self.value(*names)
        return Secret(value) if isinstance(value, str) else None

    def boolean(self, *names: str) -> bool | None:
        value = self.value(*names)
        if isinstance(value, str):
            return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
        return bool(value) if isinstance(value, int) and value in (0, 1) else None

    def integer(self, *names: str) -> int | None:
        value = self.value(*names)
        if isinstance(value, bool):
            return None
        if isinstance(value, int):
            return value
        if isinstance(value, str) and value.isdecimal() and len(value) <= 18:
            return int(value)
        return int(value) if isinstance(value, float) and value.is_integer() else None

    def number(self, *names: str) -> float | None:
        """A finite number of moderate size; None for anything else."""
        value = self.value(*names)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        return number if abs(number) < 1e15 else None

    def moment(self, *names: str) -> datetime | None:
        """An RFC 3339 time as an aware datetime in UTC; None also for the year 1, with which Go says "never"."""
        value = self.value(*names)
        if not isinstance(value, str):
            return None
        try:
            moment = datetime.fromisoformat(value.strip())
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return moment if moment.year > 1 else None

    def names(self, *names: str) -> tuple[str, ...]:
        """A list of names, sent as an array or as one text with commas (API.md section 17.8)."""
        value = self.value(*names)
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            return ()
        return tuple(dict.fromkeys(name for item in items if isinstance(item, str) and (name := printable(item))))

    def mapping(self, *names: str) -> Mapping[str, Any] | None:
        value = self.value(*names)
        return value if isinstance(value, Mapping) else None

    def rows(self, name: str, what: str) -> Iterator[Fields]:
        """The objects of a page; a row that is no object is logged and left out.

        Raises VZapsAnswerError when the page has no list of rows: "none" must never be read out of a broken answer.
        """
        rows = self._values.get(plain(name), ...)
        if rows is None:  # how Go writes an empty list
            return
        if not isinstance(rows, list):
            raise VZapsAnswerError(f"VZaps sent a page without a list of {what}.")
        for row in rows:
            if isinstance(row, Mapping):
                yield Fields(row)
            else:
                logger.warning("VZaps sent %s among the %s of a page; it was left out.", _kind(row), what)


def unwrapped(answer: Any) -> Any:
    """What an envelope holds; an answer that is no envelope as it is (API.md section 1.1)."""
    if isinstance(answer, Mapping) and "success" in answer and "data" in answer:
        return answer["data"]
    return answer


def without_secrets(answer: Any) -> Any:
    """A copy of decoded JSON without tokens, codes and webhook URLs."""
    if isinstance(answer, dict):
        return {
            name: MASK if _is_hidden(name) and is_there(value) else without_secrets(value)
            for name, value in answer.items()
        }
    return [without_secrets(value) for value in answer] if isinstance(answer, list) else answer


def without_urls(value: Any) -> Any:
    """A copy of decoded JSON (or of a text) in which every URL is masked behind its scheme."""
    if isinstance(value, str):
        return _URL.sub(rf"\1{MASK}", value)
    if isinstance(value, Mapping):
        return {key: without_urls(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_urls(item) for item in value]
    return value


def printable(text: str) -> str:
    """``text`` without surrounding space and without what a database refuses (NUL, lone surrogates)."""
    if not text.isascii() or "\x00" in text:  # Most texts have neither, and a page of instances has a thousand.
        text = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return text.strip()


def plain(name: str) -> str:
    """A name as it is compared: ``LinkingCode``, ``linking_code`` and ``linkingCode`` are one."""
    # The same names come in every answer; a long one is nobody's, and is not remembered.
    return _plain(name) if len(name) < _USUAL_LENGTH else _plain.__wrapped__(name)


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _is_hidden(name: str) -> bool:
    return _hidden(name) if len(name) < _USUAL_LENGTH else _hidden.__wrapped__(name)


@lru_cache(maxsize=4096)
def _hidden(name: str) -> bool:
    return is_secret_name(name) or plain(name) in WEBHOOK_KEYS


def _kind(value: Any) -> str:
    kinds = {type(None): "nothing", bool: "a boolean", str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")
