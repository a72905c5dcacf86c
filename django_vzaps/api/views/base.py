"""What every view has in common: JSON, problems, permissions by action, no transaction, nothing silently ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from django_vzaps import services
from django_vzaps.api import problems
from django_vzaps.api.idempotency import key_of
from django_vzaps.api.links import link
from django_vzaps.api.permissions import HasNamedPermissions
from django_vzaps.api.problems import InvalidQuery, Problem
from django_vzaps.api.rendering import JSONParser, JSONRenderer
from django_vzaps.api.serializers.fields import NothingSerializer, StrictSerializer
from django_vzaps.api.serializers.operations import OperationSerializer
from django_vzaps.models import Operation, OperationOutcome

#: Ways into an action: sets of permissions of this app, each of which suffices.
Ways = Sequence[tuple[str, ...]]


class APIViewSet(GenericViewSet[Any]):
    """A view of the API. ``needs`` says by action who may; what is not named there is closed.

    ``bodies`` and ``queries`` say by action what is taken; where nothing is said, nothing is.
    """

    needs: ClassVar[Mapping[str, Ways]] = {}
    throttles: ClassVar[Mapping[str, Sequence[type[BaseThrottle]]]] = {}
    bodies: ClassVar[Mapping[str, type[StrictSerializer]]] = {}
    queries: ClassVar[Mapping[str, type[StrictSerializer]]] = {}
    renderer_classes = (JSONRenderer,)
    parser_classes = (JSONParser,)
    permission_classes = (HasNamedPermissions,)
    metadata_class = None
    pagination_class: type[BasePagination] | None = None
    filter_backends = ()
    request: Request

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """The view, in no transaction also under ``ATOMIC_REQUESTS``: services record a change before it is made."""
        return transaction.non_atomic_requests(super().as_view(actions, **initkwargs))

    def get_exception_handler(self) -> Callable[[Exception, Any], Response]:
        """Problem details, whatever the project answers elsewhere."""
        return problems.answer

    def handle_exception(self, exc: Exception) -> Response:
        """A change whose outcome is not known is no error: 202, with the operation to follow."""
        if isinstance(exc, services.OutcomeUnknown) and exc.operation is not None:
            return self.outcome(exc.operation)
        return super().handle_exception(exc)

    def get_throttles(self) -> list[BaseThrottle]:
        """Those of the project, and those of the action."""
        return [*super().get_throttles(), *(throttle() for throttle in self.throttles.get(self.action, ()))]

    @property
    def default_response_headers(self) -> dict[str, str]:
        """What is answered is one user's, and is old the next moment."""
        return {**super().default_response_headers, "Cache-Control": "no-store"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After who may: what is asked by names that mean nothing here is an error."""
        super().initial(request, *args, **kwargs)
        if self.action in (None, "metadata"):
            return
        known = self.known_query()
        if unknown := [name for name in request.query_params if name not in known]:
            expected = ", ".join(sorted(known)) or _("nothing")
            words = _("There is no such parameter. Known here: %(names)s.") % {"names": expected}
            raise InvalidQuery({name: [words] for name in unknown})
        if repeated := [name for name, values in request.query_params.lists() if len(values) > 1]:
            words = _("Give one value.")
            raise InvalidQuery({name: [words] for name in repeated})

    def known_query(self) -> set[str]:
        """The names that may stand in the query string."""
        serializer = self.queries.get(self.action)
        return set(serializer().fields) if serializer is not None else set()

    @property
    def actor(self) -> AbstractBaseUser:
        """Who asks."""
        return cast("AbstractBaseUser", self.request.user)

    def query(self) -> dict[str, Any]:
        """What stands in the query string, of the action's shape."""
        given = self.request.query_params.dict()
        serializer = self.queries[self.action](data=given, context=self.get_serializer_context())
        if not serializer.is_valid():
            raise InvalidQuery(serializer.errors)
        return cast("dict[str, Any]", serializer.validated_data)

    def body(self, instance: Any = None, *, partial: bool = False) -> dict[str, Any]:
        """What stands in the body, of the action's shape."""
        serializer = self.body_serializer(instance, partial=partial)
        serializer.is_valid(raise_exception=True)
        return cast("dict[str, Any]", serializer.validated_data)

    def body_serializer(self, instance: Any = None, *, partial: bool = False) -> BaseSerializer[Any]:
        """The action's shape, with the body in it."""
        shape = self.bodies.get(self.action, NothingSerializer)
        context = {**self.get_serializer_context(), "is_json": True}
        return shape(instance, data=self.request.data, partial=partial, context=context)

    def shown(self, serializer: type[BaseSerializer[Any]], row: Any, *, status: int = 200) -> Response:
        """``row`` in this shape."""
        return Response(serializer(row, context=self.get_serializer_context()).data, status=status)

    def listed(self, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
        """A page of ``rows`` in this shape."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer(page, many=True, context=self.get_serializer_context()).data)

    def changed(
        self, change: Callable[..., Operation], *, succeeded: Callable[[Operation], Response] | None = None
    ) -> Response:
        """Make a change under the request's idempotency key, and show what became of it.

        200 where it is done, or what ``succeeded`` says; 202 where that is not known yet, with the operation to follow.
        Whatever is asked again under the same key gets the first one's operation.
        """
        return self.outcome(change(actor=self.actor, idempotency_key=key_of(self.request)), succeeded=succeeded)

    def outcome(self, operation: Operation, *, succeeded: Callable[[Operation], Response] | None = None) -> Response:
        """What became of an operation: see :meth:`changed`. Raises :class:`Problem` where it failed."""
        if operation.outcome == OperationOutcome.FAILED:
            raise Problem(
                "operation-failed",
                _("%(why)s Nothing was sent again: ask under another key to try once more.") % {"why": operation.error},
                operation=operation,
            )
        if operation.outcome != OperationOutcome.SUCCEEDED or operation.is_open:
            response = self.shown(OperationSerializer, operation, status=202)
            response["Location"] = link(self.request, "operation", operation.pk)
            return response
        return self.shown(OperationSerializer, operation) if succeeded is None else succeeded(operation)


class ListViewSet(APIViewSet):
    """A view with lists: ``filters`` says by action what they are filtered by; None where by nothing."""

    filters: ClassVar[Mapping[str, Any]] = {}

    def known_query(self) -> set[str]:
        """With the names of filters and pages."""
        known = super().known_query()
        if self.action in self.filters:
            known |= getattr(self.paginator, "names", set())
            if (filterset := self.filters[self.action]) is not None:
                known |= set(filterset.base_filters)
        return known

    def filtered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those that are asked for. Raises :class:`InvalidQuery`."""
        names = self.filters[self.action].base_filters
        if empty := [name for name in names if self.request.query_params.get(name) == ""]:
            # It would find every row, where a program had nothing to put there.
            words = _("Give a value, or leave it out.")
            raise InvalidQuery({name: [words] for name in empty})
        filterset = self.filters[self.action](self.request.query_params, queryset=rows, request=self.request)
        if not filterset.is_valid():
            raise InvalidQuery({name: list(words) for name, words in filterset.errors.items()})
        return cast("QuerySet[Any]", filterset.qs)
