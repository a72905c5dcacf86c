from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_vzaps.secret import MASK, SECRET_KEYS, Secret, redacted

PLANTED = "planted-secret-value"


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(PLANTED)),
        repr(Secret(PLANTED)),
        f"{Secret(PLANTED)}",
        f"{Secret(PLANTED):>40}",
        "{0!r} {0!s} {0}".format(Secret(PLANTED)),
        "%s %r" % (Secret(PLANTED), Secret(PLANTED)),  # noqa: UP031 - as logging does
        json.dumps({"token": Secret(PLANTED)}, default=str),
        repr([Secret(PLANTED)]),
        str({"token": Secret(PLANTED)}),
    ],
)
def test_a_secret_is_shown_as_a_mask(shown: str) -> None:
    assert PLANTED not in shown
    assert MASK in shown


def test_reveal_gives_the_text() -> None:
    assert Secret(PLANTED).reveal() == PLANTED


def test_a_hint_shows_four_characters_of_a_long_secret_and_none_of_a_short_one() -> None:
    assert Secret("inst_7c1d0e9b2a").hint == "…9b2a"
    assert Secret("abcdefghijkl").hint == "…ijkl"
    assert Secret("abcdefghijk").hint == MASK
    assert Secret("").hint == MASK


def test_secrets_are_compared_by_their_text_and_only_with_secrets() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("ção") == Secret("ção")


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")


def test_a_secret_is_no_dictionary_key() -> None:
    with pytest.raises(TypeError):
        hash(Secret("a"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_refuses_to_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled") as caught:
        pickle.dumps(Secret(PLANTED), protocol)
    assert PLANTED not in str(caught.value)


def test_a_secret_has_no_json() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps(Secret(PLANTED))
    assert PLANTED not in str(caught.value)


def test_a_copy_is_the_secret_itself() -> None:
    @dataclass
    class Holder:
        token: Secret

    secret = Secret(PLANTED)

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert asdict(Holder(secret)) == {"token": secret}


def test_no_attribute_can_be_added_to_it() -> None:
    with pytest.raises(AttributeError):
        Secret("a").text = "b"  # type: ignore[attr-defined]


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
@example("lone \ud800", "lone \udfff")
def test_any_texts_compare_without_an_error_that_shows_them(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)


@pytest.mark.parametrize(
    "name",
    [
        "token", "Token", "instance_token", "instanceToken", "Instance-Token", "X-Instance-Token", "client_token",
        "clientSecret", "CLIENT_SECRET", "access_token", "accessToken", "Authorization", "QRCode", "qr_code",
        "LinkingCode", "linking_code", "pair_code", "pairingCode", "X-Client-Token", "qr_code_base64", "Password",
        "api_key", "X-API-Key", "client_secret_key", "refreshToken", "webhook_secret", "secret_key",
        "secret", "qr_base64", "qrCodes", *sorted(SECRET_KEYS),
    ],
)  # fmt: skip
def test_every_spelling_of_a_secrets_name_is_masked_at_any_depth(name: str) -> None:
    answer = {"data": [{"instances": ({"id": "VZ1", name: PLANTED}, {name: {"inner": PLANTED}})}]}

    clean = redacted(answer)

    assert clean == {"data": [{"instances": [{"id": "VZ1", name: MASK}, {name: MASK}]}]}
    assert PLANTED in str(answer), "the answer itself stays as it was"


@pytest.mark.parametrize(
    "name", ["id", "tokens_used", "expires_in", "message", "qr_expires", "name", "code", "media_key", "message_secret"]
)
def test_other_names_are_left_alone(name: str) -> None:
    assert redacted({name: "shown"}) == {name: "shown"}


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_an_empty_value_says_that_there_was_nothing(empty: Any) -> None:
    assert redacted({"token": empty}) == {"token": empty}


_SECRETS = st.sampled_from(["token", "accessToken", "X-Instance-Token", "qr_code"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | _SECRETS, inner, max_size=3),
    max_leaves=12,
)


@given(_JSON)
def test_redacting_twice_changes_nothing_more(value: Any) -> None:
    once = redacted(value)

    assert redacted(once) == once


@given(_JSON, _SECRETS)
def test_no_secret_survives(value: Any, name: str) -> None:
    assert PLANTED not in str(redacted({"a": [value, {name: [PLANTED, value]}]}))
