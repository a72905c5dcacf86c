from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.core import serializers
from django.db.models import F
from django.forms import modelform_factory
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_vzaps.models import Account, Instance, Operation, Webhook
from django_vzaps.secret import MASK, Secret

pytestmark = pytest.mark.django_db


def by_save(instance: Instance, data: Any) -> None:
    instance.data = data
    instance.save()


def by_update(instance: Instance, data: Any) -> None:
    Instance.objects.filter(pk=instance.pk).update(data=data)


def by_bulk_update(instance: Instance, data: Any) -> None:
    instance.data = data
    Instance.objects.bulk_update([instance], ["data", "labels", "profile"])


def read(instance: Instance) -> Any:
    return Instance.objects.get(pk=instance.pk).data


EVERY_WAY = [by_save, by_update, by_bulk_update]

# What the JSON columns of one database or another refuse.
HOSTILE = [
    {"nul": "a\x00b"},
    {"a\x00b": 1},
    {"surrogate": "\ud800"},
    {"emoji": "👍🏽", "quote": "'\"\\", "percent": "%s %(a)s"},
    {"huge": 10**400},
    {"infinite": math.inf, "minus": -math.inf},
    {"big text": "x" * 100_000},
    [],
    {},
    [[[1]]],
    0,
    False,
    "",
    "text",
    '{"looks": "like JSON"}',
]


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize("data", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
def test_any_json_comes_back_as_it_was(instance: Instance, way: Callable[[Instance, Any], None], data: Any) -> None:
    way(instance, data)

    found = read(instance)
    assert found == data
    assert type(found) is type(data)


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_depth_of_hundreds_is_stored(instance: Instance, way: Callable[[Instance, Any], None]) -> None:
    data: Any = 1
    for _ in range(300):
        data = {"a": [data]}

    way(instance, data)

    assert read(instance) == data


def test_not_a_number_is_stored(instance: Instance) -> None:
    by_save(instance, {"a": math.nan})

    assert math.isnan(read(instance)["a"])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=4),
    max_leaves=15,
)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=_JSON.filter(lambda data: data is not None))
def test_hypothesis_finds_no_json_that_changes(instance: Instance, data: Any) -> None:
    by_bulk_update(instance, data)

    assert read(instance) == data


def test_null_is_null_in_the_database(instance: Instance) -> None:
    webhook = Webhook.objects.create(instance=instance)
    assert Webhook.objects.filter(desired_events__isnull=True).get() == webhook

    Webhook.objects.update(desired_events=["Message"])
    assert Webhook.objects.get().desired_events == ["Message"]

    webhook.desired_events = None
    Webhook.objects.bulk_update([webhook], ["desired_events"])
    assert Webhook.objects.get().desired_events is None
    assert Webhook.objects.filter(desired_events__isnull=True).exists()


def test_a_column_can_be_copied(instance: Instance) -> None:
    by_save(instance, {"a": 1})

    Instance.objects.update(labels=F("data"))

    assert Instance.objects.get().labels == {"a": 1}


def test_what_is_no_json_is_stored_as_its_text_and_a_secret_as_a_mask(instance: Instance) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    by_save(instance, {"at": moment, "id": UUID(int=1), "token": Secret("planted-secret-value")})

    assert read(instance) == {"at": str(moment), "id": str(UUID(int=1)), "token": MASK}


def test_each_row_has_its_own_default() -> None:
    first, second = Instance(), Instance()
    first.labels["team"] = "sales"

    assert second.labels == {}


def test_deferred_json_is_decoded_when_it_is_read(instance: Instance) -> None:
    by_save(instance, {"a": 1})

    assert Instance.objects.defer("data").get().data == {"a": 1}
    assert Instance.objects.only("data").get().data == {"a": 1}
    assert Instance.objects.values_list("data", flat=True).get() == {"a": 1}


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_fixtures_carry_it_whole(instance: Instance, kind: str) -> None:
    data = {"text": "123", "nested": [None, {"emoji": "👍", "surrogate": "\ud800", "nul": "\x00"}]}
    by_save(instance, data)
    Instance.objects.update(labels="123", profile=["only"])
    Webhook.objects.create(instance=instance, desired_events=None)

    text = serializers.serialize(kind, [*Account.objects.all(), *Instance.objects.all(), *Webhook.objects.all()])
    Instance.objects.all().delete()
    for loaded in serializers.deserialize(kind, text):
        loaded.save()

    found = Instance.objects.get()
    assert found.data == data
    assert found.labels == "123"
    assert found.profile == ["only"]
    assert Webhook.objects.get().desired_events is None


def test_full_clean_changes_nothing(instance: Instance) -> None:
    values: list[Any] = [{"a": 1}, [], {}, "123", "text"]
    for data in values:
        instance.data = data
        instance.full_clean()
        assert instance.data == data


def test_a_form_shows_and_takes_json(instance: Instance) -> None:
    Instance.objects.update(labels={"team": 'it\'s "sales"'})
    instance.refresh_from_db()
    labels_form = modelform_factory(Instance, fields=["labels"])

    shown = labels_form(instance=instance)["labels"].value()
    labels_form({"labels": shown}, instance=instance).save()

    assert Instance.objects.get().labels == {"team": 'it\'s "sales"'}
    assert "labels" in labels_form({"labels": "{'no': 'json'}"}, instance=instance).errors


def test_a_word_in_it_can_be_searched(instance: Instance) -> None:
    Instance.objects.update(labels={"team": "sales"})

    assert Instance.objects.filter(labels__contains='"sales"').get() == instance


def test_an_operation_keeps_what_it_was_asked(account: Account) -> None:
    operation = Operation.objects.create(
        kind="instance.create", account=account, deadline=datetime(2026, 1, 1, tzinfo=UTC), parameters={"name": "\x00"}
    )

    found = Operation.objects.get(pk=operation.pk)
    assert (found.parameters, found.baseline, found.answer) == ({"name": "\x00"}, {}, None)
    assert json.loads(json.dumps(found.parameters)) == found.parameters
