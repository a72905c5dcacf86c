"""Instances, their billing, and the small answers that changes get (API.md section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from ...secret import Secret
from ..errors import VZapsAnswerError
from ..fields import Fields, logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A WhatsApp number at VZaps, as create, get, update and each row of a list describe it (API.md section 3.1).

    ``status`` and ``billing_status`` are free text: VZaps documents no enumeration. ``webhook`` carries the secret of
    the receiver in its path, so it is not shown by ``repr`` and masked in ``raw``.
    """

    id: str
    name: str
    token: Secret | None
    url: str | None
    webhook: str | None = field(repr=False)
    events: tuple[str, ...]
    reject_calls: bool | None
    auto_read_messages: bool | None
    labels: Mapping[str, Any] | None
    status: str | None
    billing_status: str | None
    connected: bool | None
    connected_at: datetime | None
    whatsapp_jid: str | None
    push_name: str | None
    created_at: datetime | None
    updated_at: datetime | None
    cancel_at: datetime | None
    expired_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Raises VZapsAnswerError when the answer is no instance with an id."""
        return cls._read(Fields.of(answer, "an instance"))

    @classmethod
    def of_create(cls, answer: Any) -> Self:
        """As :meth:`of`, and the token must be there: it is what makes a new instance usable."""
        instance = cls.of(answer)
        if not instance.token:
            raise VZapsAnswerError(f"VZaps created instance {instance.id} but sent no token for it.")
        return instance

    @classmethod
    def _read(cls, fields: Fields) -> Self:
        instance_id = fields.text("id")
        if instance_id is None:
            raise VZapsAnswerError("VZaps sent an instance without an id.")
        return cls(
            id=instance_id,
            name=fields.text("name") or "",
            token=fields.secret("token"),
            url=fields.text("url"),
            webhook=fields.text("webhook", "webhook_url"),
            events=fields.names("events_subscribe", "events", "subscribe"),
            reject_calls=fields.boolean("reject_calls"),
            auto_read_messages=fields.boolean("auto_read_messages"),
            labels=fields.mapping("labels"),
            status=fields.text("status"),
            billing_status=fields.text("billing_status"),
            connected=fields.boolean("connected"),
            connected_at=fields.moment("connected_at"),
            whatsapp_jid=fields.text("whatsapp_jid"),
            push_name=fields.text("whatsapp_push_name", "push_name"),
            created_at=fields.moment("created_at"),
            updated_at=fields.moment("updated_at"),
            cancel_at=fields.moment("cancel_at"),
            expired_at=fields.moment("expired_at"),
            raw=fields.raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePage:
    """One page of the list (API.md section 3.4). ``total`` and ``total_pages`` are None when VZaps does not say.

    ``raw`` is without the rows: each has its own.
    """

    page: int
    size: int
    total: int | None
    total_pages: int | None
    content: tuple[Instance, ...]
    summary: Mapping[str, Any] | None = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any, *, page: int, size: int) -> Self:
        """``page`` and ``size`` are what was asked for, for an answer that does not repeat them.

        A row without an id is logged and left out. Raises VZapsAnswerError when there is no list of rows at all.
        """
        fields = Fields.of(answer, "a page of instances")
        content = []
        for row in fields.rows("content", "instances"):
            try:
                content.append(Instance._read(row))
            except VZapsAnswerError:
                logger.warning("VZaps listed an instance without an id on page %d; it was left out.", page)
        return cls(
            page=_or(fields.integer("page"), page),
            size=_or(fields.integer("size", "page_size"), size),
            total=fields.integer("total"),
            total_pages=fields.integer("total_pages"),
            content=tuple(content),
            summary=fields.mapping("summary"),
            raw=fields.raw_without("content"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What restart and session disconnect answer (API.md section 1.1, family F)."""

    instance_id: str
    status: str | None
    details: str | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any, *, instance_id: str) -> Self:
        fields = Fields.of_change(answer, "the result of an action")
        return cls(
            instance_id=fields.text("instance_id") or instance_id,
            status=fields.text("status"),
            details=fields.text("details"),
            raw=fields.raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSession:
    """What subscribe answers (API.md section 3.9).

    ``mode`` is ``direct`` when the card on file was charged, ``checkout`` when a person has to pay at ``url``.
    """

    url: str | None
    session_id: str | None
    mode: str | None
    subscription_id: str | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        fields = Fields.of_change(answer, "a billing session")
        return cls(
            url=fields.text("url"),
            session_id=fields.text("session_id"),
            mode=fields.text("mode"),
            subscription_id=fields.text("subscription_id"),
            raw=fields.raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What resume, cancel and the retry of a delivery answer: words for a person (API.md sections 3.10 and 3.11).

    Do not decide anything by them: read the instance again.
    """

    message: str | None
    status: str | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        fields = Fields.of_change(answer, "an acknowledgement")
        return cls(message=fields.text("message"), status=fields.text("status"), raw=fields.raw)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
