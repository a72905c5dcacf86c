"""What can be done to several instances at once, as a batch. Billing cannot."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import conf, services
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import EventsField
from django_vzaps.admin.instances.selection import Survey, packed, survey, unpacked
from django_vzaps.admin.starting import StartsBatches
from django_vzaps.models import Account, Batch, BatchKind, Instance
from django_vzaps.services import VZapsError
from django_vzaps.services.attempts import refuse_if_read_only

#: Reading so many is begun without a question.
SYNC_WITHOUT_ASKING: Final = 100


class BulkForm(forms.Form):
    """Yes, to those that the page named. ``public_id`` makes a second click find the first one's batch."""

    selection = forms.CharField(widget=forms.HiddenInput, strip=False)
    figures = forms.CharField(widget=forms.HiddenInput)
    public_id = forms.UUIDField(widget=forms.HiddenInput)

    def clean_selection(self) -> list[int]:
        """The primary keys."""
        try:
            return unpacked(self.cleaned_data["selection"])
        except ValueError:
            raise ValidationError(_("The selection could not be read. Go back and choose again.")) from None

    @property
    def with_set_apart(self) -> bool:
        """Whether it is done to those, too, that are left out unless the person says otherwise."""
        return False

    @property
    def parameters(self) -> dict[str, Any]:
        """What the batch has to know."""
        return {}


class BulkDeleteForm(BulkForm):
    despite_subscription = forms.BooleanField(required=False)

    @property
    def with_set_apart(self) -> bool:
        return bool(self.cleaned_data["despite_subscription"])

    @property
    def parameters(self) -> dict[str, Any]:
        return {"despite_subscription": self.with_set_apart}


class BulkWebhookForm(BulkForm):
    overwrite = forms.BooleanField(required=False)
    events = EventsField(required=False)

    @property
    def with_set_apart(self) -> bool:
        return bool(self.cleaned_data["overwrite"])

    @property
    def parameters(self) -> dict[str, Any]:
        return {"overwrite": self.with_set_apart, "events": self.cleaned_data["events"] or None}


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """One verb: who may, what it is called, what is asked."""

    permission: str
    title: str | Promise
    form: type[BulkForm] = BulkForm


BULKS: Final[Mapping[BatchKind, Bulk]] = {
    BatchKind.SYNC: Bulk(permission="change", title=gettext_lazy("Read instances from VZaps")),
    BatchKind.RESTART: Bulk(permission="restart", title=gettext_lazy("Restart instances")),
    BatchKind.SET_WEBHOOK: Bulk(
        permission="set_webhook", title=gettext_lazy("Set the webhook of instances"), form=BulkWebhookForm
    ),
    BatchKind.DELETE: Bulk(permission="delete", title=gettext_lazy("Delete instances on VZaps"), form=BulkDeleteForm),
}


