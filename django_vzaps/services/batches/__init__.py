"""One thing done to many instances or accounts: recorded as rows, carried out item after item by a worker.

The rows are the queue and the truth; Celery only brings a worker. What was sent is never sent a second time by itself:
an item whose worker died is what its operation says, and a person decides what to do about it.
"""

from __future__ import annotations

from django_vzaps.services.batches.kinds import may_ask, permission_for
from django_vzaps.services.batches.progress import Progress, progress_of, progress_of_each
from django_vzaps.services.batches.running import LEASE, run, wake_unattended
from django_vzaps.services.batches.starting import retry_failed, start, stop
from django_vzaps.services.batches.visibility import may_see, visible, visible_items

__all__ = [
    "LEASE",
    "Progress",
    "may_ask",
    "may_see",
    "permission_for",
    "progress_of",
    "progress_of_each",
    "retry_failed",
    "run",
    "start",
    "stop",
    "visible",
    "visible_items",
    "wake_unattended",
]
