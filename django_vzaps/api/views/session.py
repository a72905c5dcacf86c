"""The WhatsApp session: whether it is up, pairing it with a phone, ending it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.problems import Problem
from django_vzaps.api.serializers.instances import SessionSerializer
from django_vzaps.api.serializers.pairing import (
    AskPairCodeSerializer,
    BeginPairingSerializer,
    PairCodeSerializer,
    PairingSerializer,
    StopPairingSerializer,
    WatchSerializer,
)
from django_vzaps.api.throttling import PairingThrottle
from django_vzaps.api.views.about_instance import InstanceViews
from django_vzaps.models import Instance, OperationKind, PairingPhase
from django_vzaps.services import VZapsError, pairing
from django_vzaps.services.pairing import Progress

_PAIR = [("view_instance", "pair_instance")]


class SessionViewSet(InstanceViews):
    needs = {
        "retrieve": [("view_instance",)],
        "status": [("view_instance", "change_instance"), *_PAIR],
        "begin_qr": _PAIR,
        "look": _PAIR,
        "stop": _PAIR,
        "pair_code": _PAIR,
        "disconnect": _PAIR,
    }
    throttles = dict.fromkeys(("begin_qr", "look", "stop", "pair_code"), (PairingThrottle,))
    bodies = {"begin_qr": BeginPairingSerializer, "pair_code": AskPairCodeSerializer}
    queries = {"look": WatchSerializer, "stop": StopPairingSerializer}

    def retrieve(self, request: Request, vzaps_id: str) -> Response:
        return self.shown(SessionSerializer, self.instance)

    def status(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        instance = self.present
        services.sessions.status(instance)
        return self.shown(SessionSerializer, instance)

    def begin_qr(self, request: Request, vzaps_id: str) -> Response:
        given, instance = self.body(), self.present
        watcher = self._begin(instance, given)
        return self._progress(pairing.look(instance, actor=self.actor, watcher=watcher), watcher)

    def look(self, request: Request, vzaps_id: str) -> Response:
        instance, watcher = self.present, self.query().get("watch", "")
        progress = pairing.state(instance, actor=self.actor, watcher=watcher)
        if watcher and progress.is_live:
            # Who has a code to type needs no QR code.
            ask = progress.phase != PairingPhase.TYPING
            progress = pairing.look(instance, actor=self.actor, watcher=watcher, ask=ask)
        return self._progress(progress, watcher)

    def stop(self, request: Request, vzaps_id: str) -> Response:
        instance, watcher = self.instance, self.query()["watch"]
        pairing.stop(instance, actor=self.actor, watcher=watcher)
        return Response(status=204)

    def pair_code(self, request: Request, vzaps_id: str) -> Response:
        given, instance = self.body(), self.present
        watcher = self._begin(instance, given)
        try:
            code = services.sessions.pair_code(instance, phone=given["phone"], actor=self.actor).code
        except VZapsError:
            pairing.stop(instance, actor=self.actor, watcher=watcher)
            raise
        pairing.by_code(instance, actor=self.actor, watcher=watcher)
        return self.shown(PairCodeSerializer, {"code": code.reveal(), "watch": watcher})

    def disconnect(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.changed_instance(OperationKind.DISCONNECT, services.sessions.disconnect)

    def _begin(self, instance: Instance, given: dict[str, Any]) -> str:
        watcher: str = given.get("watch") or pairing.new_token()
        if not pairing.begin(instance, actor=self.actor, watcher=watcher, take_over=given["take_over"]):
            raise Problem(
                "pairing-in-progress",
                _("This instance is being paired elsewhere. Wait for the end of that, or take over with “take_over”."),
            )
        return watcher

    def _progress(self, progress: Progress, watcher: str) -> Response:
        context: dict[str, Any] = {**self.get_serializer_context(), "watch": watcher}
        return Response(PairingSerializer(progress, context=context).data)