class InstanceActions(InstanceBase, StartsBatches):
    class Media:
        css = {"all": ["django_vzaps/batches.css"]}

    actions = ["sync_selected", "restart_selected", "set_webhook_selected", "delete_on_vzaps"]

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Without Django's own delete: it would remove our row and leave the instance on VZaps."""
        # Only Django 6.1 and later say, and ask, on which page the actions are offered.
        place = {} if action_location is None else {"action_location": action_location}
        actions = super().get_actions(request, **place)
        actions.pop("delete_selected", None)
        return actions

    def get_urls(self) -> list[URLPattern]:
        """With a page for each bulk action, and the button that syncs every active account."""
        return [
            path("sync/", self.remote(self.sync_view), name="django_vzaps_instance_sync"),
            *(
                path(
                    f"bulk/{kind.value}/",
                    self.remote(partial(self.bulk_view, kind=kind)),
                    name=f"django_vzaps_instance_bulk_{kind.value}",
                )
                for kind in BULKS
            ),
            *super().get_urls(),
        ]

    @admin.action(description=gettext_lazy("Read the selected instances from VZaps"), permissions=["change"])
    def sync_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse | None:
        """Read each from VZaps; a few without a question."""
        chosen = list(queryset.order_by().values_list("pk", flat=True)[: SYNC_WITHOUT_ASKING + 1])
        if len(chosen) > SYNC_WITHOUT_ASKING:
            return self._ask(request, BatchKind.SYNC, queryset)
        found = survey(BatchKind.SYNC, self.get_queryset(request), chosen)
        self.start_batch(request, BatchKind.SYNC, found.pks)
        return None

    @admin.action(description=gettext_lazy("Restart the selected instances"), permissions=["restart"])
    def restart_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse | None:
        """Restart each, after a page that names them."""
        return self._ask(request, BatchKind.RESTART, queryset)

    @admin.action(description=gettext_lazy("Set the webhook of the selected instances"), permissions=["set_webhook"])
    def set_webhook_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse | None:
        """Have VZaps send their events here, after a page that says whose webhook would be overwritten."""
        return self._ask(request, BatchKind.SET_WEBHOOK, queryset)

    @admin.action(description=gettext_lazy("Delete the selected instances on VZaps"), permissions=["delete"])
    def delete_on_vzaps(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse | None:
        """Delete each on VZaps, after a page that names them and counts those that are paid for."""
        return self._ask(request, BatchKind.DELETE, queryset)

    def sync_view(self, request: HttpRequest) -> HttpResponse:
        """Sync every active account."""
        if not (self.has_view_permission(request) and self.may_sync(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        Account.objects.from_settings()
        accounts = list(Account.objects.filter(is_active=True))
        if accounts:
            self.start_account_sync(request, accounts)
        else:
            self.message_user(request, _("There is no active account to sync."), messages.WARNING)
        return HttpResponseRedirect(self.address(Instance, "changelist"))

    def bulk_view(self, request: HttpRequest, *, kind: BatchKind) -> HttpResponse:
        """Start what the page before named; ask again where that has changed."""
        if not (self.has_view_permission(request) and self._may(request, kind)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = BULKS[kind].form(request.POST)
        if not form.is_valid():
            self.message_user(request, _("Nothing was done. Choose the instances again."), messages.ERROR)
            return HttpResponseRedirect(self.address(Instance, "changelist"))
        given = form.cleaned_data
        if known := Batch.objects.filter(public_id=given["public_id"], actor=request.user.pk, kind=kind).first():
            return HttpResponseRedirect(self.address(Batch, "change", known.pk))
        found = survey(kind, self.get_queryset(request), given["selection"])
        if found.figures != given["figures"]:
            return self._confirmation(request, found, given["selection"], form)
        batch = self.start_batch(
            request,
            kind,
            found.targets(with_set_apart=form.with_set_apart),
            parameters=form.parameters,
            public_id=given["public_id"],
        )
        if batch is None:
            return HttpResponseRedirect(self.address(Instance, "changelist"))
        return HttpResponseRedirect(self.address(Batch, "change", batch.pk))

    def _may(self, request: HttpRequest, kind: BatchKind) -> bool:
        return bool(getattr(self, f"has_{BULKS[kind].permission}_permission")(request))

    def _ask(self, request: HttpRequest, kind: BatchKind, queryset: QuerySet[Instance]) -> HttpResponse | None:
        try:
            if kind != BatchKind.SYNC:
                refuse_if_read_only()
            if kind == BatchKind.SET_WEBHOOK:
                services.webhooks.plan(uuid.uuid4(), None)  # says in words what keeps one from being made
        except VZapsError as error:
            self.explain(request, error)
            return None
        chosen = list(queryset.order_by().values_list("pk", flat=True))
        return self._confirmation(request, survey(kind, self.get_queryset(request), chosen), chosen)

    def _confirmation(
        self, request: HttpRequest, found: Survey, chosen: Sequence[int], before: BulkForm | None = None
    ) -> HttpResponse:
        if not found.pks:
            text = _("There is nothing to do: what was chosen is gone from VZaps.")
            self.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(self.address(Instance, "changelist"))
        bulk = BULKS[found.kind]
        ticked = {} if before is None else {name: before.cleaned_data.get(name) for name in before.fields}
        form = bulk.form(
            initial={**ticked, "selection": packed(chosen), "figures": found.figures, "public_id": uuid.uuid4()}
        )
        named = found.named()
        apart_named = found.named(only_set_apart=True) if found.set_apart else []
        context = {
            **self.page_context(request, None, bulk.title),
            "kind": found.kind.value,
            "form": form,
            "url": self.address(Instance, f"bulk_{found.kind.value}"),
            "has_changed": before is not None,
            "count": len(found.pks),
            "by_default": len(found.pks) - len(found.set_apart),
            "set_apart": len(found.set_apart),
            "gone": found.gone,
            "elsewhere": found.elsewhere,
            "named": named,
            "more": len(found.pks) - len(named),
            "apart_named": apart_named,
            "apart_more": len(found.set_apart) - len(apart_named),
            "usual_events": ", ".join(conf.current().webhook_events),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/bulk.html", context)
