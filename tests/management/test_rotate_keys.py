from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from django_vzaps import crypto
from django_vzaps.management.commands import vzaps_rotate_keys
from django_vzaps.models import Account, Instance
from tests.management.conftest import Run

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def old(settings: Any, db: None) -> None:
    use(settings, OLD)
    home = Account.objects.create(name="home")  # Its credentials are in settings: both columns are null.
    branch = Account.objects.create(name="branch", client_token="branch-token", client_secret="branch-secret")
    for number in range(5):
        Instance.objects.create(account=home, vzaps_id=f"VZ{number}", name=f"{number}", token=f"token-{number}")
    Instance.objects.create(account=branch, vzaps_id="VZ5", name="5")


def use(settings: Any, *keys: str) -> None:
    settings.VZAPS = {**settings.VZAPS, "ENCRYPTION_KEYS": list(keys)}


def stored(column: str = "token", table: str = "django_vzaps_instance") -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY id")  # noqa: S608
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.usefixtures("old")
def test_afterwards_the_old_key_is_not_needed(settings: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vzaps_rotate_keys, "BATCH", 2)
    use(settings, NEW, OLD)

    said = run("vzaps_rotate_keys")

    use(settings, NEW)
    assert said.out == "Secrets encrypted with the first key: 7.\n"
    assert not said.failure
    branch = Account.objects.get(name="branch")
    assert [secret.reveal() for secret in branch.credentials] == ["branch-token", "branch-secret"]
    tokens = [instance.token for instance in Instance.objects.order_by("vzaps_id")]
    assert [token and token.reveal() for token in tokens] == [*(f"token-{number}" for number in range(5)), None]


@pytest.mark.usefixtures("old")
def test_it_may_run_again(settings: Any, run: Run) -> None:
    use(settings, NEW, OLD)
    run("vzaps_rotate_keys")

    assert not run("vzaps_rotate_keys").failure
    assert [crypto.decrypt(text) for text in stored()] == [f"token-{number}" for number in range(5)]


@pytest.mark.usefixtures("old")
def test_a_lost_key_is_named_and_the_rest_goes_on(settings: Any, run: Run) -> None:
    use(settings, Fernet.generate_key().decode())
    lost = Instance.objects.get(vzaps_id="VZ2")
    lost.token = "token-2"
    lost.save()
    before = stored()[2]
    use(settings, NEW, OLD)

    said = run("vzaps_rotate_keys")

    assert f"instance {lost.pk}: its instance token cannot be decrypted." in said.err
    assert "with the first key: 6." in said.out
    assert "Secrets that no present key decrypts: 1." in said.err
    assert said.failure == "Not every secret is encrypted with the first key: keep the other keys."
    assert stored()[2] == before


@pytest.mark.usefixtures("old")
def test_what_somebody_entered_meanwhile_is_kept(settings: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    use(settings, NEW, OLD)
    rotate = crypto.rotate

    def and_somebody_enters_another(ciphertext: str) -> str:
        if crypto.decrypt(ciphertext) == "token-1":
            Instance.objects.filter(vzaps_id="VZ1").update(token="entered-meanwhile")
        return rotate(ciphertext)

    monkeypatch.setattr(crypto, "rotate", and_somebody_enters_another)

    said = run("vzaps_rotate_keys")

    token = Instance.objects.get(vzaps_id="VZ1").token
    assert token is not None
    assert token.reveal() == "entered-meanwhile"
    assert "changed meanwhile and were left alone: 1." in said.err
    assert said.failure


def test_without_a_usable_key_nothing_is_begun(settings: Any, run: Run) -> None:
    use(settings, "nonsense")

    assert "holds a key that is not 32 url-safe base64-encoded bytes" in run("vzaps_rotate_keys").failure


def test_every_encrypted_column_is_known() -> None:
    found = {f"{model.__name__}.{field.name}" for model, field in vzaps_rotate_keys.encrypted_fields()}

    assert found == {"Account.client_token", "Account.client_secret", "Instance.token", "Pairing.code"}
