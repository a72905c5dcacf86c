"""The webhook of one instance: what is wanted beside what is there, applied by a person, tried from outside."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_vzaps import conf, services
from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.differences import differences
from django_vzaps.admin.instances.forms import WebhookForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import Event, Instance
from django_vzaps.services import VZapsError


class InstanceWebhook(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With the webhook's page, and the test of its URL."""
        return [
            path("<int:object_id>/webhook/", self.remote(self.webhook_view), name="django_vzaps_instance_webhook"),
            path(
                "<int:object_id>/webhook/test/",
                self.remote(self.webhook_test_view),
                name="django_vzaps_instance_webhook_test",
            ),
            *super().get_urls(),
        ]

    def webhook_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """GET shows it; POST has VZaps send the instance's events to this site."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        instance = self.instance_for(request, object_id, "set_webhook")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        webhook = display.webhook_of(instance)
        chosen = webhook and (webhook.desired_events or webhook.actual_events)
        form = WebhookForm(
            request.POST if request.method == "POST" else None,
            initial={"events": chosen or list(conf.current().webhook_events)},
        )
        if form.is_valid():
            key = form.cleaned_data["idempotency_key"]
            self._apply(request, instance, form.cleaned_data["events"], key=None if key is None else str(key))
            return self.to_detail(instance)
        return self._webhook_page(request, instance, form)

    def webhook_test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have the site post a test event to its own public URL, and say what became of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "set_webhook")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        try:
            test = services.self_test.send(instance)
        except VZapsError as error:
            self.explain(request, error)
        else:
            arrived = _("arrived") if test.is_ok else _("did not arrive")
            self.log_change(request, instance, _("Sent a test event to itself: it %(result)s.") % {"result": arrived})
            is_answered = test.status == HTTPStatus.OK
            level = (messages.SUCCESS if is_answered else messages.WARNING) if test.is_ok else messages.ERROR
            self.message_user(
                request, format_html("{} {}", test.words, self._event_link(request, test.event_id)), level
            )
        return HttpResponseRedirect(self.address(Instance, "webhook", instance.pk))

    def _event_link(self, request: HttpRequest, event_id: int | None) -> str:
        if event_id is None or not request.user.has_perm("django_vzaps.view_event"):
            return ""
        return format_html('<a href="{}">{}</a>', self.address(Event, "change", event_id), _("Open the event"))

    def _apply(self, request: HttpRequest, instance: Instance, events: list[str], *, key: str | None) -> None:
        operation = self.carry_out(
            request,
            lambda: services.webhooks.set(instance, actor=actor_of(request), events=events, idempotency_key=key),
            about=instance,
        )
        if operation is None:
            return
        if not services.webhooks.was_read_back(operation):
            text = _("VZaps accepted the webhook, but it could not be read back. “Check now” tries again.")
            self.message_user(request, text, messages.WARNING)
        elif instance.webhook.drift:
            text = _("VZaps accepted the webhook, but shows something else: %(what)s.")
            self.message_user(request, text % {"what": display.drift(instance.webhook)}, messages.WARNING)
        else:
            self.message_user(request, _("VZaps sends the events to this site."), messages.SUCCESS)

    def _webhook_page(self, request: HttpRequest, instance: Instance, form: WebhookForm) -> HttpResponse:
        webhook = display.webhook_of(instance)
        context: dict[str, Any] = {
            **self.page_context(request, instance, _("Webhook")),
            "form": form,
            "webhook": webhook,
            "is_managed": webhook is not None and webhook.is_managed,
            "differences": differences(webhook) if webhook else [],
            "checked": display.ago(webhook.checked_at) if webhook and webhook.checked_at else None,
            "actual": webhook.actual_host_and_path if webhook else "",
            "can_receive": services.webhooks.can_receive(),
            "may_check": self.has_change_permission(request),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/webhook.html", context)
