"""A ready schedule for Celery beat.

from django_vzaps.schedules import BEAT_SCHEDULE

CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
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
