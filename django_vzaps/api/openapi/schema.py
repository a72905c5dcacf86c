"""The views as drf-spectacular asks for them: read off the views, and put into words by this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import uritemplate
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, append_meta
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse
from rest_framework import serializers

from django_vzaps.api.openapi import (
    accounts,
    alerts,
    batches,
    billing,
    events,
    health,
    instances,
    operations,
    parameters,
    problems,
    session,
    shapes,
    webhook,
)
from django_vzaps.api.openapi.described import Answer, Described
from django_vzaps.api.pagination import Pages
from django_vzaps.api.problems import MEDIA_TYPE
from django_vzaps.api.serializers.accounts import AccountSerializer
from django_vzaps.api.serializers.batches import StartBatchSerializer
from django_vzaps.api.serializers.fields import NothingSerializer
from django_vzaps.api.serializers.operations import OperationSerializer
from django_vzaps.api.views.base import APIViewSet

_PREFIX: Final = "VZaps"
_JSON: Final = "application/json"
_ALL: Final = {
    view: actions
    for module in (accounts, alerts, batches, billing, events, health, instances, operations, session, webhook)
    for view, actions in module.DESCRIBED.items()
}
_ROOMS: Final[Mapping[str, str]] = {"delivery": "deliveries", "batch": "batches", "health": "health"}


class Schema(AutoSchema):
    """Describes the API's views. Its components begin with ``VZaps``: they meet those of the project."""

    view: APIViewSet  # type: ignore[assignment, override, unused-ignore]

    @property
    def described(self) -> Described:
        """The operation in words."""
        found: Described = _ALL[type(self.view)][self.view.action]
        return found

    def get_operation_id(self) -> str:
        """The same wherever the API is mounted."""
        return f"vzaps_{self._room}_{self.view.action}"

    def get_tags(self) -> list[str]:
        """Its resource."""
        return [f"VZaps: {self._room}"]

    def get_summary(self) -> str:
        """In a few words."""
        return self.described.summary

    def get_description(self) -> str:  # type: ignore[override]
        """With who may."""
        ways = " or ".join(
            " and ".join(f"`django_vzaps.{name}`" for name in way) for way in self.view.needs[self.view.action]
        )
        return f"{self.described.description}\n\nPermissions: {ways}."

    def get_override_parameters(self) -> list[Any]:
        """All of them, and the headers of the answers."""
        action = self.view.action
        found = [*parameters.in_path(uritemplate.variables(self.path))]
        if (query := self.view.queries.get(action)) is not None:
            found += parameters.of_serializer(self._map_serializer(query(), "request"))
        if (filterset := getattr(self.view, "filters", {}).get(action)) is not None:
            found += parameters.of_filters(filterset)
        if self._is_paged:
            found += parameters.of_pages(self.view.pagination_class)
        if self.described.takes_key:
            found.append(parameters.key())
        return [*found, *self._headers()]

    def get_filter_backends(self) -> list[Any]:
        """None: the views filter by themselves."""
        return []

    def get_request_serializer(self) -> Any:
        """The action's shape."""
        shape = self.view.bodies.get(self.view.action, NothingSerializer)
        examples = [OpenApiExample(name, value=value) for name, value in self.described.bodies.items()]
        return {_JSON: OpenApiRequest(shape, examples=examples)}

    def get_response_serializers(self) -> Any:
        """Successes and problems, by status."""
        found: dict[tuple[str, str], OpenApiResponse] = {}
        for status, answer in self.described.answers.items():
            found[str(status), _JSON] = self._success(answer)
        for status, kinds in problems.by_status(self._problems()).items():
            examples = [OpenApiExample(kind, value=problems.example(kind), media_type=MEDIA_TYPE) for kind in kinds]
            # One shape for all of them: a client that is generated from this has one class to catch.
            found[str(status), MEDIA_TYPE] = OpenApiResponse(
                self._problem().ref, description=problems.in_words(kinds), examples=examples
            )
        return found

    @property
    def _room(self) -> str:
        name = type(self.view).__name__.removesuffix("ViewSet").lower()
        return _ROOMS.get(name, f"{name}s")

    @property
    def _is_paged(self) -> bool:
        return any(answer.is_page for answer in self.described.answers.values())

    def _problems(self) -> frozenset[str]:
        kinds = problems.EVERYWHERE | self.described.problems
        if self.method in ("POST", "PATCH"):
            kinds |= problems.WITH_BODY
        if uritemplate.variables(self.path) or self._is_paged:
            kinds |= {"not-found"}
        return kinds

    def _headers(self) -> list[OpenApiParameter]:
        found = [
            OpenApiParameter(
                "Location",
                {"type": "string", "format": "uri"},
                OpenApiParameter.HEADER,
                description=f"The address of {answer.location}.",
                required=True,
                response=[status],
            )
            for status, answer in self.described.answers.items()
            if answer.location
        ]
        wait = OpenApiParameter(
            "Retry-After",
            {"type": "string", "pattern": "^[0-9]+$"},
            OpenApiParameter.HEADER,
            description="In so many seconds it may be asked again, where that is known.",
            response=[429],
        )
        return [*found, wait]

    def _success(self, answer: Answer) -> OpenApiResponse:
        if answer.shape is None:
            return OpenApiResponse(None, description=answer.means)
        schema, value = self.resolve_serializer(answer.shape, "response").ref, answer.example
        if answer.is_page:
            schema, value = self._page(answer.shape, schema).ref, self._page_example(value)
        return OpenApiResponse(schema, description=answer.means, examples=[OpenApiExample("For example", value=value)])

    def _page(self, shape: Any, schema: dict[str, Any]) -> ResolvedComponent:
        link = shapes.nullable({"type": "string", "format": "uri"})
        properties = {"next": link, "previous": link, "results": {"type": "array", "items": schema}}
        if self._has_count:
            properties = {"count": {"type": "integer", "minimum": 0}, **properties}
        page = {"type": "object", "properties": properties, "required": list(properties)}
        return self._component(f"{shape.__name__.removesuffix('Serializer')}Page", page)

    @property
    def _has_count(self) -> bool:
        return self.view.pagination_class is Pages

    def _page_example(self, value: Any) -> Any:
        return ({"count": 1} if self._has_count else {}) | {"next": None, "previous": None, "results": [value]}

    def _problem(self) -> ResolvedComponent:
        operation = self.resolve_serializer(OperationSerializer, "response").ref
        return self._component("Problem", problems.problem_schema(operation, shapes.nullable))

    def _component(self, name: str, schema: dict[str, Any]) -> ResolvedComponent:
        component = ResolvedComponent(f"{_PREFIX}{name}", ResolvedComponent.SCHEMA, schema, object=name)
        self.registry.register_on_missing(component)
        return component

    # What follows is how drf-spectacular looks at shapes; it has no other place to say this for some views only.

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # pages are shapes of their own here

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:
        name: str = super()._get_serializer_name(serializer, direction, bypass_extensions)
        name = name.removeprefix(_PREFIX)  # of a list, which is named for its rows
        is_both = any(field.read_only for field in serializer.fields.values()) if direction == "request" else False
        if is_both and not spectacular_settings.COMPONENT_SPLIT_REQUEST:
            name += "Request"
        return _PREFIX + name

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        meta = self._get_serializer_field_meta(field, direction)
        if (closed := shapes.closed(field)) is not None:
            enum = self._component(closed.name, {"type": "string", "enum": list(closed.values)})
            if isinstance(field, serializers.ListField):
                return append_meta({"type": "array", "items": enum.ref}, meta)
            return append_meta(enum.ref, meta)
        if (known := shapes.known(field)) is not None:
            # What may be anything may be null.
            return append_meta(known, meta if "type" in known else {**meta, "nullable": False})
        return super()._map_serializer_field(field, direction, bypass_extensions)

    def _postprocess_serializer_schema(self, schema: Any, serializer: Any, direction: Any) -> Any:
        found = super()._postprocess_serializer_schema(schema, serializer, direction)
        shape = shapes.one_way(cast("dict[str, Any]", found), serializer, direction)
        if isinstance(serializer, AccountSerializer) and direction == "request" and not serializer.partial:
            shape["required"] = ["name", "client_token", "client_secret"]
        if isinstance(serializer, StartBatchSerializer):
            variants = {
                kind: self._component(f"StartBatch{name}", each).ref for kind, name, each in shapes.by_kind(shape)
            }
            return {
                "required": ["kind"],
                "oneOf": list(variants.values()),
                "discriminator": {
                    "propertyName": "kind",
                    "mapping": {kind: ref["$ref"] for kind, ref in variants.items()},
                },
            }
        return shape
