"""A test message: does the number really send?"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.instances import columns
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import SendForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import ConnectionState, Event, Instance, Operation, OperationOutcome


class InstanceMessages(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With the page that sends a test message."""
        return [
            path("<int:object_id>/send/", self.remote(self.send_view), name="django_vzaps_instance_send"),
            *super().get_urls(),
        ]

    def send_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """GET shows the form, POST sends what is in it, once."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        instance = self.instance_for(request, object_id, "send")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form = SendForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            given, key = form.cleaned_data, str(form.cleaned_data["idempotency_key"])
            operation = self.carry_out(
                request,
                lambda: services.messages.send_text(
                    instance,
                    phone=given["phone"],
                    message=given["text"],
                    actor=actor_of(request),
                    idempotency_key=key,
                ),
                about=instance,
            )
            if operation is not None:
                self._tell_sent(request, instance, operation)
                return self.to_detail(instance)
            attempt = Operation.objects.filter(idempotency_key=key).first()
            if attempt is not None and attempt.outcome != OperationOutcome.FAILED:
                # It may have been sent: the text is not offered for a second try.
                return self.to_detail(instance)
            form.data = request.POST.copy()
            form.data["idempotency_key"] = str(uuid.uuid4())
        context: dict[str, Any] = {
            **self.page_context(request, instance, _("Send a test message")),
            "form": form,
            "connection": columns.connection(instance),
            "is_connected": instance.connection_state == ConnectionState.CONNECTED,
            "has_receipts": _has_receipts(instance),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/send.html", context)

    def _tell_sent(self, request: HttpRequest, instance: Instance, operation: Operation) -> None:
        message_id = str((operation.answer or {}).get("message_id") or "")
        accepted = _("VZaps accepted the message. Accepted is not delivered.")
        if not _has_receipts(instance):
            where = _("Whether it is delivered will not show here: this webhook gets no ReadReceipt events.")
        elif request.user.has_perm("django_vzaps.view_event"):
            where = format_html(
                _("When it is delivered, and when it is read, a ReadReceipt comes: {}."),
                format_html(
                    '<a href="{}?{}">{}</a>',
                    self.address(Event, "changelist"),
                    urlencode({"q": message_id}),
                    _("look for events about it"),
                ),
            )
        else:
            where = _("When it is delivered, and when it is read, a ReadReceipt comes among the events.")
        self.message_user(request, format_html("{} {}", accepted, where), messages.SUCCESS)


def _has_receipts(instance: Instance) -> bool:
    """Whether receipts come in here, as far as is known."""
    webhook = display.webhook_of(instance)
    return (
        webhook is not None
        and webhook.is_managed
        and "url" not in webhook.drift
        and bool({"ReadReceipt", "All"} & {*(webhook.actual_events or webhook.desired_events or ())})
    )
