"""The header by which a program says that it asks for the same thing again."""

from __future__ import annotations

import re
import uuid
from hashlib import sha256
from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework.request import Request

from django_vzaps.api.problems import InvalidHeader

HEADER: Final = "Idempotency-Key"
#: With what is put before it, it has to fit into a column.
PATTERN: Final = r"^[\x21-\x7e]{1,150}$"
_LONGEST: Final = 64
_BATCHES: Final = uuid.UUID("5c4a7f9e-9f3b-4f55-8f43-0a2f3f6a2c11")


def key_of(request: Request) -> str | None:
    """The key that the request gives, as an operation has it; None where it gives none.

    Keys are each user's own: two who choose the same one do not meet. Raises :class:`InvalidHeader`.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not re.fullmatch(PATTERN, given):
        raise InvalidHeader({HEADER: [_("Give 1 to 150 printable ASCII characters without spaces, such as a UUID.")]})
    return f"api:{_name_of(request.user)}:{given}"


def _name_of(user: Any) -> str:
    """The user's primary key, where that ends where the key begins and leaves it room; else what stands for it."""
    name = str(user.pk)
    return name if len(name) <= _LONGEST and ":" not in name else sha256(name.encode()).hexdigest()


def batch_id_of(request: Request) -> uuid.UUID | None:
    """The id of the batch that the request's key stands for, or None where it gives none."""
    key = key_of(request)
    return None if key is None else uuid.uuid5(_BATCHES, key)
