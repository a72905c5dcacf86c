"""The stateful fake of VZaps, and the hand that plays it."""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from django_vzaps.testing import events
from django_vzaps.testing.clock import Clock, rfc3339
from django_vzaps.testing.deliveries import Deliver, Deliveries, post
from django_vzaps.testing.dispatch import answer_to
from django_vzaps.testing.faults import Faults
from django_vzaps.testing.routes import ROUTES, billing, sessions
from django_vzaps.testing.state import (
    Call,
    Charge,
    ChatMessage,
    Checkout,
    FakeAccount,
    FakeInstance,
    LogEntry,
)
from django_vzaps.testing.variants import Variants
from django_vzaps.testing.wire import Answer, Request

if TYPE_CHECKING:
    from responses import RequestsMock

    from django_vzaps.testing.server import Server


class FakeVZaps:
    """A VZaps service in memory: accounts, instances, billing, pairing, messages, webhooks.

    It answers through :meth:`mount` (in this process, over ``responses``) or :meth:`serve` (over real HTTP), and a test
    plays the world around it: phones with :meth:`scan` and :meth:`receive`, time with ``clock.advance``, mishap with
    ``faults``, and the documentation's contradictions with ``variants``. It may be used by many threads at once.
    """

    def __init__(
        self,
        *,
        client_token: str = "demo-client-token",  # noqa: S107 - the demo's
        client_secret: str = "demo-client-secret",  # noqa: S107 - the demo's
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lock = threading.RLock()
        self.clock = Clock(clock)
        self.clock.on_advance(self.settle)
        self.base_url = "https://api.vzaps.com"
        self.token_seconds = 1800
        """How long an access token lives, in seconds; the real lifetime is not documented."""
        self.billing_lag = 0
        """How many reads of an instance still show the old billing state after it changed."""
        self.deliver: Deliver = post
        """How webhooks leave; replace it to route them elsewhere."""
        self.variants = Variants()
        self.faults = Faults(lambda: frozenset(found.name for found in ROUTES))
        self.deliveries = Deliveries(self)
        self.accounts: dict[str, FakeAccount] = {}
        self.access_tokens: dict[str, tuple[FakeAccount, float]] = {}
        self.instances: dict[str, FakeInstance] = {}
        self.checkouts: dict[str, Checkout] = {}
        self.charges: list[Charge] = []
        """Every time a card was charged."""
        self.calls: list[Call] = []
        """Every request that reached the service."""
        self._made = 0
        self.account = self.add_account(client_token, client_secret)

    # Mounts

    def mount(self, base_url: str) -> AbstractContextManager[RequestsMock]:
        """Answer calls that ``requests`` makes in this process to ``base_url``; yields the mock.

        Other URLs pass or fail as ``responses`` has it. Webhooks are delivered before the answer is given: through
        ``deliver`` if it was replaced, else with ``requests``, so that they meet the same mock.
        """
        from django_vzaps.testing.in_process import mount

        return mount(self, base_url)

    def serve(self, port: int = 0, *, host: str = "127.0.0.1") -> AbstractContextManager[Server]:
        """Answer over real HTTP in a background thread; yields a server with ``.url``. Port 0 is any free one.

        Raises OSError where the port is taken. Webhooks leave in the background: see :meth:`wait_for_deliveries`.
        """
        from django_vzaps.testing.server import Server

        return Server(self, host=host, port=port)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request; ``target`` is its path, with the query if there is one."""
        request = Request.read(method, target, headers, body)
        with self.lock:
            self._settle_billing()
            answer = answer_to(self, request)
        self.deliveries.release_due()
        return answer

    # What there is

    def add_account(self, client_token: str, client_secret: str, card_on_file: bool = True) -> FakeAccount:
        """Add an account. Its ``card_on_file`` can be changed at any time."""
        account = FakeAccount(client_token=client_token, client_secret=client_secret, card_on_file=card_on_file)
        self.accounts[client_token] = account
        return account

    def add_instance(
        self,
        *,
        name: str = "Front desk",
        account: FakeAccount | None = None,
        webhook: str = "",
        events: Iterable[str] = (),
        connected: bool = False,
        phone: str = "",
        push_name: str = "",
        billing_status: str = "TRIALING",
        reject_calls: bool = False,
        auto_read_messages: bool = False,
        labels: Mapping[str, Any] | None = None,
    ) -> FakeInstance:
        """Add an instance, as if it had been there all along: no call is recorded and no event is sent.

        ``connected`` or ``phone`` makes it a paired one. It belongs to the first account unless told otherwise.
        """
        with self.lock:
            self._made += 1
            now = self.clock()
            instance = FakeInstance(
                id="VZ" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(26)),
                account=account or self.account,
                name=name,
                token=f"inst_{secrets.token_hex(16)}",
                created_at=now,
                updated_at=now,
                number=self._made,
                billing=billing.beginning(billing_status, now),
                webhook=webhook,
                events=list(events),
                connected=connected,
                connected_at=now if connected else None,
                phone=phone or (self._free_phone() if connected else ""),
                push_name=push_name or (name if connected or phone else ""),
                reject_calls=reject_calls,
                auto_read_messages=auto_read_messages,
                labels=dict(labels or {}),
            )
            self.instances[instance.id] = instance
            return instance

    def calls_to(self, route: str) -> list[Call]:
        """The requests that reached one route, such as ``"subscribe"``. Raises ValueError if there is no such route."""
        names = {found.name for found in ROUTES}
        if route not in names:
            raise ValueError(f"No route is called {route!r}. There are: {', '.join(sorted(names))}.")
        with self.lock:
            return [call for call in self.calls if call.route == route]

    def sent_messages(self, instance_id: str) -> list[ChatMessage]:
        """What an instance has sent, oldest first."""
        with self.lock:
            return [message for message in self.instances[instance_id].conversation if message.from_instance]

    def logs(self, instance_id: str) -> list[LogEntry]:
        """The delivery log of an instance, oldest first."""
        with self.lock:
            return list(self.instances[instance_id].logs)

    # Phones

    def scan(self, instance_id: str, *, phone: str = "", push_name: str = "") -> FakeInstance:
        """A phone scans the QR code that an instance shows: it is paired and sends ``Connected``.

        Raises ValueError where it shows none: ask ``session/qr`` or ``session/paircode`` for one first.
        """
        with self.lock:
            instance = self.instances[instance_id]
            if sessions.current_qr(self, instance) is None:
                raise ValueError(f"{instance.name} shows no QR code: ask for session/qr first.")
            sessions.pair(self, instance, phone or self._free_phone(), push_name or instance.name)
        self.deliveries.flush()
        return instance

    def disconnect(self, instance_id: str) -> None:
        """The phone unlinks the instance: ``Disconnected`` is sent, and it has to be paired again."""
        with self.lock:
            sessions.unlink(self, self.instances[instance_id])
        self.deliveries.flush()

    def drop_connection(self, instance_id: str) -> None:
        """The session breaks without a word: no event is sent. The instance stays paired; a restart brings it back."""
        with self.lock:
            instance = self.instances[instance_id]
            instance.connected, instance.connected_at = False, None

    def receive(
        self,
        instance_id: str,
        text: str = "ping",
        *,
        sender: str = events.SENDER,
        push_name: str = "Bia",
        lid: bool | Literal["partial"] = False,
        group: bool | str = False,
        message_id: str | None = None,
        media: Literal["image", "video", "audio", "document", "sticker"] | None = None,
        media_url: str | None = None,
    ) -> events.Event:
        """Somebody writes to an instance; returns the event that its webhook gets, if it wants messages.

        Raises ValueError where the instance is not connected.
        """
        with self.lock:
            instance = self.instances[instance_id]
            if not instance.connected:
                raise ValueError(f"{instance.name} is not connected: nobody can write to it.")
            event = events.message(
                text,
                sender=sender,
                push_name=push_name,
                lid=lid,
                group=group,
                message_id=message_id,
                media=media,
                media_url=media_url,
                timestamp=rfc3339(self.clock()),
            )
            written = ChatMessage(
                id=event["event"]["info"]["id"], chat=sender, text=text, sent_at=self.clock(), from_instance=False
            )
            instance.conversation.append(written)
            self.deliveries.add(instance, event, written)
        self.deliveries.flush()
        return event

    def read_messages(self, instance_id: str, chat: str) -> list[str]:
        """``chat`` reads what the instance wrote to it; returns the ids, for which a ``Read`` receipt is sent."""
        with self.lock:
            instance = self.instances[instance_id]
            unread = [item for item in instance.conversation if item.from_instance and item.chat == chat]
            unread = [item for item in unread if item.state != "read"]
            for item in unread:
                item.state = "read"
            ids = [item.id for item in unread]
            if ids:
                receipt = events.read_receipt(ids, "Read", sender=chat, timestamp=rfc3339(self.clock()))
                self.deliveries.add(instance, receipt)
        self.deliveries.flush()
        return ids

    def emit(self, instance_id: str, event: events.Event) -> None:
        """Send an event to an instance's webhook: one of :mod:`django_vzaps.testing.events`, or made by hand."""
        with self.lock:
            self.deliveries.add(self.instances[instance_id], event)
        self.deliveries.flush()

    # Money and time

    def complete_checkout(self, instance_id: str) -> None:
        """Somebody pays on the instance's latest open checkout page. Raises ValueError where none is open."""
        with self.lock:
            for checkout in reversed(self.checkouts.values()):
                if checkout.instance_id == instance_id and not checkout.paid:
                    billing.pay(self, checkout)
                    return
        raise ValueError("No checkout is open for this instance.")

    def settle(self) -> None:
        """Let happen what has fallen due. Advancing the clock does it, and so does any request."""
        with self.lock:
            self._settle_billing()
        self.deliveries.release_due()

    def wait_for_deliveries(self, seconds: float = 5.0) -> bool:
        """Wait until every webhook of the HTTP mount has left; False if that took longer than ``seconds``."""
        return self.deliveries.wait(seconds)

    def seed_demo(self, count: int = 12, *, account: FakeAccount | None = None) -> list[FakeInstance]:
        """Add ``count`` instances in varied states, named like those of a real business."""
        from django_vzaps.testing.demo import seed

        return seed(self, count, account or self.account)

    def _settle_billing(self) -> None:
        for instance in self.instances.values():
            billing.settle(self, instance)

    def _free_phone(self) -> str:
        taken = {instance.phone for instance in self.instances.values()}
        number = 5_511_940_000_001 + len(taken)
        while str(number) in taken:
            number += 1
        return str(number)
