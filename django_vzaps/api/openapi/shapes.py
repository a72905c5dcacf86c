"""What cannot be read off a field or a serializer by its type alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.plumbing import append_meta
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from django_vzaps.api.openapi.sets import COUNTED, Closed, set_of
from django_vzaps.api.serializers.batches import PARAMETERS
from django_vzaps.api.serializers.changes import ValueField
from django_vzaps.api.serializers.fields import StrictSerializer
from django_vzaps.api.serializers.health import HealthSerializer
from django_vzaps.api.serializers.instances import LabelsField, WebhookSerializer, WebhookSideSerializer
from django_vzaps.api.serializers.operations import RememberedMomentField
from django_vzaps.api.serializers.pairing import PhoneField
from django_vzaps.models import BatchKind

#: 8 to 15 digits in any usual way of writing. Two zeros for the plus are taken too, and not recommended.
_PHONE = r"^[+(]{0,2}[1-9](?:[ ().\-/]?[0-9]){7,14}$"
_OBJECTS = frozenset({"labels", "parameters", "profile"})

for method in (WebhookSerializer.get_desired, WebhookSerializer.get_actual):
    extend_schema_field(WebhookSideSerializer(allow_null=True))(method)


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, or null: as the version of OpenAPI that the project has chosen says it."""
    found: dict[str, Any] = append_meta(schema, {"nullable": True})
    return found


def closed(field: Any) -> Closed | None:
    """The set of the field's values; of a list's, where it is one."""
    return None if field.parent is None else set_of(field.parent, str(field.field_name))


def known(field: Any) -> dict[str, Any] | None:
    """The schema of a field whose type says too little."""
    match field:
        case RememberedMomentField():
            return {"type": "string", "format": "date-time"}
        case PhoneField():
            return {"type": "string", "pattern": _PHONE, "maxLength": 32}
        case serializers.PrimaryKeyRelatedField():
            return {"type": "integer", "format": "int64", "minimum": 1}
        case LabelsField():
            return {"type": "object", "additionalProperties": True}
        case serializers.DictField() if isinstance(field.parent, HealthSerializer):
            names = COUNTED[str(field.field_name)]
            counts = {name: {"type": "integer", "minimum": 0} for name in names}
            return {"type": "object", "properties": counts, "required": list(names)}
        case serializers.JSONField() if field.field_name in _OBJECTS:
            return {"type": "object", "additionalProperties": True}
        case ValueField():
            return {"description": "What it was, or became: a text, true or false, a list or an object; may be null."}
        case serializers.JSONField() if field.field_name == "answer":
            return {"description": "What VZaps answered, without secrets; null where it did not."}
        case serializers.SerializerMethodField() if field.field_name == "payload":
            return {"description": "Any JSON; null once it was erased."}
    return None


def by_kind(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What starts a batch, by its kind: each kind, what to call its shape, and the shape."""
    for kind in BatchKind:
        about = "accounts" if kind == BatchKind.SYNC_ACCOUNT else "instances"
        names = ("kind", about, *PARAMETERS.get(kind, ()))
        is_3_0 = spectacular_settings.OAS_VERSION.startswith("3.0")
        only = {"pattern": f"^{kind.value}$"} if is_3_0 else {"const": kind.value}
        properties = {name: schema["properties"][name] for name in names} | {"kind": {"type": "string", **only}}
        yield (
            kind.value,
            "".join(kind.value.title().split("_")),
            schema
            | {
                "properties": properties,
                "required": ["kind", about],
            },
        )


def one_way(schema: dict[str, Any], serializer: Any, direction: str) -> dict[str, Any]:
    """Without what goes the other way, whatever the project's settings; what is taken takes nothing else."""
    properties = schema.get("properties", {})
    hidden = "readOnly" if direction == "request" else "writeOnly"
    shown = {name: field for name, field in properties.items() if not field.get(hidden)}
    found = {
        **schema,
        "properties": {
            name: {key: value for key, value in field.items() if key not in ("readOnly", "writeOnly")}
            for name, field in shown.items()
        },
        "required": [name for name in schema.get("required", []) if name in shown],
    }
    if direction == "request" and isinstance(serializer, StrictSerializer):
        found["additionalProperties"] = False
    return {key: value for key, value in found.items() if value not in ([], {})}
