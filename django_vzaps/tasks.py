"""What Celery runs. Every task may run twice, twice at once, late, or for a row that is gone.

So the task of a worker that dies is given to another one (``acks_late``, ``reject_on_worker_lost``). That is harmless:

- ``drain_instance``, ``drain_bulk``: one process at a time holds the lease on a queue. Where the dead one was is marked
  in the database, and a handler that reaches outside is not run again.
- ``run_batch``: one process at a time holds the lease on a batch; what was sent to VZaps is not sent again.
- ``sync_account``: one process at a time holds the lease on an account. A walk only reads from VZaps, and begins anew;
  each page is stored in one transaction.
- ``sync_all_accounts``, ``sweep``: only tell others of work, who find out where there is none.
- ``confirm_connection``: whoever is first takes the question, in one statement; it only reads from VZaps.
- ``heal_gaps``: takes each delivery in once, by a unique key; it only reads from VZaps.
- ``prune``: deletes what is still old, in small transactions.

No task that kills its worker goes on doing so for ever: the next one finds the lease taken or the question put off, and
what beat has sent expires.

The limits end a process that hangs before its broker takes it for dead: RabbitMQ does so after half an hour, Redis
after an hour. At the soft one a handler or an item of a batch is stopped, and the task ends as at the end of its slice;
between the soft one and the hard one is time for what comes behind it. Celery enforces limits in processes only. In
threads, the leases, the slices and the timeouts of HTTP remain: a handler that hangs keeps its thread until the worker
is restarted, but not the events, which another worker takes over.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from celery import shared_task

from django_vzaps import conf, services
from django_vzaps.events import connection, dispatch, healing, retention
from django_vzaps.events import sweep as sweeping
from django_vzaps.models import Account, Lane

logger = logging.getLogger("django_vzaps.tasks")

_REPEATABLE: Final[dict[str, Any]] = {"ignore_result": True, "acks_late": True, "reject_on_worker_lost": True}
#: Seconds. A slice, a few questions to VZaps, or a handler of the project's.
_SHORT: Final[dict[str, Any]] = {**_REPEATABLE, "soft_time_limit": 5 * 60, "time_limit": 8 * 60}
#: What walks through everything there is.
_LONG: Final[dict[str, Any]] = {**_REPEATABLE, "soft_time_limit": 25 * 60, "time_limit": 28 * 60}

#: Seconds over which the probes of all accounts are spread.
PROBES_SPREAD: Final = 30


@shared_task(name="django_vzaps.sync_all_accounts", **_SHORT)
def sync_all_accounts() -> None:
    """Sync every active account, each in a task of its own."""
    Account.objects.from_settings()
    for pk in Account.objects.filter(is_active=True).values_list("pk", flat=True):
        if conf.current().tasks == "inline":
            sync_account(pk)
        else:
            sync_account.delay(pk)


# Those that wait behind others are not kept beside the ones that beat has sent meanwhile.
@shared_task(name="django_vzaps.sync_account", expires=30 * 60, **_LONG)
def sync_account(pk: int) -> None:
    """Sync one account. Fails as a task where VZaps cannot be read; the account keeps the reason."""
    account = Account.objects.filter(pk=pk, is_active=True).first()
    if account is None:
        return
    try:
        services.sync.sync_account(account)
    except services.SyncRunning:
        logger.info("Account %s is being synced already", pk)


@shared_task(name="django_vzaps.probe_all_accounts", **_SHORT)
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


@shared_task(name="django_vzaps.probe_account", **_SHORT)
def probe_account(pk: int) -> None:
    """Ask about the instances of one account whose state is stale or in doubt, within its budget."""
    account = Account.objects.filter(pk=pk, is_active=True).first()
    if account is not None:
        services.probes.probe_account(account)


@shared_task(name="django_vzaps.drain_instance", **_SHORT)
def drain_instance(pk: int) -> None:
    """Handle an instance's events for about a second; rings again where more are waiting."""
    dispatch.drain(pk)


@shared_task(name="django_vzaps.drain_bulk", **_SHORT)
def drain_bulk(pk: int) -> None:
    """As ``drain_instance``, for what comes in masses: history and presence."""
    dispatch.drain(pk, Lane.BULK)


@shared_task(name="django_vzaps.confirm_connection", **_SHORT)
def confirm_connection(pk: int) -> None:
    """Ask VZaps whether what an event said about an instance's connection is true."""
    connection.confirm(pk)


@shared_task(name="django_vzaps.run_batch", **_LONG)
def run_batch(pk: int) -> None:
    """Carry out a batch for a few seconds; rings again where more is left."""
    services.batches.run(pk)


@shared_task(name="django_vzaps.sweep", **_SHORT)
def sweep() -> None:
    """Wake instances whose events nobody handled and batches nobody carries out, ask about doubted connections, give up
    overdue operations.
    """
    sweeping.sweep()


@shared_task(name="django_vzaps.heal_gaps", **_LONG)
def heal_gaps() -> None:
    """Take in what VZaps failed to deliver, as far as its delivery log tells; for ten minutes, longest unseen first."""
    healing.heal_all(seconds=healing.SLICE_SECONDS)


@shared_task(name="django_vzaps.prune", **_LONG)
def prune() -> None:
    """Erase the payloads of old events, and delete older events, changes of instances and resolved alerts."""
    retention.prune()


@shared_task(name="django_vzaps.check_alerts", **_SHORT)
def check_alerts() -> None:
    """Raise and resolve alerts, announce subscriptions that end, and mail what is new."""
    services.alerts.check()
