"""What Celery runs. Every task may run twice, late, or for a row that is gone."""

from __future__ import annotations

import logging
from typing import Final

from celery import shared_task

from django_vzaps import conf, services
from django_vzaps.events import connection, dispatch, healing, retention
from django_vzaps.events import sweep as sweeping
from django_vzaps.models import Account, Lane

logger = logging.getLogger("django_vzaps.tasks")

#: Seconds over which the probes of all accounts are spread.
PROBES_SPREAD: Final = 30


@shared_task(name="django_vzaps.sync_all_accounts", ignore_result=True)
def sync_all_accounts() -> None:
    """Sync every active account, each in a task of its own."""
    Account.objects.from_settings()
    for pk in Account.objects.filter(is_active=True).values_list("pk", flat=True):
        if conf.current().tasks == "inline":
            sync_account(pk)
        else:
            sync_account.delay(pk)


@shared_task(name="django_vzaps.sync_account", ignore_result=True)
def sync_account(pk: int) -> None:
    """Sync one account. Fails as a task where VZaps cannot be read; the account keeps the reason."""
    account = Account.objects.filter(pk=pk, is_active=True).first()
    if account is None:
        return
    try:
        services.sync.sync_account(account)
    except services.SyncRunning:
        logger.info("Account %s is being synced already", pk)


@shared_task(name="django_vzaps.probe_all_accounts", ignore_result=True)
def probe_all_accounts() -> None:
    """Ask which instances are connected, for every active account in a task of its own; first find who is too silent.

    Accounts have their turn at different seconds, each always at the same: the time between its rounds is its budget.
    """
    try:
        services.silence.learn()
        services.silence.detect()
    finally:
        Account.objects.from_settings()
        for pk in Account.objects.filter(is_active=True).values_list("pk", flat=True):
            if conf.current().tasks == "inline":
                probe_account(pk)
            else:
                probe_account.apply_async(args=(pk,), countdown=pk % PROBES_SPREAD, expires=60)


@shared_task(name="django_vzaps.probe_account", ignore_result=True)
def probe_account(pk: int) -> None:
    """Ask about the instances of one account whose state is stale or in doubt, within its budget."""
    account = Account.objects.filter(pk=pk, is_active=True).first()
    if account is not None:
        services.probes.probe_account(account)


@shared_task(name="django_vzaps.drain_instance", ignore_result=True)
def drain_instance(pk: int) -> None:
    """Handle an instance's events for about a second; rings again where more are waiting."""
    dispatch.drain(pk)


@shared_task(name="django_vzaps.drain_bulk", ignore_result=True)
def drain_bulk(pk: int) -> None:
    """As ``drain_instance``, for what comes in masses: history and presence."""
    dispatch.drain(pk, Lane.BULK)


@shared_task(name="django_vzaps.confirm_connection", ignore_result=True)
def confirm_connection(pk: int) -> None:
    """Ask VZaps whether what an event said about an instance's connection is true."""
    connection.confirm(pk)


@shared_task(name="django_vzaps.run_batch", ignore_result=True)
def run_batch(pk: int) -> None:
    """Carry out a batch for a few seconds; rings again where more is left."""
    services.batches.run(pk)


@shared_task(name="django_vzaps.sweep", ignore_result=True)
def sweep() -> None:
    """Wake instances whose events nobody handled and batches nobody carries out, ask about doubted connections, give up
    overdue operations.
    """
    sweeping.sweep()


@shared_task(name="django_vzaps.heal_gaps", ignore_result=True)
def heal_gaps() -> None:
    """Take in what VZaps failed to deliver, as far as its delivery log tells."""
    healing.heal_all()


@shared_task(name="django_vzaps.prune", ignore_result=True)
def prune() -> None:
    """Erase the payloads of old events, and delete older events, changes of instances and resolved alerts."""
    retention.prune()


@shared_task(name="django_vzaps.check_alerts", ignore_result=True)
def check_alerts() -> None:
    """Raise and resolve alerts, announce subscriptions that end, and mail what is new."""
    services.alerts.check()
