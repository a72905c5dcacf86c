"""Taking out of an event what must not be stored: tokens, pairing codes, the secret of a webhook's URL.

By names, by the type of the event and by the shape of the URL; never by what a person's words look like.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_plus

from django_vzaps.events import parsing
from django_vzaps.events.parsing import normalised
from django_vzaps.logs import masked
from django_vzaps.secret import MASK, is_secret_name, is_there

# Where a value stands: around what has a type, beside the type, in the event, in what a person wrote.
_AROUND, _BESIDE, _INSIDE, _WORDS = range(4)

#: Text under these is no JSON, even if it looks like it.
_PERSONS_WORDS: Final = frozenset(
    {"message", "messages", "lastmessage", "quotedmessage", "conversation", "text", "caption", "name", "pushname"}
    | {"subject", "topic", "description"}
)

#: How the types begin that tell of pairing. Whatever they carry may be a code, except these.
_PAIRING: Final = ("qr", "pair", "linkingcode")
_NO_CODE: Final = frozenset({"type", "instanceid", "timestamp"})

_JSON_BEGINS: Final = frozenset("{[")


def without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    """The decoded body without secrets, also without those in JSON text; the same object where it has none."""
    if not _is_suspect(body):
        return body
    clean: dict[str, Any] = _clean(body, _AROUND)
    return body if clean == body else clean


def _is_suspect(value: dict[str, Any] | list[Any]) -> bool:
    """Whether a copy must be made to know. Asked of every event: a fraction of what the copy takes."""
    items: Any = value
    if type(value) is dict:
        for key, item in value.items():
            suspicion = (_suspicion if len(key) < _USUAL_LENGTH else _suspicion.__wrapped__)(key)
            if suspicion and (suspicion == _SECRET_NAME or _is_pairing(item)):
                return True
        items = value.values()
    for item in items:
        kind = type(item)
        if kind is str:
            if ("webhook" in item and _WEBHOOK_PATH.search(item)) or item.lstrip()[:1] in _JSON_BEGINS:
                return True
        elif (kind is dict or kind is list) and _is_suspect(item):
            return True
    return False


@lru_cache(maxsize=4096)
def _suspicion(name: str) -> int:
    if is_secret_name(name) or "webhook" in name:
        return _SECRET_NAME
    return _TYPE_NAME if normalised(name) == "type" else 0


_WEBHOOK_PATH: Final = re.compile(r"webhook\\{0,16}/")
_SECRET_NAME, _TYPE_NAME = 1, 2
_USUAL_LENGTH: Final = 64


def _clean(value: Any, place: int) -> Any:
    if isinstance(value, str):
        looks_like_json = place != _WORDS and value.lstrip()[:1] in _JSON_BEGINS
        return _clean_json(value, place) if looks_like_json else _without_urls(value)
    if isinstance(value, list):
        return [_clean(item, place) for item in value]
    if not isinstance(value, dict):
        return value
    if place < _INSIDE:
        payload = parsing.unwrapped(value)
        event_type = parsing.lookup(payload, "type")
        if _is_pairing(event_type):
            return _clean_pairing(payload)
        place = _AROUND if place == _AROUND and event_type is None else _BESIDE
    return {
        _without_urls(key): MASK if is_secret_name(key) and is_there(item) else _clean(item, _place_of(key, place))
        for key, item in value.items()
    }


def _clean_pairing(payload: dict[str, Any]) -> dict[str, Any]:
    told = {
        key: _clean(item, _INSIDE)
        for key, item in payload.items()
        if normalised(key) in _NO_CODE and not isinstance(item, dict | list)
    }
    return told if len(told) == len(payload) else {**told, "event": MASK}


def _clean_json(text: str, place: int) -> str:
    try:
        value = json.loads(text)
        clean = _clean(value, place)
    except (ValueError, RecursionError):
        return text_without_secrets(text)
    return text if clean == value else json.dumps(clean)


def _is_pairing(event_type: object) -> bool:
    return isinstance(event_type, str) and normalised(event_type.strip()).startswith(_PAIRING)


def _place_of(key: str, parent: int) -> int:
    name = normalised(key)
    if parent != _AROUND and name in _PERSONS_WORDS:
        return _WORDS
    return max(parent, _INSIDE) if name == "event" else parent


def _without_urls(text: str) -> str:
    if "webhook" not in text:
        return text
    plain = _ESCAPED_SLASH.sub("/", text)
    clean = masked(plain)
    return text if clean == plain else clean


_ESCAPED_SLASH: Final = re.compile(r"(?<!\\)\\{1,16}/")

# What is no JSON: most of it was cut off, or is JSON text in JSON text, its quotes behind backslashes.
_NAME: Final = re.compile(r"""(?P<quote>\\{0,8}["'])(?P<name>[\w-]{1,40})(?P=quote)(?:\s|\\{1,8}[nrt])*:""")
_OPENING: Final = re.compile(r"""(?:\s|\\{1,8}[nrt])*(?P<mark>\\{0,8}["']|[\[{]?)""")
_QUOTE: Final = re.compile(r"""(?<!\\)\\{0,16}["']""")
_BRACKET: Final = re.compile(r"[\[\]{}]")
_BARE: Final = re.compile(r"""[^,}\]"'\\\r\n]*""")
_PAIRING_TEXT: Final = re.compile(
    rf"""["']type\\{{0,8}}["']\s{{0,9}}:\s{{0,9}}\\{{0,8}}["'](?:{"|".join(_PAIRING)})""", re.IGNORECASE
)

# A form's field, or a line such as a header's.
_FIELD: Final = re.compile(
    r"(?P<before>(?:^|[&?;])[ \t]{0,9}(?P<name>[\w-]{1,40})[ \t]{0,9}[=:][ \t]{0,9})(?P<value>[^&\r\n]+)", re.MULTILINE
)
_PAIRING_FIELD: Final = re.compile(rf"^(?:.*&)?type=(?:{'|'.join(_PAIRING)})", re.IGNORECASE | re.MULTILINE)

_MAY_HOLD_CODE: Final = frozenset({"event", "data", "code", "codes"})


def text_without_secrets(text: str) -> str:
    """A text that is no JSON without secrets, as far as they can be told: where a name is set apart from prose."""
    begins = text.lstrip()[:1]
    if begins and begins not in "{[\"'":
        plain = unquote_plus(text)
        clean = _clean_quoted(_clean_fields(_without_urls(plain)))
        return text if clean == plain else clean
    return _clean_quoted(_without_urls(text))


def _clean_fields(text: str) -> str:
    tells_of_pairing = _PAIRING_FIELD.search(text) is not None

    def mask(found: re.Match[str]) -> str:
        return found["before"] + MASK if _is_secret(found["name"], tells_of_pairing) else found[0]

    return _FIELD.sub(mask, text)


def _clean_quoted(text: str) -> str:
    tells_of_pairing = _PAIRING_TEXT.search(text) is not None
    parts: list[str] = []
    kept_from = 0
    for found in _NAME.finditer(text):
        if found.start() < kept_from or not _is_secret(found["name"], tells_of_pairing):
            continue
        begin, end = _value_after(text, found.end())
        if text[begin:end].strip() not in ("", "null"):
            parts += [text[kept_from:begin], MASK]
            kept_from = end
    return "".join([*parts, text[kept_from:]])


def _is_secret(name: str, tells_of_pairing: bool) -> bool:
    return is_secret_name(name) or (tells_of_pairing and normalised(name) in _MAY_HOLD_CODE)


def _value_after(text: str, colon: int) -> tuple[int, int]:
    """Where the value behind a colon begins and ends; without its quotes, and to the end where it was cut off."""
    opening = _OPENING.match(text, colon)
    assert opening is not None  # noqa: S101 - it matches nothing as well
    mark, begin = opening["mark"], opening.end()
    if not mark:
        bare = _BARE.match(text, begin)
        return begin, begin if bare is None else bare.end()
    if mark in "[{":
        depth = 1
        for bracket in _BRACKET.finditer(text, begin):
            depth += 1 if bracket[0] in "[{" else -1
            if not depth:
                return begin - 1, bracket.end()
        return begin - 1, len(text)
    for quote in _QUOTE.finditer(text, begin):
        # Behind more backslashes it is a character of the value.
        if quote[0][-1] == mark[-1] and len(quote[0]) <= len(mark):
            return begin, quote.start()
    return begin, len(text)
