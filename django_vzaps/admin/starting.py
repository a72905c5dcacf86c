"""Starting batches from a page: logged with the user, said with a link to where its progress is shown."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin.remote import RemoteAdmin, actor_of
from django_vzaps.models import Account, Batch, BatchItem, BatchKind, Instance
from django_vzaps.services import VZapsError
from django_vzaps.services.batches import may_see, progress_of

#: In the history of so many; somebody waits for it.
LOGGED_ONE_BY_ONE: Final = 1000


class StartsBatches(RemoteAdmin):
    """A model admin from whose pages bulk work is started."""

    def start_batch(
        self,
        request: HttpRequest,
        kind: BatchKind,
        targets: Any,
        *,
        parameters: dict[str, Any] | None = None,
        public_id: uuid.UUID | None = None,
    ) -> Batch | None:
        """Start it, log it, and say so with a link to its page; None, and the reason said, where it was refused."""
        try:
            batch = services.batches.start(
                kind, targets, actor=actor_of(request), parameters=parameters, public_id=public_id
            )
        except VZapsError as error:
            self.explain(request, error)
            return None
        self.log_started(request, batch)
        self.tell_batch(request, batch)
        return batch

    def start_account_sync(self, request: HttpRequest, accounts: list[Account]) -> None:
        """Sync those that are not being synced by a batch already; for these its page is named instead."""
        open_items = BatchItem.objects.filter(
            account__in=accounts, batch__kind=BatchKind.SYNC_ACCOUNT, batch__finished_at__isnull=True
        ).select_related("account", "batch")
        at_work = {item.account_id: item for item in open_items}
        for item in at_work.values():
            text = _("“{}” is being synced already. {}")
            self.message_user(
                request, format_html(text, item.account, self.batch_link(request, item.batch)), messages.INFO
            )
        if chosen := [account.pk for account in accounts if account.pk not in at_work]:
            self.start_batch(request, BatchKind.SYNC_ACCOUNT, chosen)

    def tell_batch(self, request: HttpRequest, batch: Batch) -> None:
        """Say how it stands, and where to look."""
        progress = progress_of(batch)
        link = self.batch_link(request, batch)
        if batch.finished_at is None:
            text = _("{} has started: {}. You may leave this page, it goes on.")
            self.message_user(request, format_html(text, link, progress.in_words), messages.SUCCESS)
            return
        # What there is to say of one is said at once.
        detail = batch.items.values_list("detail", flat=True)[0] if progress.total == 1 else ""
        level = messages.SUCCESS if progress.succeeded == progress.total else messages.WARNING
        self.message_user(request, format_html("{}: {}.{}", link, progress.in_words, detail and f" {detail}"), level)

    def batch_link(self, request: HttpRequest, batch: Batch) -> SafeString | str:
        """A link to the batch for those who may see it, else its name."""
        name = capfirst(str(batch))
        if not may_see(request.user, batch):
            return name
        return format_html('<a href="{}">{}</a>', self.address(Batch, "change", batch.pk), name)

    def log_started(self, request: HttpRequest, batch: Batch) -> None:
        """Write it into Django's own log, in the history of the batch and of each of its instances or accounts."""
        words = _("%(batch)s: asked for, %(total)d in all.") % {
            "batch": capfirst(str(batch)),
            "total": batch.total,
        }
        self.log_change(request, batch, words)
        if batch.total > LOGGED_ONE_BY_ONE:
            return  # each has an operation that names the user
        column = "account" if batch.kind == BatchKind.SYNC_ACCOUNT else "instance"
        content_type = ContentType.objects.get_for_model(Account if column == "account" else Instance)
        rows = BatchItem.objects.filter(batch=batch).order_by("pk").values_list(f"{column}_id", f"{column}__name")
        LogEntry.objects.bulk_create(
            LogEntry(
                user_id=actor_of(request).pk,
                content_type=content_type,
                object_id=str(pk),
                object_repr=name[:200],
                action_flag=CHANGE,
                change_message=words,
            )
            for pk, name in rows
        )
