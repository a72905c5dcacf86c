"""A ready schedule for Celery beat, and ready queues for its workers.

from django_vzaps.schedules import BEAT_SCHEDULE, TASK_ROUTES

CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
CELERY_TASK_ROUTES = {**TASK_ROUTES}  # only for a site whose workers name their queues; see docs/deployment.md
"""

from __future__ import annotations

from typing import Any, Final

#: A task that waited longer than its interval is dropped: the next one does the same.
BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "vzaps-sync": {"task": "django_vzaps.sync_all_accounts", "schedule": 300.0, "options": {"expires": 300}},
    "vzaps-probe": {"task": "django_vzaps.probe_all_accounts", "schedule": 60.0, "options": {"expires": 60}},
    "vzaps-sweep": {"task": "django_vzaps.sweep", "schedule": 60.0, "options": {"expires": 60}},
    "vzaps-alerts": {"task": "django_vzaps.check_alerts", "schedule": 60.0, "options": {"expires": 60}},
    "vzaps-heal": {"task": "django_vzaps.heal_gaps", "schedule": 900.0, "options": {"expires": 900}},
    "vzaps-prune": {"task": "django_vzaps.prune", "schedule": 3600.0, "options": {"expires": 3600}},
}

#: Tasks that wait for the same thing share a queue: a slow VZaps keeps no event waiting, and a history no message.
#: The sweep goes with the events. It only tells others of work, and it is what finds all that was lost: behind a sync
#: it would wait for half an hour, and expire.
TASK_ROUTES: Final[dict[str, dict[str, str]]] = {
    "django_vzaps.drain_instance": {"queue": "vzaps_events"},
    "django_vzaps.sweep": {"queue": "vzaps_events"},
    "django_vzaps.drain_bulk": {"queue": "vzaps_bulk"},
    # Each asks VZaps about one instance: where it hangs, so do they.
    "django_vzaps.confirm_connection": {"queue": "vzaps_probes"},
    "django_vzaps.probe_all_accounts": {"queue": "vzaps_probes"},
    "django_vzaps.probe_account": {"queue": "vzaps_probes"},
    "django_vzaps.run_batch": {"queue": "vzaps_batches"},
    "django_vzaps.sync_all_accounts": {"queue": "vzaps_sync"},
    "django_vzaps.sync_account": {"queue": "vzaps_sync"},
    "django_vzaps.heal_gaps": {"queue": "vzaps_sync"},
    "django_vzaps.prune": {"queue": "vzaps_sync"},
    "django_vzaps.check_alerts": {"queue": "vzaps_sync"},
}
