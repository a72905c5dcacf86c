"""Instances in the admin: the list, one instance, everything that can be done with it, and pairing."""

from __future__ import annotations

from django.contrib import admin

from django_vzaps.admin.instances.actions import InstanceActions
from django_vzaps.admin.instances.billing import InstanceBilling
from django_vzaps.admin.instances.changes import InstanceChanges
from django_vzaps.admin.instances.check import InstanceChecks
from django_vzaps.admin.instances.confirmed import InstanceConfirmed
from django_vzaps.admin.instances.deliveries import InstanceDeliveries
from django_vzaps.admin.instances.detail import InstanceDetail
from django_vzaps.admin.instances.listing import InstanceList
from django_vzaps.admin.instances.messages import InstanceMessages
from django_vzaps.admin.instances.owner import InstanceOwner
from django_vzaps.admin.instances.pairing import InstancePairing
from django_vzaps.admin.instances.sections import InstanceSections
from django_vzaps.admin.instances.token import InstanceToken
from django_vzaps.admin.instances.webhook import InstanceWebhook
from django_vzaps.models import Instance


@admin.register(Instance)
class InstanceAdmin(
    InstanceList,
    InstanceActions,
    InstanceDetail,
    InstanceSections,
    InstanceChecks,
    InstanceChanges,
    InstanceConfirmed,
    InstanceBilling,
    InstanceWebhook,
    InstanceDeliveries,
    InstanceMessages,
    InstanceToken,
    InstanceOwner,
    InstancePairing,
):
    """The console of one WhatsApp number after the other. Nothing here deletes a row: it mirrors VZaps."""
