"""Columns that the three databases treat alike."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone

from django_vzaps.crypto import EncryptedSecret, encrypt
from django_vzaps.secret import Secret

if TYPE_CHECKING:
    _EncryptedBase = models.TextField[Secret | str | None, Secret | None]
    _JSONBase = models.TextField[Any, Any]
    _CharBase = models.CharField[str | None, str | None]
    _ExactBase = models.CharField[str, str]
else:
    _EncryptedBase = _JSONBase = models.TextField
    _CharBase = _ExactBase = models.CharField

_DUMPED: Final = "encrypted:"


def storable(text: object, max_length: int | None = None) -> str:
    """``text`` as every database takes it: NUL and lone surrogates replaced, cut to ``max_length`` characters."""
    if text is None:
        return ""
    clean = str(text)
    if "\x00" in clean:
        clean = clean.replace("\x00", "\ufffd")
    if not clean.isascii():
        clean = clean.encode("utf-8", "replace").decode("utf-8")
    return clean if max_length is None else clean[:max_length]


def storable_moment(moment: datetime | None) -> datetime | None:
    """An aware time as a column takes it: naive, in the site's time zone, where ``USE_TZ`` is off."""
    return timezone.make_naive(moment) if moment is not None and not settings.USE_TZ else moment


class _SecretAttribute(DeferredAttribute):
    """Wraps a text as soon as it is assigned, so that it is masked before it is saved as well."""

    field: EncryptedTextField

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = self.field.wrapped(value)


class EncryptedTextField(_EncryptedBase):
    """A text that is encrypted in the database and a :class:`~django_vzaps.secret.Secret` in Python.

    It is decrypted when it is revealed. It cannot be filtered on: the same text is encrypted differently each time.
    Fixtures carry it encrypted.
    """

    descriptor_class = _SecretAttribute

    def from_db_value(
        self, value: str | None, expression: Expression, connection: BaseDatabaseWrapper
    ) -> Secret | None:
        return EncryptedSecret(value) if value else None

    def wrapped(self, value: Any) -> Any:
        """``value`` as a model has it: a secret, None where it is empty, or an expression. Raises ``TypeError``."""
        if value is None or hasattr(value, "resolve_expression"):
            return value
        if isinstance(value, str):
            value = Secret(value)
        if not isinstance(value, Secret):
            # A number or bytes would be stored as they are: unencrypted.
            raise TypeError(f"{self.name} takes a text or a Secret, not {type(value).__name__}.")
        return value or None

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_DUMPED):
            return EncryptedSecret(value.removeprefix(_DUMPED))
        return self.wrapped(value)

    def get_prep_value(self, value: Any) -> Any:
        value = self.wrapped(value)
        if isinstance(value, EncryptedSecret):
            return value.ciphertext
        return encrypt(value.reveal()) if isinstance(value, Secret) else value

    def value_to_string(self, obj: models.Model) -> str:
        stored = self.get_prep_value(self.value_from_object(obj))
        return f"{_DUMPED}{stored}" if stored else ""

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and can only be filtered with isnull, not with {lookup_name}.")
        return super().get_lookup(lookup_name)


class JSONTextField(_JSONBase):
    """JSON kept as text.

    The JSON columns of PostgreSQL, MariaDB and SQLite each refuse other values (NUL, lone surrogates, huge numbers,
    depth); an answer from outside must not fail to be stored for that. It cannot be queried inside.
    """

    if TYPE_CHECKING:
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, expression: Expression, connection: BaseDatabaseWrapper) -> Any:
        return None if value is None else json.loads(value)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.JSONField, **kwargs})

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        # Without to_python, which is for fixtures: what a model has is decoded already.
        self.validate(value, model_instance)
        self.run_validators(value)
        return value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return value
        return value

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None or hasattr(value, "resolve_expression") else json.dumps(value, default=str)

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj), default=str)


class _ExactCollation:
    """MariaDB compares texts without case and trailing spaces, also by ``utf8mb4_bin``; identifiers differ by both."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)  # type: ignore[misc]
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_nopad_bin"
        return parameters


class ExactCharField(_ExactCollation, _ExactBase):
    """An identifier of another system: compared to the letter on every database."""


class NullableExactCharField(_ExactCollation, _CharBase):
    """As :class:`ExactCharField`, where null means that there is none."""
