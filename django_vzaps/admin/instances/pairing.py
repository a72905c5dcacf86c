"""Pairing a phone: the live QR code, or a code to type.

Asking VZaps for a QR code starts the pairing there, so nothing is asked until a person pressed the button, and only
for :data:`WINDOW` seconds after that. Page and script stay simple: the server says which phase it is.
"""

from __future__ import annotations

import time
from typing import Any, Final

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from django_vzaps import crypto, services
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import PairCodeForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import Instance
from django_vzaps.secret import Secret
from django_vzaps.services import VZapsError

#: How long one press of the button keeps asking, in seconds.
WINDOW: Final = 180
#: VZaps is asked for a QR code at most this often, in seconds, however many people are looking.
QR_EVERY: Final = 15
_SESSION_KEY: Final = "vzaps_pairing"

Phase = dict[str, Any]


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
        """GET shows the page; POST, the button, opens the time in which VZaps is asked for QR codes."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        instance = self.instance_for(request, object_id, "pair")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        if request.method == "POST":
            _open_window(request, instance)
            return HttpResponseRedirect(self.address(Instance, "pair", instance.pk))
        is_open = _window_is_open(request, instance)
        # A browser without JavaScript is sent here by the page, and again every QR_EVERY seconds.
        phase = _phase(instance, want_qr=True) if is_open and "live" in request.GET else None
        return self._pairing_page(request, instance, phase=phase, is_open=is_open, form=PairCodeForm())

    def pair_poll_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Which phase it is, as JSON: ``phase``, ``message``, ``over`` and, where asked for, ``qr``."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "pair")
        if instance.removed_at is not None or not _window_is_open(request, instance):
            return JsonResponse(_expired())
        return JsonResponse(_phase(instance, want_qr="qr" in request.POST))

    def pair_code_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask VZaps for a code to type into the phone. It is shown once, and kept nowhere."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "pair")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form = PairCodeForm(request.POST)
        code = self._ask_for_code(request, instance, form.cleaned_data["phone"]) if form.is_valid() else None
        return self._pairing_page(request, instance, form=form, code=code, is_open=code is not None)

    def _ask_for_code(self, request: HttpRequest, instance: Instance, phone: str) -> str | None:
        try:
            code = services.sessions.pair_code(instance, phone=phone, actor=actor_of(request)).code
        except VZapsError as error:
            self.explain(request, error)
            return None
        self.log_change(request, instance, _("Asked for a pairing code."))
        _open_window(request, instance)
        return code.reveal()

    def _pairing_page(
        self,
        request: HttpRequest,
        instance: Instance,
        *,
        form: PairCodeForm,
        is_open: bool,
        phase: Phase | None = None,
        code: str | None = None,
    ) -> HttpResponse:
        context = {
            **self.page_context(request, instance, _("Pair with WhatsApp")),
            "form": form,
            "code": code,
            "phase": phase or (_starting() if is_open else _idle()),
            "is_open": is_open and not (phase or {}).get("over"),
            "is_live": phase is not None,
            "qr_every": QR_EVERY,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/pair.html", context)


def _open_window(request: HttpRequest, instance: Instance) -> None:
    windows = {pk: until for pk, until in request.session.get(_SESSION_KEY, {}).items() if until > time.time()}
    request.session[_SESSION_KEY] = windows | {str(instance.pk): time.time() + WINDOW}


def _window_is_open(request: HttpRequest, instance: Instance) -> bool:
    return bool(request.session.get(_SESSION_KEY, {}).get(str(instance.pk), 0) > time.time())


def _phase(instance: Instance, *, want_qr: bool) -> Phase:
    try:
        status = services.sessions.status(instance)
        if status.connected:
            return _connected(instance)
        return _scan(instance) if want_qr else {"phase": "waiting", "message": "", "over": False}
    except services.ReadFailed as error:
        return {"phase": "error", "message": _("%(error)s Trying again.") % {"error": error}, "over": False}
    except VZapsError as error:
        return {"phase": "error", "message": str(error), "over": True}


def _scan(instance: Instance) -> Phase:
    key = f"django_vzaps:qr:{instance.pk}"
    kept = cache.get(key)
    if isinstance(kept, str):
        return _scan_now(Secret(crypto.decrypt(kept)))
    answer = services.sessions.qr(instance)
    if answer.paired:
        return _starting()
    if answer.error:
        message = _("VZaps ended this attempt (%(why)s). Start again when the phone is at hand.")
        return {"phase": "expired", "message": message % {"why": answer.error}, "over": True}
    if not answer.qr_code:
        return _starting()
    cache.set(key, crypto.encrypt(answer.qr_code.reveal()), timeout=QR_EVERY)
    return _scan_now(answer.qr_code)


def _scan_now(qr: Secret) -> Phase:
    message = _("Scan the code now: on the phone, open WhatsApp, Settings, Linked devices, Link a device.")
    return {"phase": "scan", "message": message, "over": False, "qr": qr.reveal()}


def _idle() -> Phase:
    return {"phase": "idle", "message": _("Have the phone at hand, then show the code."), "over": True}


def _starting() -> Phase:
    return {"phase": "starting", "message": _("Starting: VZaps prepares the code."), "over": False}


def _expired() -> Phase:
    message = _("The time for this attempt is over, so VZaps is not asked any more.")
    return {"phase": "expired", "message": message, "over": True}


def _connected(instance: Instance) -> Phase:
    who = " ".join(part for part in (instance.phone, instance.push_name) if part)
    message = _("Connected: %(who)s.") % {"who": who} if who else _("Connected.")
    return {"phase": "connected", "message": message, "over": True}
