from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_vzaps.models import Account, Instance
from django_vzaps.models.fields import storable


@given(st.text(st.characters(codec=None)), st.none() | st.integers(0, 20))
def test_what_can_be_stored_stays_and_the_rest_is_replaced_in_its_place(text: str, length: int | None) -> None:
    clean = storable(text, length)

    clean.encode("utf-8")
    assert "\x00" not in clean
    assert len(clean) == (len(text) if length is None else min(len(text), length))
    assert storable(clean, length) == clean
    for before, after in zip(text, clean, strict=False):
        assert after == before or before == "\x00" or "\ud800" <= before <= "\udfff"


@pytest.mark.parametrize(("given_value", "text"), [(None, ""), ("", ""), (5, "5"), (True, "True"), (["a"], "['a']")])
def test_anything_becomes_text(given_value: Any, text: str) -> None:
    assert storable(given_value) == text


@pytest.mark.django_db
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=st.text(st.characters(codec=None), max_size=300))
def test_every_database_takes_it(account: Account, text: str) -> None:
    clean = storable(text, 255)
    row = Instance.objects.create(account=account, vzaps_id="VZ1", name=clean)

    row.refresh_from_db()
    assert row.name == clean
    row.delete()
