"""Bulk work: who asked for it, how far it is, and what became of each instance or account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache

from django_vzaps import scope, services
from django_vzaps.admin import display
from django_vzaps.admin.batches.listing import BatchChangeList, BatchKindFilter, BatchStateFilter
from django_vzaps.admin.batches.words import in_words, not_done, state_of, walked, who
from django_vzaps.admin.read_only import ReadOnlyAdmin
from django_vzaps.admin.remote import actor_of
from django_vzaps.admin.scoped import ScopedAdmin
from django_vzaps.admin.starting import StartsBatches
from django_vzaps.models import Account, Batch, BatchItem, BatchItemState, BatchKind, Instance
from django_vzaps.services import VZapsError
from django_vzaps.services.batches import LEASE, Progress, may_ask, may_see, progress_of, visible, visible_items

ITEMS_PER_PAGE: Final = 100


@admin.register(Batch)
class BatchAdmin(ScopedAdmin, ReadOnlyAdmin, StartsBatches):
    list_display = ["batch", "progress_shown", "state_shown", "actor_shown", "asked_for"]
    list_display_links = ["batch"]
    list_filter = [BatchStateFilter, BatchKindFilter]
    list_select_related = ["actor"]
    list_per_page = 50
    list_max_show_all = 50

    class Media:
        css = {"all": ["django_vzaps/batches.css"]}
        js = ["django_vzaps/batches.js"]

    @admin.display(description=gettext_lazy("batch"))
    def batch(self, batch: Batch) -> str:
        """What is done."""
        return capfirst(str(batch))

    @admin.display(description=gettext_lazy("progress"))
    def progress_shown(self, batch: Any) -> str:
        """How far it is, in words."""
        return str(batch.progress.in_words)

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, batch: Any) -> SafeString:
        """Whether anything is still to happen."""
        return state_of(batch, batch.progress)

    @admin.display(description=gettext_lazy("by"))
    def actor_shown(self, batch: Batch) -> str:
        """Who asked for it."""
        return who(batch)

    @admin.display(description=gettext_lazy("asked for"))
    def asked_for(self, batch: Batch) -> SafeString | str:
        """How long ago."""
        return display.ago(batch.created_at)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever started one may see it; the list, whoever may start one: it shows their own."""
        if obj is not None:
            return may_see(request.user, obj)
        if super().has_view_permission(request):
            return True
        return any(may_ask(request.user, kind) for kind in BatchKind)

    def in_scope(self, request: HttpRequest, rows: QuerySet[Batch]) -> QuerySet[Batch]:
        """Those the user may see."""
        return visible(request.user, rows)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BatchChangeList]:
        """The list that counts items."""
        return BatchChangeList

    def get_urls(self) -> list[URLPattern]:
        """With the address that the page asks how far it is, and the buttons."""
        return [
            path(
                "<int:object_id>/progress/",
                self.admin_site.admin_view(never_cache(self.progress_view)),
                name="django_vzaps_batch_progress",
            ),
            path("<int:object_id>/retry/", self.remote(self.retry_view), name="django_vzaps_batch_retry"),
            path("<int:object_id>/stop/", self.remote(self.stop_view), name="django_vzaps_batch_stop"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The batch's page, which keeps itself up to date."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        batch = self._batch(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "is_themed": self.is_themed,
            **self._page(request, batch),
            "title": capfirst(str(batch)),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": True,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/batch/page.html", context)

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What has changed on the page, as JSON."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        batch = self._batch(request, object_id)
        page = self._page(request, batch)

        def part(name: str, **more: Any) -> str:
            return render_to_string(f"admin/django_vzaps/batch/{name}.html", {**page, **more}, request)

        progress: Progress = page["progress"]
        return JsonResponse(
            {
                "finished": batch.finished_at is not None,
                "total": progress.total,
                "ended": progress.ended,
                "words": progress.in_words,
                "parts": {name: part(name) for name in ("summary", "buttons", "states")},
                "rows": {row["pk"]: part("row", row=row) for row in page["rows"]},
            }
        )

    def retry_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What failed once more, as a new batch."""
        batch = self._batch_to_change(request, object_id)
        if isinstance(batch, HttpResponse):
            return batch
        is_new = not batch.retries.exists()
        try:
            again = services.batches.retry_failed(batch, actor=actor_of(request))
        except VZapsError as error:
            self.explain(request, error)
            return self._to(batch)
        if is_new:
            self.log_started(request, again)
            self.tell_batch(request, again)
        else:
            self.message_user(request, _("This was retried before; nothing was started a second time."))
            if not self.has_view_permission(request, again):
                return self._to(batch)
        return self._to(again)

    def stop_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """End it after the item that is being carried out."""
        batch = self._batch_to_change(request, object_id)
        if isinstance(batch, HttpResponse):
            return batch
        stopped = services.batches.stop(batch, actor=actor_of(request))
        words = ngettext(
            "Stopped: %(count)d was still waiting, and is left as it is.",
            "Stopped: %(count)d were still waiting, and are left as they are.",
            stopped,
        ) % {"count": stopped}
        if stopped:
            self.log_change(request, batch, words)
            self.message_user(request, words, messages.SUCCESS)
        else:
            self.message_user(request, _("Nothing was waiting any more: there was nothing to stop."), messages.WARNING)
        return self._to(batch)

    def _batch(self, request: HttpRequest, object_id: int | str) -> Batch:
        if not (str(object_id).isdecimal() and len(str(object_id)) < 19):
            raise Http404
        # Not among those listed to the user, but there: they may have no permission at all.
        listed: QuerySet[Batch] = self.get_queryset(request)
        batch = listed.select_related("actor", "retry_of").filter(pk=int(object_id)).first()
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        if batch is None:
            raise Http404
        return batch

    def _batch_to_change(self, request: HttpRequest, object_id: int) -> Batch | HttpResponse:
        batch = self._batch(request, object_id)
        if not may_ask(request.user, batch.kind):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return batch

    def _to(self, batch: Batch) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.address(Batch, "change", batch.pk))

    def _page(self, request: HttpRequest, batch: Batch) -> dict[str, Any]:
        items = visible_items(request.user).filter(batch=batch)
        progress = progress_of(batch, items if scope.is_set() else None)
        retry = batch.retries.order_by("pk").first() if batch.finished_at else None
        state = request.GET.get("state", "")
        if state not in BatchItemState.values:
            state = ""
        count = getattr(progress, state) if state else progress.total
        shown = self._items(request, items, state, count)
        may = may_ask(request.user, batch.kind)
        unattended = batch.finished_at is None and (
            batch.lease_until is None or batch.lease_until < timezone.now() or not batch.lease_holder
        )
        return {
            "batch": batch,
            "progress": progress,
            "state_shown": state_of(batch, progress),
            "by": who(batch),
            "asked_for": display.ago(batch.created_at),
            "finished": display.ago(batch.finished_at),
            "asked": in_words(batch),
            "retry_of": self.batch_link(request, batch.retry_of) if batch.retry_of else "",
            "retry": self.batch_link(request, retry) if retry else "",
            "may_stop": may and progress.waiting > 0,
            "may_retry": may and batch.finished_at is not None and retry is None and not_done(progress) > 0,
            "not_done": not_done(progress),
            "is_unattended": unattended and timezone.now() - batch.created_at > LEASE / 4,
            "is_about_accounts": batch.kind == BatchKind.SYNC_ACCOUNT,
            "states": [
                {"value": value, "label": label, "count": number, "is_chosen": value == state}
                for value, label, number in (
                    ("", _("All"), progress.total),
                    *((item.value, str(item.label), getattr(progress, item.value)) for item in BatchItemState),
                )
                if number or value in ("", state)
            ],
            "state": state,
            "page": shown,
            "rows": self._rows(request, shown.object_list),
        }

    def _items(self, request: HttpRequest, items: QuerySet[BatchItem], state: str, count: int) -> Page[BatchItem]:
        rows = (items.filter(state=state) if state else items).order_by("pk")
        paginator = Paginator(rows.select_related("instance", "account", "operation"), ITEMS_PER_PAGE)
        paginator.count = count  # known already
        return paginator.get_page(request.GET.get("p"))

    def _rows(self, request: HttpRequest, items: Iterable[BatchItem]) -> list[dict[str, Any]]:
        sees_instances = request.user.has_perm("django_vzaps.view_instance")
        sees_accounts = request.user.has_perm("django_vzaps.view_account")
        rows = []
        for item in items:
            target: Instance | Account | None = item.target
            may_see = sees_instances if item.instance_id else sees_accounts
            rows.append(
                {
                    "pk": item.pk,
                    "name": str(target or f"#{item.pk}"),
                    "url": self.address(type(target), "change", target.pk) if target and may_see else "",
                    "state": display.badge(BatchItemState, item.state),
                    "seen": walked(item),
                    "detail": display.from_outside(item.detail) if item.detail else "",
                    "operation": self.operation_link(request, item.operation),
                    # Only where it says more: the operation is still running, or was settled meanwhile.
                    "outcome": display.outcome(item.operation)
                    if item.operation and item.operation.outcome != item.state
                    else "",
                    "finished": display.ago(item.finished_at) if item.finished_at else "",
                }
            )
        return rows
