"""Pairing a phone: the live QR code, or a code to type.

Asking VZaps for a QR code starts the pairing there, so nothing is asked until a person pressed the button. Who may
watch, for how long, and when VZaps is asked is decided in :mod:`django_vzaps.services.pairing`; the page and its script
only show it.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import PairCodeForm
from django_vzaps.admin.instances.phases import Shown, person, shown
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import Instance, PairingPhase
from django_vzaps.services import VZapsError
from django_vzaps.services.pairing import Progress

_TEMPLATES: Final = "admin/django_vzaps/instance"
#: What a phase changes on the page, by the id of the element that it fills.
_PARTS: Final = {"vzaps-stage": f"{_TEMPLATES}/pair_stage.html", "vzaps-outcome": f"{_TEMPLATES}/pair_outcome.html"}


class InstancePairing(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With the pairing page, its poll and the pairing code."""
        return [
            path("<int:object_id>/pair/", self.remote(self.pair_view), name="django_vzaps_instance_pair"),
            path(
                "<int:object_id>/pair/poll/", self.remote(self.pair_poll_view), name="django_vzaps_instance_pair_poll"
            ),
            path(
                "<int:object_id>/pair/code/", self.remote(self.pair_code_view), name="django_vzaps_instance_pair_code"
            ),
            *super().get_urls(),
        ]

    def pair_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """GET shows the page; POST, a button, begins an attempt, takes one over, or stops one's own."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        instance = self.instance_for(request, object_id, "pair")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        if request.method == "POST":
            return self._pair_post(request, instance)
        watcher, by_code = request.GET.get("watch", ""), request.GET.get("with") == "code"
        actor = actor_of(request)
        # A browser without JavaScript is sent here by the page, and again every few seconds.
        if "live" in request.GET:
            progress = services.pairing.look(instance, actor=actor, watcher=watcher, ask=not by_code)
        else:
            progress = services.pairing.state(instance, actor=actor, watcher=watcher)
        return self._pairing_page(request, instance, progress, watcher, form=PairCodeForm(), by_code=by_code)

    def pair_poll_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """How far it is, as JSON; with ``qr``, VZaps is asked for a code when it is time.

        ``stage`` names what the page is to look like: where that is not what it says it has ``shown``, the ``parts``
        to fill come along. ``message`` and ``parts`` are HTML.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "pair")
        watcher = request.GET.get("watch", "")
        if instance.removed_at is not None:
            progress = Progress(phase=PairingPhase.ERROR, words=_("This instance is gone from VZaps."), may_begin=False)
        else:
            progress = services.pairing.look(
                instance, actor=actor_of(request), watcher=watcher, ask="qr" in request.POST
            )
        now = shown(progress, instance, actor_of(request))
        answer: dict[str, Any] = {
            "phase": now.phase,
            "stage": now.stage,
            "over": not now.is_live,
            "title": now.title,
            "message": now.message,
            "step": now.step,
            "seconds": now.countdown.seconds if now.countdown else None,
            "lasts": now.countdown.of if now.countdown else None,
        }
        if now.qr:
            answer["qr"] = now.qr
        # What is wrong for a moment leaves the code where it is.
        if now.stage not in (request.POST.get("shown"), "error"):
            context = self._phase_context(request, instance, now, watcher)
            answer["parts"] = {name: render_to_string(template, context, request) for name, template in _PARTS.items()}
        return JsonResponse(answer)

    def pair_code_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask VZaps for a code to type into the phone. It is shown once, and kept nowhere."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "pair")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form, watcher = PairCodeForm(request.POST), _watcher_of(request)
        code = self._ask_for_code(request, instance, form.cleaned_data["phone"], watcher) if form.is_valid() else ""
        progress = services.pairing.state(instance, actor=actor_of(request), watcher=watcher)
        return self._pairing_page(request, instance, progress, watcher, form=form, code=code, by_code=True)

    def _pair_post(self, request: HttpRequest, instance: Instance) -> HttpResponse:
        watcher = _watcher_of(request)
        if "stop" in request.POST:
            services.pairing.stop(instance, actor=actor_of(request), watcher=watcher)
            watcher = ""
        elif not self._begin(request, instance, watcher, take_over="take_over" in request.POST):
            watcher = ""
        address = self.address(Instance, "pair", instance.pk)
        return HttpResponseRedirect(f"{address}?{urlencode({'watch': watcher})}" if watcher else address)

    def _begin(self, request: HttpRequest, instance: Instance, watcher: str, *, take_over: bool = False) -> bool:
        before = services.pairing.state(instance, actor=actor_of(request), watcher=watcher)
        try:
            has_begun = services.pairing.begin(instance, actor=actor_of(request), watcher=watcher, take_over=take_over)
        except VZapsError as error:
            self.explain(request, error)
            return False
        if has_begun and before.phase == PairingPhase.WATCHED and take_over:
            who = before.user or _("somebody")
            self.log_change(request, instance, _("Took over the pairing from %(who)s.") % {"who": who})
        elif has_begun and not before.is_live:
            self.log_change(request, instance, _("Began to pair."))
        return has_begun

    def _ask_for_code(self, request: HttpRequest, instance: Instance, phone: str, watcher: str) -> str:
        if not self._begin(request, instance, watcher):
            return ""
        try:
            code = services.sessions.pair_code(instance, phone=phone, actor=actor_of(request)).code
        except VZapsError as error:
            services.pairing.stop(instance, actor=actor_of(request), watcher=watcher)
            self.explain(request, error)
            return ""
        services.pairing.by_code(instance, actor=actor_of(request), watcher=watcher)
        self.log_change(request, instance, _("Asked for a pairing code."))
        return code.reveal()

    def _pairing_page(
        self,
        request: HttpRequest,
        instance: Instance,
        progress: Progress,
        watcher: str,
        *,
        form: PairCodeForm,
        by_code: bool,
        code: str = "",
    ) -> HttpResponse:
        now = shown(progress, instance, actor_of(request))
        context = {
            **self.page_context(request, instance, _("Pair with WhatsApp")),
            **self._phase_context(request, instance, now, watcher),
            "form": form,
            "code": code,
            "by_code": by_code,
            "is_asked_live": "live" in request.GET,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"{_TEMPLATES}/pair.html", context)

    def _phase_context(self, request: HttpRequest, instance: Instance, now: Shown, watcher: str) -> dict[str, Any]:
        request.current_app = self.admin_site.name
        return {
            "opts": self.opts,
            "instance": instance,
            "shown": now,
            # The page that watches goes on as itself; what begins anew is another one.
            "watcher": watcher if now.is_live else services.pairing.new_token(),
            "person": person(instance) if now.phase == PairingPhase.CONNECTED else None,
            "next": self._what_next(request, instance) if now.phase == PairingPhase.CONNECTED else [],
        }

    def _what_next(self, request: HttpRequest, instance: Instance) -> list[dict[str, str]]:
        webhook = display.webhook_of(instance)
        steps = []
        if self.has_send_permission(request):
            steps.append({"url": self.address(Instance, "send", instance.pk), "text": _("Send a test message")})
        if self.has_set_webhook_permission(request) and (webhook is None or not webhook.is_managed or webhook.drift):
            steps.append({"url": self.address(Instance, "webhook", instance.pk), "text": _("Set the webhook")})
        return [*steps, {"url": self.address(Instance, "change", instance.pk), "text": _("Go to the instance")}]


def _watcher_of(request: HttpRequest) -> str:
    given = request.POST.get("watch", "")
    return given if services.pairing.is_token(given) else services.pairing.new_token()
