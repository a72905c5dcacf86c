"""VZaps' own record of the events it sent, as far as it can be read: its fields are not documented (API.md 5.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.client import VZapsClient, VZapsError, WebhookLog, WebhookLogPage
from django_vzaps.models import Instance
from django_vzaps.models.fields import storable
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.services.errors import ReadFailed, in_words

#: Pages of one look: a log without an end must not keep it going for ever.
MOST_PAGES: Final = 50

#: Words for deliveries that need nobody's help. Every other word, and none, counts as failed.
_NOT_FAILED: Final = frozenset(
    {"delivered", "success", "succeeded", "successful", "ok", "sent", "completed", "done"}
    | {"pending", "queued", "retrying", "processing", "200", "201", "204"}
)

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedLog:
    """A delivery that VZaps calls failed."""

    id: str
    failed_at: datetime | None
    payload: Any
    """What VZaps kept of the body, if the list showed it: see :func:`body_of`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedPage:
    """A page of failed deliveries, and in words what of it could not be read."""

    logs: tuple[FailedLog, ...]
    problems: tuple[str, ...] = ()


def failed(instance: Instance) -> Iterator[FailedPage]:
    """The deliveries that VZaps failed to make, page by page, each once (API.md section 5.3).

    How to ask for another page is not documented: where VZaps answers the same one again, that is a problem and the
    end. Raises :class:`ReadFailed`, also between pages.
    """
    seen: set[str] = set()
    for number in range(1, MOST_PAGES + 1):
        answer = _page(instance, number)
        fresh = [log for log in answer.content if log.id not in seen]
        seen.update(log.id for log in fresh)
        if number > 1 and answer.content and not fresh:
            yield FailedPage(logs=(), problems=(_("VZaps' delivery log has more pages, and answers the first again."),))
            return
        yield FailedPage(
            logs=tuple(
                FailedLog(id=storable(log.id, 128), failed_at=log.created_at, payload=log.payload)
                for log in fresh
                if _is_failed(log)
            ),
            problems=_problems(answer),
        )
        if not answer.content or not _has_more(answer, number, len(seen)):
            return
    problem = _("The delivery log was read up to page %(count)d; there are more.") % {"count": MOST_PAGES}
    yield FailedPage(logs=(), problems=(problem,))


def body_of(instance: Instance, log: FailedLog) -> bytes | None:
    """The body that VZaps failed to deliver; None where it did not keep it. Raises :class:`ReadFailed`."""
    payload = log.payload
    if payload in (None, "", {}, []):
        payload = _read(
            instance,
            lambda api: api.webhooks.get_log(
                instance_id=instance.vzaps_id, log_id=log.id, instance_token=token_of(instance)
            ),
        ).payload
    if payload in (None, "", {}, []):
        return None
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return text.encode("utf-8", "replace")


def _page(instance: Instance, number: int) -> WebhookLogPage:
    # Only the status is documented; a page is asked for when there must be one.
    paging: dict[str, Any] = {"page": number} if number > 1 else {}
    return _read(
        instance,
        lambda api: api.webhooks.search_logs(
            instance_id=instance.vzaps_id, instance_token=token_of(instance), status="failed", **paging
        ),
    )


def _is_failed(log: WebhookLog) -> bool:
    return (log.status or "").strip().lower() not in _NOT_FAILED


def _has_more(answer: WebhookLogPage, number: int, seen: int) -> bool:
    if answer.total_pages is not None:
        return number < answer.total_pages
    return answer.total is not None and seen + answer.without_id < answer.total


def _problems(answer: WebhookLogPage) -> tuple[str, ...]:
    if not answer.without_id:
        return ()
    said = ngettext(
        "%(count)d delivery has no id under any known name and was left out.",
        "%(count)d deliveries have no id under any known name and were left out.",
        answer.without_id,
    )
    return (said % {"count": answer.without_id},)


def _read(instance: Instance, call: Callable[[VZapsClient], Answer]) -> Answer:
    try:
        return call(client_for(instance))
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
