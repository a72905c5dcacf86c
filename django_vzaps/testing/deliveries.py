"""Webhook deliveries: what goes to whom, in what body, when, and the log of it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django_vzaps.testing.events import Event, in_whatsapp_casing
from django_vzaps.testing.state import ChatMessage, FakeInstance, LogEntry

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

Deliver = Callable[[str, bytes, dict[str, str]], int]
"""Takes URL, body and headers of a delivery, and returns the HTTP status; raises OSError where nobody answered."""

RECEIVER_TIMEOUT = 15.0


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Deliver over a real socket. Redirects are not followed, and the environment's proxies are not asked."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=RECEIVER_TIMEOUT)
    try:
        connection.request("POST", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", body, headers)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(f"the receiver broke off: {type(error).__name__}") from error
    finally:
        connection.close()


class Deliveries:
    """The way out. Without a server every delivery happens in the thread that caused it, before it goes on; while the
    HTTP mount runs, in the background: one instance's deliveries in order, instances independent of each other.
    """

    def __init__(self, fake: FakeVZaps) -> None:
        self._fake = fake
        self._own = threading.local()
        self._queues: dict[str, deque[LogEntry]] = {}
        self._idle = threading.Condition(fake.lock)
        self._later: list[tuple[float, LogEntry]] = []
        self._held: list[LogEntry] = []
        self._made = 0
        self.background = 0

    def add(self, instance: FakeInstance, event: Event, message: ChatMessage | None = None) -> None:
        """Deliver an event, if the instance's webhook wants its type. Called with the fake's lock held."""
        if not instance.wants(event["type"]):
            return
        entry = self._entry(instance, event, message)
        faults = self._fake.faults.webhooks
        if faults.lost:
            faults.lost -= 1
            if faults.lost_logged:
                entry.status, entry.attempts, entry.error = "failed", 1, "lost on demand"
                instance.logs.append(entry)
            return
        instance.logs.append(entry)
        if faults.delayed:
            faults.delayed -= 1
            self._put_off(entry, faults.delay_seconds)
            return
        copies = 1
        if faults.duplicated:
            faults.duplicated -= 1
            copies = faults.copies
        if faults.reordered:
            faults.reordered -= 1
            self._held = [entry] * copies + self._held
        else:
            self._held += [entry] * copies
        if not faults.reordered:
            self._start(self._held)
            self._held = []

    def retry(self, instance: FakeInstance, entry: LogEntry) -> None:
        """Deliver once more what the log kept, to where the webhook points now. Called with the fake's lock held."""
        entry.status, entry.url = "pending", instance.webhook or entry.url
        self._start([entry])

    def flush(self) -> None:
        """Carry out what this thread has caused. Called without the lock, since the receiver may call the fake."""
        if getattr(self._own, "busy", False):
            return  # The receiver caused it while it was being called: the loop below goes on with it afterwards.
        queue = self._own_queue()
        self._own.busy = True
        try:
            while queue:
                self._attempt(queue.popleft())
        finally:
            queue.clear()
            self._own.busy = False

    def release_due(self) -> None:
        """Send what was put off and is due now."""
        with self._fake.lock:
            now = self._fake.clock()
            due = [entry for moment, entry in self._later if moment <= now]
            self._later = [(moment, entry) for moment, entry in self._later if moment > now]
            self._start(due)
        self.flush()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is on its way in the background; False if that took longer than ``seconds``."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._queues, timeout=seconds)

    def _entry(self, instance: FakeInstance, event: Event, message: ChatMessage | None) -> LogEntry:
        variants = self._fake.variants
        if variants.event_casing == "whatsapp":
            event = in_whatsapp_casing(event)
        payload: Event = event
        headers = {"Content-Type": "application/json", "User-Agent": "FakeVZaps"}
        form = instance.webhook_body or variants.webhook_body
        if form != "bare":
            payload = {
                "json_data": event if form == "json_data" else json.dumps(event),
                "instance_id": instance.id,
            }
            headers["X-Instance-ID"] = instance.id
        self._made += 1
        return LogEntry(
            id=f"whl_{self._made:08d}",
            instance_id=instance.id,
            event_type=event["type"],
            url=instance.webhook,
            body=json.dumps(payload).encode(),
            headers=headers,
            payload=payload,
            created_at=self._fake.clock(),
            message=message,
        )

    def _put_off(self, entry: LogEntry, seconds: float) -> None:
        self._later.append((self._fake.clock() + seconds, entry))
        if self.background:
            timer = threading.Timer(seconds, self.release_due)
            timer.daemon = True
            timer.start()

    def _start(self, entries: Iterable[LogEntry]) -> None:
        for entry in entries:
            if not self.background:
                self._own_queue().append(entry)
            elif entry.instance_id in self._queues:
                self._queues[entry.instance_id].append(entry)
            else:
                self._queues[entry.instance_id] = deque([entry])
                threading.Thread(target=self._work, args=(entry.instance_id,), daemon=True).start()

    def _own_queue(self) -> deque[LogEntry]:
        if not hasattr(self._own, "queue"):
            self._own.queue = deque()
        queue: deque[LogEntry] = self._own.queue
        return queue

    def _work(self, instance_id: str) -> None:
        while True:
            with self._idle:
                queue = self._queues[instance_id]
                if not queue:
                    del self._queues[instance_id]
                    self._idle.notify_all()
                    return
                entry = queue.popleft()
            self._attempt(entry)

    def _attempt(self, entry: LogEntry) -> None:
        entry.attempts += 1
        entry.status, entry.response_code = "failed", None
        try:
            entry.response_code = self._fake.deliver(entry.url, entry.body, dict(entry.headers))
        except OSError as error:
            entry.error = type(error).__name__
            return
        if 200 <= entry.response_code < 300:
            entry.status, entry.error = "delivered", ""
            if entry.message and entry.message.state == "sent":
                entry.message.state = "delivered"
        else:
            entry.error = f"the receiver answered {entry.response_code}"


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait for what happens in another thread or process; False if that took longer than ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
