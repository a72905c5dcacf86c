"""A small chart of how many events came when, and how many of them failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from django_vzaps import scope
from django_vzaps.admin import display
from django_vzaps.admin.events import reading
from django_vzaps.models import Event, EventState, Instance

logger = logging.getLogger("django_vzaps.admin")

#: Of one bar; a higher one is shown as so high "or more".
MOST_COUNTED: Final = 10_000
_KEPT_FOR: Final = 60  # seconds
_USUAL: Final = timedelta(hours=24)
_MOST_BARS: Final = 60
_MOST_MARKS: Final = 5
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: How wide a bar is, and up to which span of the whole.
_STEPS: Final = (
    (timedelta(minutes=5), timedelta(hours=2)),
    (_HOUR, timedelta(hours=48)),
    (6 * _HOUR, timedelta(days=12)),
    (_DAY, _MOST_BARS * _DAY),
)

# Pixels: the bars of all events above, those of the failed ones below with a scale of their own.
_ALL_TOP, _ALL_HEIGHT = 18, 72
_FAILED_TOP, _FAILED_HEIGHT = 112, 28
_LEAST: Final = 2  # one event among thousands is seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A span of time and what came in it."""

    since: datetime
    until: datetime
    events: int
    failed: int

    @property
    def label(self) -> str:
        """The span, in the reader's time zone."""
        return f"{_at(self.since)} – {_at(self.until)}"  # noqa: RUF001

    @property
    def events_label(self) -> str:
        """How many came, or how many at least."""
        return _count(self.events)

    @property
    def failed_label(self) -> str:
        """How many of them failed, or how many at least."""
        return _count(self.failed)

    @property
    def from_text(self) -> str:
        """As the field of the filter wants it."""
        return display.local(self.since).strftime("%Y-%m-%dT%H:%M")

    @property
    def until_text(self) -> str:
        """As the field of the filter wants it."""
        return display.local(self.until).strftime("%Y-%m-%dT%H:%M")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """The bars and how they are drawn."""

    bars: list[Bar]
    step: timedelta
    is_usual: bool
    is_cut: bool
    """Whether the span that was asked for is longer than what is shown."""

    @property
    def events(self) -> str:
        """How many came in all."""
        return _total([bar.events for bar in self.bars])

    @property
    def failed(self) -> str:
        """How many of them failed."""
        return _total([bar.failed for bar in self.bars])

    @property
    def has_failed(self) -> bool:
        """Whether any failed."""
        return any(bar.failed for bar in self.bars)

    @property
    def since(self) -> str:
        """When the first bar begins."""
        return display.moment(self.bars[0].since)

    @property
    def until(self) -> str:
        """When the last bar ends."""
        return display.moment(self.bars[-1].until)

    @property
    def highest(self) -> str:
        """What the top line of the upper row stands for."""
        return _count(max(bar.events for bar in self.bars))

    @property
    def highest_failed(self) -> str:
        """What the top line of the lower row stands for."""
        return _count(max(bar.failed for bar in self.bars))

    def drawn(self, link: Callable[[Bar], str]) -> list[dict[str, Any]]:
        """Where each bar is drawn. As texts: a template would write numbers as the reader's language does."""
        width = 100 / len(self.bars)
        scale = max(1, *(bar.events for bar in self.bars))
        failed_scale = max(1, *(bar.failed for bar in self.bars))
        found = []
        for number, bar in enumerate(self.bars):
            height = _height(bar.events, scale, _ALL_HEIGHT)
            failed = _height(bar.failed, failed_scale, _FAILED_HEIGHT)
            found.append(
                {
                    "bar": bar,
                    "link": link(bar),
                    "x": f"{number * width:.3f}%",
                    "slot": f"{width:.3f}%",
                    "width": f"{width * 0.8:.3f}%",
                    "y": str(_ALL_TOP + _ALL_HEIGHT - height),
                    "height": str(height),
                    "failed_y": str(_FAILED_TOP + _FAILED_HEIGHT - failed),
                    "failed_height": str(failed),
                }
            )
        return found

    @property
    def marks(self) -> list[dict[str, str]]:
        """What is written below some of the bars: whole hours or days, not too near each other and to the edge."""
        last = len(self.bars) * 0.9
        round_ones = [number for number, bar in enumerate(self.bars) if self._is_round(bar.since) and number <= last]
        every = -(-len(round_ones) // _MOST_MARKS) or 1
        return [
            {"x": f"{number * 100 / len(self.bars):.3f}%", "text": self._mark(self.bars[number].since)}
            for number in round_ones[::every]
        ]

    def _is_round(self, at: datetime) -> bool:
        local = display.local(at)
        if self.step < _HOUR:
            return local.minute % 15 == 0
        if self.step < _DAY:
            return local.minute == 0 and local.hour % (6 if self.step == _HOUR else 24) == 0
        return True

    def _mark(self, at: datetime) -> str:
        if self.step < 6 * _HOUR:
            return date_format(display.local(at), "H:i")
        return date_format(display.local(at), "j M")


def chart(user: Any, *, instance: int | None, since: datetime | None, until: datetime | None) -> Chart:
    """The last 24 hours, or from ``since`` until ``until``, of what the user may see."""
    is_usual = since is None and until is None
    begin, end = _usual_span() if is_usual else _span(since, until)
    step = next((step for step, longest in _STEPS if end - begin <= longest), _DAY)
    is_cut = end - begin > _MOST_BARS * step
    if is_cut:
        begin = end - _MOST_BARS * step
    spans = list(_spans(begin, end, step))
    key = _key(user, instance, spans)
    found = _kept(key)
    if found is None:
        found = _counted(user, instance, spans)
        _keep(key, found)
    bars = [
        Bar(since=first, until=last, events=events, failed=failed)
        for (first, last), (events, failed) in zip(spans, found, strict=True)
    ]
    return Chart(bars=bars, step=step, is_usual=is_usual, is_cut=is_cut)


def _usual_span() -> tuple[datetime, datetime]:
    # By whole hours, so that who looks again within one finds it counted.
    end = _next(timezone.now(), _HOUR)
    return end - _USUAL, end


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    now = _next(timezone.now(), _MINUTE)
    end = now if until is None else _absolute(until)
    begin = end - _USUAL if since is None else _floor(_absolute(since), _MINUTE)
    if begin < now < end:  # nothing came in the future
        end = now
    return begin, max(end, begin + _MINUTE)


def _counted(user: Any, instance: int | None, spans: list[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    rows = scope.about(user, Event.objects.all(), Instance.objects.all())
    if instance is not None:
        rows = rows.filter(instance=instance)
    parts: list[QuerySet[Event]] = []
    for since, until in spans:
        within = rows.filter(received_at__gte=since, received_at__lt=until)
        parts += [reading.of_known_state(within), within.filter(state=EventState.FAILED)]
    found = reading.counts(parts, most=MOST_COUNTED + 1)
    return list(zip(found[::2], found[1::2], strict=True))


def _key(user: Any, instance: int | None, spans: list[tuple[datetime, datetime]]) -> str:
    whose = f"{user.pk}" if scope.is_set() else "all"
    begin, end = spans[0][0].timestamp(), spans[-1][1].timestamp()
    return f"django_vzaps:events:{whose}:{instance}:{begin:.0f}:{end:.0f}:{len(spans)}"


def _kept(key: str) -> list[tuple[int, int]] | None:
    try:
        found: list[tuple[int, int]] | None = cache.get(key)
    except Exception:  # whatever the cache raises: it only spares work
        logger.warning("The cache failed: events are counted each time the list is shown", exc_info=True)
        return None
    return found


def _keep(key: str, found: list[tuple[int, int]]) -> None:
    try:
        cache.set(key, found, _KEPT_FOR)
    except Exception:  # as above
        logger.warning("The cache failed: events are counted each time the list is shown", exc_info=True)


def _spans(begin: datetime, end: datetime, step: timedelta) -> Iterator[tuple[datetime, datetime]]:
    while begin < end:
        following = _next(begin, step)
        yield begin, min(following, end)
        begin = following


def _next(at: datetime, step: timedelta) -> datetime:
    """The next whole step, as the reader's clock shows them."""
    if step < _DAY:
        return _floor(at, step) + step
    midnight = display.local(at).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0) + _DAY
    return _absolute(timezone.make_aware(midnight)) if timezone.is_aware(at) else midnight


def _floor(at: datetime, step: timedelta) -> datetime:
    local = display.local(at)
    passed = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return _absolute(at) - passed % step


def _absolute(at: datetime) -> datetime:
    """In UTC: in other zones, an hour more on the clock need not be an hour."""
    return at.astimezone(UTC) if timezone.is_aware(at) else at


def _height(value: int, scale: int, height: int) -> int:
    return max(_LEAST, round(value / scale * height)) if value else 0


def _count(value: int) -> str:
    number = number_format(min(value, MOST_COUNTED), force_grouping=True)
    return _("%(count)s or more") % {"count": number} if value > MOST_COUNTED else number


def _total(values: list[int]) -> str:
    number = number_format(sum(min(value, MOST_COUNTED) for value in values), force_grouping=True)
    is_more = any(value > MOST_COUNTED for value in values)
    return _("%(count)s or more") % {"count": number} if is_more else number


def _at(at: datetime) -> str:
    return date_format(display.local(at), "j M H:i")
