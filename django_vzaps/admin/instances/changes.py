"""Create and edit: changes with a form of their own, as Django shows forms."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import helpers
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import CreateForm, SettingsForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import Account, Instance, Operation, OperationOutcome


class InstanceChanges(InstanceBase):
    form_template = "admin/django_vzaps/instance/form.html"

    def get_urls(self) -> list[URLPattern]:
        """With the page to edit."""
        return [
            path("<int:object_id>/edit/", self.remote(self.edit_view), name="django_vzaps_instance_edit"),
            *super().get_urls(),
        ]

    @transaction.non_atomic_requests
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Create an instance on VZaps."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        Account.objects.from_settings()
        form = CreateForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            given = form.cleaned_data
            operation = self.carry_out(
                request,
                lambda: services.instances.create(
                    given["account"],
                    name=given["name"],
                    actor=actor_of(request),
                    events=given.get("events"),
                    reject_calls=given["reject_calls"],
                    auto_read_messages=given["auto_read_messages"],
                    idempotency_key=str(given["idempotency_key"]),
                ),
            )
            if operation is not None:
                return self._created(request, operation.instance)
            attempt = Operation.objects.filter(idempotency_key=str(given["idempotency_key"])).first()
            if attempt is not None and attempt.outcome != OperationOutcome.FAILED:
                # It may exist already: the values are not offered for a second try.
                return HttpResponseRedirect(self._after_add(request, None))
            form.data = request.POST.copy()
            form.data["idempotency_key"] = str(uuid.uuid4())
        return self._form_page(request, None, form, _("Add instance"), button=_("Create on VZaps"), add=True)

    def edit_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Change the instance's settings on VZaps."""
        instance = self.instance_for(request, object_id, "change")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form = SettingsForm.of(instance, request.POST if request.method == "POST" else None)
        if form.is_valid():
            changes = form.changes()
            if not changes:
                self.message_user(request, _("Nothing was different: nothing was sent."), messages.INFO)
                return self.to_detail(instance)
            if self.carry_out(
                request,
                lambda: services.instances.update(instance, actor=actor_of(request), **changes),
                about=instance,
            ):
                self.message_user(request, _("The settings are changed on VZaps."), messages.SUCCESS)
                return self.to_detail(instance)
        return self._form_page(request, instance, form, _("Edit instance"), button=_("Save on VZaps"))

    def _created(self, request: HttpRequest, instance: Instance | None) -> HttpResponse:
        if IS_POPUP_VAR in request.POST and instance is not None:
            return self.response_add(request, instance)
        self.message_user(request, _("“%(name)s” is created on VZaps.") % {"name": instance or "?"}, messages.SUCCESS)
        return HttpResponseRedirect(self._after_add(request, instance))

    def _after_add(self, request: HttpRequest, instance: Instance | None) -> str:
        if not self.has_view_permission(request):
            return reverse("admin:index", current_app=self.admin_site.name)
        if instance is None:
            return self.address(Instance, "changelist")
        return self.address(Instance, "change", instance.pk)

    def _form_page(
        self,
        request: HttpRequest,
        instance: Instance | None,
        form: forms.Form,
        title: str,
        *,
        button: str,
        add: bool = False,
        **context: Any,
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        context |= {
            **self.page_context(request, instance, title),
            "adminform": helpers.AdminForm(form, [(None, {"fields": list(form.fields)})], {}, model_admin=self),  # type: ignore[arg-type]
            "errors": helpers.AdminErrorList(form, []),  # type: ignore[arg-type]
            "add": add,
            "change": not add,
            "button": button,
            "is_popup": IS_POPUP_VAR in request.GET or IS_POPUP_VAR in request.POST,
            "is_popup_var": IS_POPUP_VAR,
            "inline_admin_formsets": [],
            "has_file_field": False,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.form_template, context)
