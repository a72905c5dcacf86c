"""Which stored event a delivery of VZaps' log is about, as far as that can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django_vzaps.events import storing
from django_vzaps.models import Event, EventSource, Instance
from django_vzaps.services import deliveries
from django_vzaps.services.deliveries import Delivery


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """``event_id`` is None where there is none, or where it cannot be told: then ``is_certain`` is false."""

    event_type: str
    event_id: int | None
    is_certain: bool


def traces(instance: Instance, found: Sequence[Delivery]) -> dict[str, Trace]:
    """By the id of each delivery, what is here of it. Two queries, however many there are.

    VZaps sends no event id: a copy is recognised by what it means, or because healing took it in from this very log.
    """
    known_by = {
        delivery.id: storing.known_by(deliveries.as_body(delivery.payload), vzaps_id=instance.vzaps_id)
        if delivery.payload
        else ("", None)
        for delivery in found
    }
    keys = {key for _type, key in known_by.values() if key}
    by_key = dict(Event.objects.filter(instance=instance, key__in=keys).values_list("key", "pk"))
    healed = Event.objects.filter(instance=instance, source=EventSource.DELIVERY_LOG, origin_id__in=list(known_by))
    by_origin = dict(healed.values_list("origin_id", "pk"))
    traced = {}
    for delivery in found:
        event_type, key = known_by[delivery.id]
        event_id = by_origin.get(delivery.id) or (by_key.get(key) if key else None)
        traced[delivery.id] = Trace(
            event_type=delivery.event_type or event_type,
            event_id=event_id,
            is_certain=event_id is not None or key is not None,
        )
    return traced
