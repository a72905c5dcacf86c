"""Sending tasks to Celery by name, at a bounded cost: whoever waits must not wait for a broker that is down."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from celery import current_app

from django_vzaps import conf
from django_vzaps.broker import lines

logger = logging.getLogger("django_vzaps.broker")


class Breaker:
    """Leaves the broker alone for a while after it failed, so that a dead one costs nothing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether not to try now."""
        return time.monotonic() < self._open_until

    def note(self, *, worked: bool) -> None:
        """Tell how a try went."""
        self._open_until = 0.0 if worked else time.monotonic() + self.seconds


breaker: Final = Breaker(seconds=10)

#: After so many seconds a task is dropped: where no worker was there for so long, the sweep has sent many like it.
EXPIRES: Final = 3600


def is_inline() -> bool:
    """Whether tasks are done in the process that asks for them, so that there is nobody to tell."""
    return conf.current().tasks == "inline" or bool(current_app.conf.task_always_eager)


def send(task: str, pk: int, **options: Any) -> bool:
    """Send a task about the row ``pk``; ``countdown``: seconds until it starts. False where the broker is down."""
    if breaker.is_open:
        return False
    worked = _sent(task, pk, **options)
    breaker.note(worked=worked)
    return worked


def _sent(task: str, pk: int, **options: Any) -> bool:
    line = lines.kept()
    while True:
        was_kept, began = line is not None, time.monotonic()
        try:
            line = line or lines.opened()
            current_app.send_task(
                task,
                args=[pk],
                connection=line,
                retry=False,
                ignore_result=True,
                add_to_parent=False,
                expires=EXPIRES,
                **options,
            )
        except Exception as error:  # noqa: BLE001 - every transport has its own, and none of them is the sender's fault
            lines.close(line)
            if was_kept and time.monotonic() - began < lines.STEP_SECONDS / 2:
                # Ended by the broker meanwhile, which may be well; one that hangs takes longer to be noticed.
                line = None
                continue
            # The message of the error may hold the broker's URL, and so its password.
            logger.warning("The broker could not be told of work (%s); the sweep will find it.", type(error).__name__)
            return False
        lines.keep(line)
        return True
