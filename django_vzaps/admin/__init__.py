"""The admin: run instances without leaving Django."""

from __future__ import annotations

from django_vzaps.admin.accounts import AccountAdmin
from django_vzaps.admin.alerts import AlertAdmin
from django_vzaps.admin.batches import BatchAdmin
from django_vzaps.admin.events import EventAdmin
from django_vzaps.admin.healing import FailedDeliveryAdmin, HealingRunAdmin
from django_vzaps.admin.history import InstanceChangeAdmin
from django_vzaps.admin.instances import InstanceAdmin
from django_vzaps.admin.operations import OperationAdmin

__all__ = [
    "AccountAdmin",
    "AlertAdmin",
    "BatchAdmin",
    "EventAdmin",
    "FailedDeliveryAdmin",
    "HealingRunAdmin",
    "InstanceAdmin",
    "InstanceChangeAdmin",
    "OperationAdmin",
]
