"""Fields that several shapes have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, NoReturn

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from django_vzaps.api.links import link

#: No white space and no NUL, as a class of characters that is the same one in Python and in JSON Schema.
PLAIN = r"[^\s\x00\x1c-\x1f\x85\ufeff]"
#: What is wrong with a text that begins or ends with something else than that.
NOT_PLAIN: dict[str, Any] = {"invalid": gettext_lazy("Give a text that neither begins nor ends with white space.")}


class UTCDateTimeField(serializers.DateTimeField):
    """ISO 8601 in UTC, whatever the site's time zone is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True, "allow_null": True, **kwargs})

    def to_representation(self, value: datetime) -> str:
        """For example ``2026-11-25T12:00:00.123456Z``."""
        aware = value if timezone.is_aware(value) else timezone.make_aware(value)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


class KnownTextField(serializers.CharField):
    """A text that may not be known: null, and not empty, then."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True, "allow_null": True, **kwargs})

    def to_representation(self, value: Any) -> Any:
        """The text, or None."""
        return str(value) if value not in (None, "") else None


class OneOfField(serializers.ChoiceField):
    """One of a few words; whoever gives another one is told which there are."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid_choice": gettext_lazy("“{input}” is none of: {choices}.")
    }

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        """Raise ``ValidationError``, with the words."""
        super().fail(key, choices=", ".join(str(choice) for choice in self.choices), **kwargs)


class LinkField(serializers.URLField):
    """The address of what is shown; ``of`` gives the arguments of its route, None where there is nothing."""

    def __init__(self, name: str, of: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**{"read_only": True, "source": "*", **kwargs})
        self.name, self.of = name, of

    def to_representation(self, value: Any) -> Any:
        """The absolute URL, or None; also for an id with a slash in it, which no URL can hold."""
        argument = self.of(value)
        if argument is None or "/" in str(argument):
            return None
        return link(self.context["request"], self.name, argument)


class UsernameField(serializers.CharField):
    """A user, by the name they log in with; null for nobody, or for the system."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True, "allow_null": True, **kwargs})

    def to_representation(self, value: Model) -> str:  # type: ignore[override]
        """The name."""
        return str(value.get_username())  # type: ignore[attr-defined]


#: What a field takes of JSON, and the error of which it has the words for all else.
_JSON_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.BooleanField, bool, "invalid"),
    (serializers.IntegerField, int, "invalid"),
    (serializers.PrimaryKeyRelatedField, int, "incorrect_type"),
    (serializers.CharField, str, "invalid"),
)


class StrictSerializer(serializers.Serializer[Any]):
    """What is not known is an error that names it, and not silently left out.

    With ``is_json`` in its context, a value has the type that JSON has for it: 1 is not true, and "1" is not 1.
    """

    def to_internal_value(self, data: Any) -> Any:
        """The values. Raises ``ValidationError``."""
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = [str(name) for name in data if name not in known]
            if unknown:
                expected = ", ".join(sorted(known)) or _("nothing")
                words = _("There is no such field. Known here: %(names)s.") % {"names": expected}
                raise serializers.ValidationError({name: [words] for name in unknown})
            if self.context.get("is_json"):
                self._refuse_other_types(data)
        return super().to_internal_value(data)

    def _refuse_other_types(self, data: Mapping[Any, Any]) -> None:
        problems: dict[str, Any] = {}
        for name, field in self.fields.items():
            value = data.get(name)
            if isinstance(field, serializers.ListField) and isinstance(value, list):
                words = {number: _other_type(field.child, item) for number, item in enumerate(value)}
                if wrong := {str(number): [word] for number, word in words.items() if word}:
                    problems[name] = wrong
            elif word := _other_type(field, value):
                problems[name] = [word]
        if problems:
            raise serializers.ValidationError(problems)


def _other_type(field: Any, value: Any) -> str:
    """What is wrong with the type of ``value``; empty where nothing is, or where the field says it itself."""
    if value is None:
        return ""
    for kind, wanted, code in _JSON_TYPES:
        if isinstance(field, kind):
            if wanted is int:
                # True is an int in Python, and 1.0 is one in JSON.
                is_right = not isinstance(value, bool) and isinstance(value, int | float) and value == value // 1
            else:
                is_right = isinstance(value, wanted)
            return "" if is_right else str(field.error_messages[code]).format(data_type=type(value).__name__)
    return ""


class NothingSerializer(StrictSerializer):
    """A body in which nothing is expected."""
