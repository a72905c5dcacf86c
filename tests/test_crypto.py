from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter
from hypothesis import example, given
from hypothesis import strategies as st

from django_vzaps import crypto
from django_vzaps.exceptions import VZapsError
from django_vzaps.secret import MASK, Secret

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
PLANTED = "planted-secret-value"


def keys(*given: str) -> Any:
    return override_settings(VZAPS={"ENCRYPTION_KEYS": list(given)})


@given(st.text(st.characters(codec=None)))
@example("lone \ud800")
def test_any_text_comes_back(text: str) -> None:
    assert crypto.decrypt(crypto.encrypt(text)) == text


def test_the_same_text_is_encrypted_differently_each_time() -> None:
    first, second = crypto.encrypt(PLANTED), crypto.encrypt(PLANTED)

    assert first != second
    assert PLANTED not in first


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    with keys(OLD):
        stored = crypto.encrypt(PLANTED)
    with keys(NEW, OLD):
        assert crypto.decrypt(stored) == PLANTED
        fresh = crypto.encrypt(PLANTED)
    with keys(NEW):
        assert crypto.decrypt(fresh) == PLANTED


def test_a_lost_key_is_a_named_error_and_never_ciphertext() -> None:
    with keys(LOST):
        stored = crypto.encrypt(PLANTED)
    with keys(NEW, OLD):
        for use in (crypto.decrypt, crypto.rotate):
            with pytest.raises(crypto.DecryptionError, match="ENCRYPTION_KEYS") as caught:
                use(stored)
            assert isinstance(caught.value, VZapsError)
            assert stored not in str(caught.value)
            assert caught.value.__suppress_context__


@pytest.mark.parametrize("stored", ["", "plain text", "gAAAA", "ção", "gAAAAA" + "A" * 200])
def test_what_was_never_encrypted_is_not_passed_through(stored: str) -> None:
    with pytest.raises(crypto.DecryptionError):
        crypto.decrypt(stored)


def test_a_changed_ciphertext_is_refused() -> None:
    stored = crypto.encrypt(PLANTED)
    changed = stored[:40] + ("A" if stored[40] != "A" else "B") + stored[41:]

    with pytest.raises(crypto.DecryptionError):
        crypto.decrypt(changed)


def test_rotation_makes_the_old_key_superfluous() -> None:
    with keys(OLD):
        stored = crypto.encrypt(PLANTED)
    with keys(NEW, OLD):
        rotated = crypto.rotate(stored)
    with keys(NEW):
        assert crypto.decrypt(rotated) == PLANTED
        with pytest.raises(crypto.DecryptionError):
            crypto.decrypt(stored)


def test_without_keys_nothing_is_stored() -> None:
    with keys(), pytest.raises(crypto.EncryptionKeyError, match="is empty"):
        crypto.encrypt(PLANTED)
    with override_settings(VZAPS={}), pytest.raises(crypto.EncryptionKeyError):
        crypto.decrypt("gAAAA")


@pytest.mark.parametrize("key", ["", "short", "não é uma chave", "QQ" * 20, "A" * 45])
def test_a_key_that_is_none_is_a_named_error(key: str) -> None:
    for given_keys in ([key], [NEW, key]):
        with keys(*given_keys), pytest.raises(crypto.EncryptionKeyError, match="32 url-safe base64") as caught:
            crypto.encrypt(PLANTED)
        assert not key or key not in str(caught.value)
        assert NEW not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("use", [crypto.encrypt, crypto.decrypt, crypto.rotate])
def test_an_error_report_shows_neither_the_text_nor_the_keys(use: Any) -> None:
    # Django mails such reports with the variables of every frame.
    with override_settings(VZAPS={"ENCRYPTION_KEYS": [NEW, "not-a-key-but-secret"]}, DEBUG=False):
        with pytest.raises(crypto.EncryptionKeyError) as caught:
            use(PLANTED)
        reporter = ExceptionReporter(RequestFactory().get("/"), caught.type, caught.value, caught.tb)
        frames = {frame["function"]: str(frame["vars"]) for frame in reporter.get_traceback_frames()}

    assert {use.__name__, "_fernet"} <= frames.keys()
    for secret in (PLANTED, NEW, "not-a-key-but-secret"):
        assert secret not in str(frames)


def test_an_encrypted_secret_is_opened_when_it_is_revealed() -> None:
    with keys(OLD):
        stored = crypto.EncryptedSecret(crypto.encrypt(PLANTED))
    with keys(NEW):
        assert bool(stored) is True
        assert str(stored) == MASK
        assert repr(stored) == f"EncryptedSecret({MASK})"
        assert f"{stored:>10}" == MASK.rjust(10)
        for use in (stored.reveal, lambda: stored.hint, lambda: stored == Secret(PLANTED)):
            with pytest.raises(crypto.DecryptionError):
                use()
    with keys(NEW, OLD):
        assert stored.reveal() == PLANTED
        assert stored.hint == "…alue"
        assert stored == Secret(PLANTED)
        assert Secret(PLANTED) == stored
        assert stored != Secret("other")


def test_an_encrypted_secret_is_copied_but_not_pickled() -> None:
    stored = crypto.EncryptedSecret(crypto.encrypt(PLANTED))

    assert copy.deepcopy(stored) is stored
    with pytest.raises(TypeError):
        pickle.dumps(stored)


def test_a_webhook_secret_is_long_random_and_safe_in_a_path() -> None:
    made = {crypto.new_webhook_secret().reveal() for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", text) for text in made)


def test_a_hash_is_the_same_for_a_secret_and_its_text() -> None:
    assert crypto.hash_secret(Secret("abc")) == crypto.hash_secret("abc")
    # SHA-256 of "abc", FIPS 180-4.
    assert crypto.hash_secret("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.text(st.characters(codec=None)))
def test_a_secret_matches_its_own_hash_only(text: str) -> None:
    known = crypto.hash_secret(text)

    assert crypto.matches(text, known)
    assert crypto.matches(text, "", known)
    assert crypto.matches(text, known, "")
    assert not crypto.matches(text + "x", known)
    assert not crypto.matches(known, known)


def test_where_no_hash_is_known_nothing_matches() -> None:
    assert not crypto.matches("")
    assert not crypto.matches("", "")
    assert not crypto.matches("abc", "", "")
