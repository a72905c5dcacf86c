"""Instances and their billing (API.md section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...secret import Secret
from ..answers import Acknowledgement, ActionResult, BillingSession, Instance, InstancePage
from ..transport import Path, Transport
from .arguments import event_names, given, merged


class Instances:
    """``client.instances``. A token argument takes text or a :class:`Secret`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        webhook: Secret | str | None = None,
        events_subscribe: Sequence[str] | str | None = None,
        reject_calls: bool | None = None,
        auto_read_messages: bool | None = None,
        labels: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Instance:
        """Create an instance (API.md section 3.1). Not idempotent, may cost money, never repeated by itself.

        Keep the token of the answer: it is what makes the instance usable.
        """
        body = merged(
            request,
            name=name,
            webhook=webhook,
            events_subscribe=events_subscribe,
            reject_calls=reject_calls,
            auto_read_messages=auto_read_messages,
            labels=labels,
            **more,
        )
        if not body.get("name"):
            raise ValueError("name is required.")
        if "events_subscribe" in body:
            body["events_subscribe"] = event_names(body["events_subscribe"])
        return self._transport.call("PUT", Path.of("/instances/create"), Instance.of_create, body=body, fresh=True)

    def list(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        page: int | None = None,
        size: int | None = None,
        search: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the vendor's name
        sort: str | None = None,
        sort_desc: bool | None = None,
    ) -> InstancePage:
        """One page of the account's instances (API.md section 3.4); pages count from 1, of 20 by default."""
        asked = merged(request, page=page, size=size, search=search, filter=filter, sort=sort, sort_desc=sort_desc)
        number, length = int(asked.get("page", 1)), int(asked.get("size", 20))
        conditions = dict(asked.get("filter", {}))
        if query := str(asked.get("search", "")).strip():
            conditions["query"] = query
        body = {"page": number, "size": length, "filter": conditions, **given(sort=asked.get("sort"))}
        if "sort_desc" in asked:
            # Two spellings are documented for this one (API.md section 17.4).
            body |= {"sortDesc": asked["sort_desc"], "sort_desc": asked["sort_desc"]}
        return self._transport.call(
            "POST",
            Path.of("/instances/list"),
            lambda answer: InstancePage.of(answer, page=number, size=length),
            body=body,
            read=True,
        )

    def pages(self, *, size: int = 100, search: str | None = None) -> Iterator[InstancePage]:
        """All pages, one call each.

        Ends at a page that brings nothing new, so a server that answers the same page for ever does not hold us; and
        one call earlier when a short page and the total agree that it was the last.
        """
        seen: set[str] = set()
        number = 1
        while True:
            page = self.list(page=number, size=size, search=search)
            ids = {instance.id for instance in page.content}
            if number > 1 and ids <= seen:
                return
            yield page
            seen |= ids
            if not ids or (page.total is not None and len(page.content) < size and len(seen) >= page.total):
                return
            number += 1

    def iterate(self, *, size: int = 100, search: str | None = None) -> Iterator[Instance]:
        """All instances, each once, also when rows move between pages during the walk."""
        seen: set[str] = set()
        for page in self.pages(size=size, search=search):
            for instance in page.content:
                if instance.id not in seen:
                    seen.add(instance.id)
                    yield instance

    def get(self, instance_id: str) -> Instance:
        """One instance (API.md section 3.5)."""
        Path.of("{instance_id}", instance_id=instance_id)
        return self._transport.call("POST", Path.of("/instances/get"), Instance.of, body={"id": instance_id}, read=True)

    def update(
        self,
        instance_id: str,
        request: Mapping[str, Any] | None = None,
        *,
        instance_token: Secret | str | None = None,
        **changes: Any,
    ) -> Instance:
        """Change settings of an instance (API.md section 3.6; only ``name`` is documented)."""
        return self._transport.call(
            "PATCH",
            Path.of("/instances/{instance_id}", instance_id=instance_id),
            Instance.of,
            body=merged(request, **changes),
            instance_token=instance_token,
        )

    def restart(self, instance_id: str, *, instance_token: Secret | str | None = None) -> ActionResult:
        """Restart the runtime of an instance (API.md section 3.7)."""
        return self._transport.call(
            "POST",
            Path.of("/instances/{instance_id}/restart", instance_id=instance_id),
            lambda answer: ActionResult.of(answer, instance_id=instance_id),
            instance_token=instance_token,
        )

    def delete(self, instance_id: str, *, instance_token: Secret | str | None = None) -> None:
        """Delete an instance (API.md section 3.8). What this does to its subscription is not documented."""
        self._transport.call(
            "DELETE",
            Path.of("/instances/{instance_id}", instance_id=instance_id),
            lambda answer: None,
            instance_token=instance_token,
        )

    def subscribe(
        self,
        instance_id: str,
        request: Mapping[str, Any] | None = None,
        *,
        instance_token: Secret | str | None = None,
        **options: Any,
    ) -> BillingSession:
        """Start the subscription: CHARGES the card on file (API.md section 3.9). Never repeated by itself.

        After an error that says ``may_have_been_carried_out``, read the instance before anything else.
        """
        return self._transport.call(
            "POST",
            Path.of("/instances/{instance_id}/subscribe", instance_id=instance_id),
            BillingSession.of,
            body=merged(request, **options),
            instance_token=instance_token,
            fresh=True,
        )

    def resume_subscription(self, instance_id: str, *, instance_token: Secret | str | None = None) -> Acknowledgement:
        """Take back a cancellation that waits for the end of the period (API.md section 3.10)."""
        return self._billing("POST", "/instances/{instance_id}/resume-subscription", instance_id, instance_token)

    def cancel(self, instance_id: str, *, instance_token: Secret | str | None = None) -> Acknowledgement:
        """Cancel the subscription, now or at the end of the period: VZaps decides (API.md section 3.11)."""
        return self._billing("PUT", "/instances/{instance_id}/cancel", instance_id, instance_token)

    def _billing(
        self, method: str, route: str, instance_id: str, instance_token: Secret | str | None
    ) -> Acknowledgement:
        path = Path.of(route, instance_id=instance_id)
        return self._transport.call(method, path, Acknowledgement.of, instance_token=instance_token, fresh=True)
