"""VZaps' own record of the events it sent, as far as it can be read: its fields are not documented (API.md 5.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.client import (
    VZapsAnswerError,
    VZapsClient,
    VZapsError,
    VZapsNotFoundError,
    WebhookLog,
    WebhookLogPage,
)
from django_vzaps.models import Instance
from django_vzaps.models.fields import storable, storable_moment
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.services.errors import ReadFailed, in_words

#: Pages of one look: a log without an end must not keep it going for ever.
MOST_PAGES: Final = 50

#: Words for deliveries that need nobody's help. Every other word, and none, counts as failed.
_NOT_FAILED: Final = frozenset(
    {"delivered", "success", "succeeded", "successful", "ok", "sent", "completed", "done"}
    | {"pending", "queued", "retrying", "processing", "200", "201", "204"}
)

#: A log of which only the list knows, or whose page makes no sense: no reason to leave the others.
_ONE_LOG: Final = (VZapsNotFoundError, VZapsAnswerError)

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedLog:
    """A delivery that VZaps calls failed."""

    id: str
    failed_at: datetime | None
    payload: Any
    """What VZaps kept of the body, or None where the list did not show it: see :func:`body_of`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedPage:
    """A page of failed deliveries, and in words what of it could not be read."""

    logs: tuple[FailedLog, ...]
    problems: tuple[str, ...] = ()


def failed(instance: Instance) -> Iterator[FailedPage]:
    """The deliveries that VZaps failed to make, page by page, each once (API.md section 5.3).

    How to ask for another page is not documented, nor how many there are: without a total, pages are read until one
    brings nothing new. That is a problem only where VZaps says that there is more. Raises :class:`ReadFailed`, also
    between pages.
    """
    seen: set[str] = set()
    read = 0
    for number in range(1, MOST_PAGES + 1):
        answer = _page(instance, number)
        fresh = [log for log in answer.content if log.id not in seen]
        seen.update(log.id for log in fresh)
        if not fresh and (answer.content or not answer.without_id):
            if number > 1 and _is_promised(answer, number, read):
                problem = _("VZaps' delivery log says that there is more, and does not show it.")
                yield FailedPage(logs=(), problems=(problem,))
            return
        read += len(fresh) + answer.without_id
        yield FailedPage(
            logs=tuple(
                FailedLog(id=storable(log.id, 128), failed_at=storable_moment(log.created_at), payload=log.payload)
                for log in fresh
                if _is_failed(log)
            ),
            problems=_problems(answer),
        )
        is_guess = answer.total is None and answer.total_pages is None
        if not (fresh if is_guess else _is_promised(answer, number + 1, read)):
            return
    problem = _("The delivery log was read up to page %(count)d; there are more.") % {"count": MOST_PAGES}
    yield FailedPage(logs=(), problems=(problem,))


def body_of(instance: Instance, log: FailedLog) -> bytes | None:
    """The body that VZaps failed to deliver; None where it did not keep it. Raises :class:`ReadFailed`."""
    payload = _kept(instance, log) if log.payload is None else log.payload
    if payload is None:
        return None
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return text.encode("utf-8", "replace")


def _kept(instance: Instance, log: FailedLog) -> Any:
    try:
        return _read(
            instance,
            lambda api: api.webhooks.get_log(
                instance_id=instance.vzaps_id, log_id=log.id, instance_token=token_of(instance)
            ),
        ).payload
    except ReadFailed as error:
        if isinstance(error.error, _ONE_LOG):
            return None
        raise


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


def _is_promised(answer: WebhookLogPage, number: int, read: int) -> bool:
    """Whether VZaps says that there is this page, after so many rows were read."""
    if answer.total_pages is not None:
        return number <= answer.total_pages
    return answer.total is not None and read < answer.total


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
