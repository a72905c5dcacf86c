from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, QuerySet, Value, When
from django.forms import model_to_dict, modelform_factory
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from rest_framework.serializers import ModelSerializer

from django_vzaps.crypto import DecryptionError, EncryptedSecret, encrypt
from django_vzaps.models import Account, Instance
from django_vzaps.secret import MASK, Secret

pytestmark = pytest.mark.django_db

PLANTED = "planted-secret-value"


def stored(instance: Instance) -> str | None:
    """What the column holds."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT token FROM {Instance._meta.db_table} WHERE id = %s", [instance.pk])  # noqa: S608
        found: str | None = cursor.fetchone()[0]
    return found


def revealed(instance: Instance) -> str | None:
    token = Instance.objects.get(pk=instance.pk).token
    return None if token is None else token.reveal()


def set_by_save(instance: Instance, token: Any) -> None:
    instance.token = token
    instance.save()


def set_by_update(instance: Instance, token: Any) -> None:
    Instance.objects.filter(pk=instance.pk).update(token=token)


def set_by_bulk_update(instance: Instance, token: Any) -> None:
    instance.token = token
    Instance.objects.bulk_update([instance], ["token", "name"])


def set_by_bulk_create(instance: Instance, token: Any) -> None:
    instance.token = token
    Instance.objects.bulk_create([instance], update_conflicts=True, update_fields=["token"], **_conflict("pk"))


def set_by_update_or_create(instance: Instance, token: Any) -> None:
    Instance.objects.update_or_create(vzaps_id=instance.vzaps_id, defaults={"token": token})


def _conflict(field: str) -> Any:
    named = connection.features.supports_update_conflicts_with_target
    return {"unique_fields": [field]} if named else {}


EVERY_WAY = [set_by_save, set_by_update, set_by_bulk_update, set_by_bulk_create, set_by_update_or_create]


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize("token", [PLANTED, Secret(PLANTED)])
def test_however_it_is_written_it_is_encrypted(
    instance: Instance, way: Callable[[Instance, Any], None], token: Any
) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        way(instance, token)

    assert PLANTED not in str(queries.captured_queries)
    assert PLANTED not in str(stored(instance))
    assert revealed(instance) == PLANTED


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize("nothing", [None, "", Secret("")])
def test_an_empty_text_is_no_secret(instance: Instance, way: Callable[[Instance, Any], None], nothing: Any) -> None:
    set_by_save(instance, PLANTED)

    way(instance, nothing)

    assert stored(instance) is None
    assert Instance.objects.get().token is None


@pytest.mark.parametrize("wrong", [5, 1.5, True, b"planted-secret-value", ["planted"], object()])
@pytest.mark.parametrize("way", EVERY_WAY)
def test_what_is_no_text_is_refused_rather_than_stored_unencrypted(
    instance: Instance, way: Callable[[Instance, Any], None], wrong: Any
) -> None:
    with pytest.raises(TypeError, match="token takes a text or a Secret, not") as caught, transaction.atomic():
        way(instance, wrong)

    assert "planted" not in str(caught.value)
    assert stored(instance) is None


def test_saving_a_row_does_not_open_or_renew_its_secret(instance: Instance) -> None:
    set_by_save(instance, PLANTED)
    before = stored(instance)

    found = Instance.objects.get()
    found.name = "Renamed"
    with override_settings(VZAPS={}):
        found.save()
        Instance.objects.bulk_update([found], ["token", "name"])

    assert stored(instance) == before


def test_many_rows_are_written_at_once(account: Account) -> None:
    rows = [Instance(account=account, vzaps_id=f"VZ{n}", token=f"{PLANTED}-{n}" if n % 3 else None) for n in range(30)]
    Instance.objects.bulk_create(rows)
    for row in rows[::2]:
        row.token = "another"
    Instance.objects.bulk_update(rows, ["token"], batch_size=7)

    found = {row.vzaps_id: row.token.reveal() if row.token else None for row in Instance.objects.all()}
    assert found["VZ0"] == "another"
    assert found["VZ1"] == f"{PLANTED}-1"
    assert found["VZ3"] is None
    assert len(found) == 30


def test_a_text_is_hidden_from_the_moment_it_is_assigned() -> None:
    instance = Instance(token=PLANTED)

    assert isinstance(instance.token, Secret)
    instance.token = f"{PLANTED}-2"
    assert isinstance(instance.token, Secret)
    assert instance.token.reveal() == f"{PLANTED}-2"
    assert PLANTED not in f"{instance!r} {instance.__dict__!r}"


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(token=st.text(st.characters(codec=None), min_size=1))
def test_any_text_comes_back_as_it_was(instance: Instance, token: str) -> None:
    set_by_save(instance, token)

    assert revealed(instance) == token


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_secret_that_looks_dumped_is_still_encrypted(
    instance: Instance, way: Callable[[Instance, Any], None]
) -> None:
    way(instance, "encrypted:planted")

    assert "planted" not in str(stored(instance))
    assert revealed(instance) == "encrypted:planted"


# Reading: one lost key breaks nothing but its use.


@pytest.fixture
def lost(instance: Instance, account: Account) -> Instance:
    """Beside ``instance``, which has a readable token, one whose key is lost."""
    set_by_save(instance, PLANTED)
    with override_settings(VZAPS={"ENCRYPTION_KEYS": [Fernet.generate_key().decode()]}):
        return Instance.objects.create(account=account, vzaps_id="VZ2", name="Lost", token=PLANTED)


def test_a_lost_key_does_not_break_a_list(lost: Instance) -> None:
    rows = list(Instance.objects.order_by("pk"))

    assert [f"{row.token} {row.token!r}" for row in rows] == [f"{MASK} EncryptedSecret({MASK})"] * 2
    assert all(row.token for row in rows)
    assert rows[0].token is not None
    assert rows[0].token.reveal() == PLANTED
    assert rows[1].token is not None
    with pytest.raises(DecryptionError):
        rows[1].token.reveal()


def test_a_row_with_a_lost_key_can_be_saved_validated_and_given_a_new_secret(lost: Instance) -> None:
    row = Instance.objects.get(pk=lost.pk)
    before = stored(row)

    row.full_clean()
    row.save()
    assert stored(row) == before

    set_by_save(row, "entered again")
    assert revealed(row) == "entered again"


def test_without_any_key_rows_are_still_listed(lost: Instance) -> None:
    with override_settings(VZAPS={"ENCRYPTION_KEYS": ["broken"]}):
        assert [str(row.token) for row in Instance.objects.all()] == [MASK, MASK]


@pytest.mark.parametrize("fields", [["token"], ["name"], ["token", "name"]])
def test_deferred_and_only(instance: Instance, fields: list[str]) -> None:
    set_by_save(instance, PLANTED)

    for row in (Instance.objects.defer(*fields).get(), Instance.objects.only(*fields).get()):
        assert row.token is not None
        assert row.token.reveal() == PLANTED
        assert row.name == "Front desk"


def test_a_deferred_secret_is_loaded_once_and_not_written_by_save(instance: Instance) -> None:
    set_by_save(instance, PLANTED)
    row = Instance.objects.defer("token").get()
    set_by_update(instance, "changed meanwhile")

    assert row.get_deferred_fields() == {"token"}
    row.save()
    assert revealed(instance) == "changed meanwhile"
    with CaptureQueriesContext(connection) as queries:
        assert row.token is not None
        assert row.token.reveal() == "changed meanwhile"
    assert len(queries) == 1


def test_refresh_from_db_takes_the_new_secret(instance: Instance) -> None:
    set_by_update(instance, PLANTED)
    assert instance.token is None

    instance.refresh_from_db(fields=["token"])

    assert instance.token is not None
    assert instance.token.reveal() == PLANTED


@pytest.mark.parametrize(
    "read",
    [
        lambda rows: rows.values_list("token", flat=True).get(),
        lambda rows: rows.values("token").get()["token"],
        lambda rows: rows.annotate(copied=F("token")).get().copied,
        lambda rows: rows.annotate(chosen=Case(When(pk__gt=0, then="token"))).get().chosen,
        lambda rows: Account.objects.filter(pk__gt=0).values_list("instances__token", flat=True).get(),
    ],
)
def test_queries_that_read_the_column_give_a_secret(
    instance: Instance, read: Callable[[QuerySet[Instance]], Any]
) -> None:
    set_by_save(instance, PLANTED)

    found = read(Instance.objects.all())

    assert isinstance(found, EncryptedSecret)
    assert found.reveal() == PLANTED


# Filtering: refused in every form, for it would silently find nothing.

# Untyped: the type checker refuses them as well.
instances: Any = Instance.objects
accounts: Any = Account.objects

REFUSED: dict[str, Callable[[], Any]] = {
    "filter": lambda: instances.filter(token=PLANTED),
    "none": lambda: instances.filter(token=None),
    "secret": lambda: instances.filter(token=Secret(PLANTED)),
    "exact": lambda: instances.filter(token__exact=PLANTED),
    "in": lambda: instances.filter(token__in=[PLANTED]),
    "contains": lambda: instances.filter(token__icontains="plan"),
    "startswith": lambda: instances.filter(token__startswith="gAAAA"),
    "gt": lambda: instances.filter(token__gt=""),
    "regex": lambda: instances.filter(token__regex="."),
    "range": lambda: instances.filter(token__range=("a", "b")),
    "exclude": lambda: instances.exclude(token=PLANTED),
    "get": lambda: instances.get(token=PLANTED),
    "get_or_create": lambda: instances.get_or_create(token=PLANTED),
    "Q": lambda: instances.filter(Q(name="x") | Q(token=PLANTED)),
    "not Q": lambda: instances.filter(~Q(token=PLANTED)),
    "F": lambda: instances.filter(token=F("name")),
    "F of itself": lambda: accounts.filter(client_token=F("client_secret")),
    "relation": lambda: accounts.filter(instances__token=PLANTED),
    "relation excluded": lambda: accounts.exclude(instances__token=PLANTED),
    "annotation": lambda: instances.annotate(copied=F("token")).filter(copied=PLANTED),
    "alias": lambda: instances.alias(copied=F("token")).exclude(copied__contains="p"),
    "case": lambda: instances.annotate(found=Case(When(token=PLANTED, then=Value(1)), default=Value(0))),
    "aggregate": lambda: instances.aggregate(found=Count("pk", filter=Q(token=PLANTED))),
    "subquery": lambda: instances.filter(token__in=instances.values("token")),
}


@pytest.mark.parametrize("query", REFUSED.values(), ids=REFUSED)
def test_filtering_on_a_secret_is_refused(instance: Instance, query: Callable[[], Any]) -> None:
    with pytest.raises(FieldError, match="is encrypted and can only be filtered with isnull") as caught:
        query()

    assert PLANTED not in str(caught.value)


def test_whether_there_is_a_secret_can_be_asked(instance: Instance, lost: Instance, account: Account) -> None:
    empty = Instance.objects.create(account=account, vzaps_id="VZ3")

    assert set(Instance.objects.filter(token__isnull=False)) == {instance, lost}
    assert list(Instance.objects.filter(token__isnull=True)) == [empty]
    assert list(Instance.objects.exclude(token__isnull=False)) == [empty]
    assert Account.objects.filter(instances__token__isnull=True).get() == account


# Leaks: what Django and DRF do with a model.


def test_fixtures_carry_it_encrypted(instance: Instance) -> None:
    set_by_save(instance, PLANTED)

    for kind in ("json", "jsonl", "xml"):
        out = StringIO()
        call_command("dumpdata", "django_vzaps", format=kind, stdout=out)
        text = out.getvalue()
        assert PLANTED not in text
        Instance.objects.all().delete()
        for loaded in serializers.deserialize(kind, text):
            loaded.save()
        assert revealed(instance) == PLANTED


def test_a_fixture_loads_without_the_key_and_with_no_secret(lost: Instance, account: Account) -> None:
    Instance.objects.create(account=account, vzaps_id="VZ3", token=None)
    before = stored(lost)
    text = serializers.serialize("json", Instance.objects.all())
    Instance.objects.all().delete()

    for loaded in serializers.deserialize("json", text):
        loaded.save()

    assert stored(Instance.objects.get(vzaps_id="VZ2")) == before
    assert Instance.objects.get(vzaps_id="VZ3").token is None


def test_a_secret_in_the_clear_in_a_fixture_is_encrypted(account: Account) -> None:
    row = {"model": "django_vzaps.instance", "pk": 7, "fields": {"account": account.pk, "vzaps_id": "VZ7"}}
    row["fields"]["token"] = PLANTED  # type: ignore[index]

    for loaded in serializers.deserialize("python", [row]):
        loaded.save()

    assert PLANTED not in str(stored(Instance(pk=7)))
    assert revealed(Instance(pk=7)) == PLANTED


def test_full_clean_keeps_the_secret(instance: Instance) -> None:
    for token in (PLANTED, EncryptedSecret(encrypt(PLANTED)), "encrypted:planted"):
        instance.token = token
        instance.full_clean()
        assert isinstance(instance.token, Secret)
        assert instance.token == (Secret(token) if isinstance(token, str) else token)


def test_forms_do_not_show_it(instance: Instance) -> None:
    set_by_save(instance, PLANTED)

    form = modelform_factory(Instance, fields="__all__")(instance=instance)

    assert "token" not in form.fields
    assert "token" not in model_to_dict(instance)
    assert PLANTED not in str(form)


def test_a_serializer_shows_a_mask(instance: Instance) -> None:
    class Everything(ModelSerializer[Instance]):
        class Meta:
            model = Instance
            fields = "__all__"

    set_by_save(instance, PLANTED)
    for row in (instance, Instance.objects.get()):
        assert PLANTED not in str(Everything(row).data)
        assert Everything(row).data["token"] == MASK


def test_a_row_with_a_secret_is_not_pickled_but_copied(instance: Instance) -> None:
    set_by_save(instance, PLANTED)

    for row in (instance, Instance.objects.get()):
        for copied in (copy.copy(row), copy.deepcopy(row)):
            assert copied.token is not None
            assert copied.token.reveal() == PLANTED
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(row)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Instance.objects.all())


class TestWithClassData(TestCase):
    """Django copies the class's rows deeply for every test."""

    instance: Instance

    @classmethod
    def setUpTestData(cls) -> None:
        account = Account.objects.create(name="main", client_token=PLANTED, client_secret=PLANTED)
        cls.instance = Instance.objects.create(account=account, vzaps_id="VZ1", token=PLANTED)

    def test_a_secret_can_be_class_data(self) -> None:
        assert self.instance.token == Secret(PLANTED)
        assert self.instance.account.client_secret == Secret(PLANTED)
