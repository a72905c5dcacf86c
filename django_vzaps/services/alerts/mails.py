"""One mail that says what was raised, is still so, and is over: text, and the same as simple HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import translation
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.models import Alert
from django_vzaps.services.alerts import words

#: More are counted, but not told one by one.
LISTED: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """Some of ``count`` alerts, the most important first."""

    count: int = 0
    alerts: Sequence[Alert] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """What there is to tell: alerts that are new, those to be reminded of, and those that are over."""

    raised: News = News()
    reminded: News = News()
    over: News = News()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Item:
    title: str
    lines: tuple[str, ...]
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Section:
    heading: str
    items: tuple[_Item, ...]
    rest: str


def compose(digest: Digest, address: str, language: str) -> EmailMultiAlternatives:
    """The mail for one recipient, in ``language``, or in that of the site where it is empty or not known."""
    with translation.override(_known(language)):
        sections = [
            _section(_("New"), digest.raised),
            _section(_("Reminder"), digest.reminded),
            _section(_("Over"), digest.over, is_over=True),
        ]
        told = [section for section in sections if section.items]
        mail = EmailMultiAlternatives(
            subject=f"[VZaps] {_subject(digest)}",
            body="\n\n".join(_text(section) for section in told) + "\n",
            to=[address],
            # No holiday reply, please.
            headers={"Auto-Submitted": "auto-generated"},
        )
        mail.attach_alternative(_html(told), "text/html")
    return mail


def is_known(language: str) -> bool:
    """Whether the site speaks it."""
    try:
        translation.get_supported_language_variant(language)
    except LookupError:
        return False
    return True


def _known(language: str) -> str:
    if not language or not is_known(language):
        return settings.LANGUAGE_CODE
    return translation.get_supported_language_variant(language)


def _subject(digest: Digest) -> str:
    wrong = [digest.raised, digest.reminded]
    count = sum(news.count for news in wrong)
    if count:
        first = words.title(next(alert for news in wrong for alert in news.alerts))
        said = ngettext("%(count)d alert: %(first)s", "%(count)d alerts: %(first)s", count)
    else:
        count, first = digest.over.count, words.title(digest.over.alerts[0])
        if count == 1:
            return _("Over: %(title)s") % {"title": first}
        said = ngettext("%(count)d alert is over: %(first)s", "%(count)d alerts are over: %(first)s", count)
    return first if count == 1 else said % {"count": count, "first": first}


def _section(heading: str, news: News, *, is_over: bool = False) -> _Section:
    hidden = news.count - len(news.alerts)
    rest = ngettext("and %(count)d more", "and %(count)d more", hidden) % {"count": hidden} if hidden > 0 else ""
    return _Section(heading=heading, items=tuple(_item(alert, is_over=is_over) for alert in news.alerts), rest=rest)


def _item(alert: Alert, *, is_over: bool) -> _Item:
    lines = _over(alert) if is_over else _open(alert)
    return _Item(title=words.title(alert), lines=tuple(line for line in lines if line), url=words.url(alert))


def _open(alert: Alert) -> Iterator[str]:
    if alert.since is not None:
        yield _("Since %(when)s.") % {"when": words.moment(alert.since)}
    yield words.meaning(alert)
    if advice := words.advice(alert):
        yield _("What to do: %(advice)s") % {"advice": advice}


def _over(alert: Alert) -> Iterator[str]:
    if alert.resolved_at is not None:
        yield _("Not so any more since %(when)s.") % {"when": words.moment(alert.resolved_at)}
    yield words.outcome(alert)


def _text(section: _Section) -> str:
    items = (
        "\n".join([item.title, *(f"  {line}" for line in (*item.lines, item.url) if line)]) for item in section.items
    )
    return "\n\n".join([section.heading, *items, *_rest(section)])


def _html(sections: Iterable[_Section]) -> SafeString:
    shown = format_html_join("\n", "<h2>{}</h2>\n<ul>\n{}\n</ul>\n{}", map(_html_section, sections))
    return format_html('<html lang="{}"><body>\n{}\n</body></html>\n', translation.get_language() or "", shown)


def _html_section(section: _Section) -> tuple[str, SafeString, SafeString]:
    items = format_html_join("\n", "<li>{}{}</li>", map(_html_item, section.items))
    return section.heading, items, format_html_join("", "<p>{}</p>", ((rest,) for rest in _rest(section)))


def _html_item(item: _Item) -> tuple[SafeString, SafeString]:
    title = (
        format_html('<a href="{}"><strong>{}</strong></a>', item.url, item.title)
        if item.url
        else format_html("<strong>{}</strong>", item.title)
    )
    return title, format_html_join("", "<br>{}", ((line,) for line in item.lines))


def _rest(section: _Section) -> list[str]:
    return [section.rest] if section.rest else []
