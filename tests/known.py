"""An instance that both VZaps and the database know."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from django_vzaps.models import Account, Instance
from django_vzaps.services import mirror
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps


def known(fake: FakeVZaps, account: Account, **facts: Any) -> Instance:
    """One more instance, stored as a sync stores it at a fraction of the price; the fake's calls are forgotten."""
    remote = fake.add_instance(name="Front desk", **facts)
    answer = client_for(account).instances.get(remote.id)
    stored = mirror.store(account, answer, asked_at=timezone.now())
    fake.calls.clear()
    return Instance.objects.get(pk=stored.pk)  # as it is read: its token still encrypted
