"""A payload to look at: indented, of bounded length, without secrets and without files that nobody reads as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from django.template.defaultfilters import filesizeformat
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from django_vzaps.events import masking, parsing
from django_vzaps.events.parsing import normalised
from django_vzaps.models import Event
from django_vzaps.models.fields import storable
from django_vzaps.secret import MASK

LONGEST: Final = 100_000
_LONGEST_TEXT: Final = 20_000
_LONGEST_NAME: Final = 200
_MOST_ITEMS: Final = 500
_DEEPEST: Final = 40

#: What WhatsApp needs to fetch and decrypt a file, and small pictures of it. Whoever has the key has the file.
_MEDIA_KEYS: Final = frozenset({"mediakey", "filesha256", "fileencsha256", "fileenc", "directpath", "mediaurl"})
_MEDIA_NAME: Final = re.compile(
    r"(?:thumbnail|sha256|mediakey|directpath|sidecar|waveform|base64|filedata|mediaurl|mediadata|encfilehash)"
    r"(?:url|length|enc|key|timestamp)?$"
)
_HARMLESS: Final = re.compile(r"(?:length|timestamp|width|height)$")
_DATA_URL: Final = re.compile(r"data:([\w.+/-]{0,100})[^,]{0,100},")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{160,}={0,2}")
_SAMPLE: Final = 160
_MEDIA_HOST: Final = re.compile(r"https?://[\w.-]*\.(?:whatsapp\.net|fbcdn\.net)/", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|\b(Bearer)\s+[\w.~+/=-]{12,}", re.IGNORECASE)
#: They turn round the text beside them, or are not seen at all.
_INVISIBLE: Final = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_LENGTH_NAMES: Final = ("file_length", "file_size")
_SIZE: Final = re.compile(r"[0-9]{1,15}")
#: What a person wrote may be long and without a space too.
_WORDS: Final = frozenset({"conversation", "text", "caption", "pushname", "name", "subject", "description", "title"})


def shown(event: Event) -> SafeString | None:
    """The payload as HTML; None where there is none any more."""
    if not event.payload:
        return None
    body = event.body
    if body is None:
        return _framed([_text_without_files(masking.text_without_secrets(event.payload))])
    try:
        body = parsing.decoded(body)
        clean = masking.without_secrets({"": body})[""]
        return _framed(_Writer().write(clean))
    except RecursionError:
        return _framed([escape(_("It is nested too deeply to be shown."))])


def _framed(pieces: Iterator[str] | list[str]) -> SafeString:
    # Every piece was escaped where it was made.
    html = mark_safe("".join(pieces))  # noqa: S308
    return format_html('<pre class="vzaps-json" dir="ltr" tabindex="0">{}</pre>', html)


class _Writer:
    """Writes JSON piece by piece until it is long enough."""

    def __init__(self) -> None:
        self.left = LONGEST

    def write(self, value: Any) -> Iterator[str]:
        yield from self._value(value, "", 0, None)
        if self.left <= 0:
            yield "\n" + _placeholder(_("the rest is too long to be shown"))

    def _value(self, value: Any, name: str, depth: int, parent: dict[str, Any] | None) -> Iterator[str]:
        if self.left <= 0:
            return
        if file := _file(value, name, parent):
            yield self._spent(_placeholder(file), len(file))
        elif isinstance(value, dict | list):
            yield from self._container(value, depth, name)
        else:
            yield self._scalar(value)

    def _container(self, value: dict[str, Any] | list[Any], depth: int, name: str) -> Iterator[str]:
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        if not value:
            yield self._spent(opening + closing)
            return
        if depth >= _DEEPEST:
            yield self._spent(_placeholder(_("nested too deeply to be shown")), 30)
            return
        yield self._spent(opening)
        indent = "\n" + "  " * (depth + 1)
        for number, item in enumerate(value):
            if self.left <= 0:
                return
            yield self._spent("," + indent if number else indent)
            if number >= _MOST_ITEMS:
                left = len(value) - number
                yield _placeholder(ngettext("%(count)d more", "%(count)d more", left) % {"count": left})
                break
            if isinstance(value, dict):
                yield self._text(item, _LONGEST_NAME) + ": "
                yield from self._value(value[item], normalised(item), depth + 1, value)
            else:
                # What is in a list is named as the list is.
                yield from self._value(item, name, depth + 1, None)
        yield self._spent("\n" + "  " * depth + closing)

    def _scalar(self, value: Any) -> str:
        if isinstance(value, str):
            return self._text(value, _LONGEST_TEXT)
        text = json.dumps(value)
        return self._spent(escape(text[:_LONGEST_NAME]), len(text))

    def _text(self, text: str, longest: int) -> str:
        longest = min(longest, max(self.left, _LONGEST_NAME))
        cut = len(text) - longest
        quoted = json.dumps(storable(_TOKEN.sub(_masked_token, text[:longest])), ensure_ascii=False)
        html = str(escape(_INVISIBLE.sub(_written_out, quoted)))
        if not text.isascii():
            html = f"<bdi>{html}</bdi>"
        if cut > 0:
            more = ngettext("%(count)d character more", "%(count)d characters more", cut) % {"count": cut}
            html += " " + _placeholder(more)
        return self._spent(html, len(quoted))

    def _spent(self, html: str, length: int | None = None) -> str:
        self.left -= len(html) if length is None else length
        return html


def _file(value: Any, name: str, parent: dict[str, Any] | None) -> str:
    """What to write in place of a file, a piece of one, or the way to one; empty for all else."""
    if isinstance(value, str):
        if data := _DATA_URL.match(value):
            return _sized(_kind(data[1]), len(value) * 3 // 4)
        if not value or _HARMLESS.search(name):
            return ""
        if _MEDIA_HOST.match(value) or name in ("mediaurl", "directpath"):
            return _with_size(_("the way to a file"), parent)
        if name == "url" and parent is not None and any(normalised(key) in _MEDIA_KEYS for key in parent):
            return _with_size(_("the way to a file"), parent)
        if name == "mediakey":
            return _("the key to a file")
        if "thumbnail" in name:
            return _sized(pgettext("kind of file", "image"), len(value) * 3 // 4)
        if _MEDIA_NAME.search(name):
            return _sized(_("binary data"), len(value) * 3 // 4)
        if name not in _WORDS and _is_base64(value):
            return _sized(_("binary data"), len(value) * 3 // 4)
    elif isinstance(value, list) and len(value) >= 16 and all(type(item) is int and 0 <= item < 256 for item in value):
        return _sized(_("binary data"), len(value))
    elif isinstance(value, dict | list) and value and name == "mediakey":
        return _("the key to a file")
    return ""


def _is_base64(text: str) -> bool:
    start = text[:_SAMPLE]
    is_mixed = any(map(str.isupper, start)) and any(map(str.islower, start)) and any(map(str.isdigit, start))
    return is_mixed and _BASE64.fullmatch(text.replace("\n", "")) is not None


def _with_size(words: str, parent: dict[str, Any] | None) -> str:
    size = str(parsing.first(parent, *_LENGTH_NAMES))
    if not _SIZE.fullmatch(size):
        return words
    return _sized(f"{words}: {_kind(parsing.lookup(parent, 'mimetype'))}", int(size))


def _kind(mime_type: Any) -> str:
    general = str(mime_type or "").partition("/")[0]
    names = {
        "image": pgettext("kind of file", "image"),
        "video": pgettext("kind of file", "video"),
        "audio": pgettext("kind of file", "audio"),
    }
    return names.get(general, pgettext("kind of file", "file"))


def _sized(words: str, size: int) -> str:
    return f"{words}, {filesizeformat(size)}"


def _placeholder(words: str) -> str:
    return f'<em class="vzaps-placeholder">{escape(words)}</em>'


def _masked_token(found: re.Match[str]) -> str:
    return f"{found[1]} {MASK}" if found[1] else MASK


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _text_without_files(text: str) -> str:
    cut = len(text) - LONGEST
    clean = _BASE64.sub(lambda found: f"[{_sized(_('binary data'), len(found[0]) * 3 // 4)}]", text[:LONGEST])
    html = str(escape(_INVISIBLE.sub(_written_out, storable(_TOKEN.sub(_masked_token, clean)))))
    if cut > 0:
        more = ngettext("%(count)d character more", "%(count)d characters more", cut) % {"count": cut}
        html += " " + _placeholder(more)
    return html
