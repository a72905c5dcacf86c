from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps.models import (
    Account,
    Instance,
)
from django_vzaps.search.typed import phone
from tests.admin.rows import make, names


@pytest.mark.parametrize(
    "typed",
    [
        "fron", "FRONT d", "  front   desk ", "VZfront", "vzFRONT", "5511999990000@s.what", "551199999",
        "+55 (11) 99999-0000", "0055 11 99999.0000", "55 11 9", "front 5511", "+5511 front",
        "*desk", "*ONT DE", "front vzfront",
    ],
)  # fmt: skip
def test_finds_by_how_something_begins(typed: str, account: Account, browser: Client) -> None:
    make(account, "Front desk", phone="5511999990000", whatsapp_jid="5511999990000@s.whatsapp.net")
    make(account, "Back", phone="5521999990000", whatsapp_jid="99@lid")
    Instance.objects.filter(name="Front desk").update(vzaps_id="VZFRONT")
    assert names(browser, q=typed) == {"Front desk"}


@pytest.mark.parametrize(
    "typed", ["desk", "99990000", "ront", "front back", "front 5521", "%", "_ront", "*nothing", "f%", "-", "\\"]
)
def test_finds_nothing_else(typed: str, account: Account, browser: Client) -> None:
    make(account, "Front desk", phone="5511999990000", whatsapp_jid="5511999990000@s.whatsapp.net")
    assert names(browser, q=typed) == set()


@pytest.mark.parametrize("typed", ["", " ", "*", "**"])
def test_nothing_typed_finds_everything(typed: str, account: Account, browser: Client) -> None:
    make(account, "Front desk")
    assert names(browser, q=typed) == {"Front desk"}


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Élan", "Élan"),
        ("*LAN", "Élan"),
        ("100% _o", "100% _ok"),
        ("*0% _", "100% _ok"),
        ("çA", "çA va"),
        ("[a", "[a]*"),
    ],
)
def test_finds_odd_letters_and_signs(typed: str, name: str, account: Account, browser: Client) -> None:
    make(account, name)
    make(account, "1000 ok")
    assert names(browser, q=typed) == {name}


def test_a_long_text_is_searched_by_its_beginning(account: Account, browser: Client) -> None:
    make(account, "x" * 120)
    assert len(names(browser, q="x" * 5000)) == 1
    with CaptureQueriesContext(connection) as captured:
        names(browser, q="a " * 5000)
    assert max(len(query["sql"]) for query in captured) < 200_000


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("+55 (11) 99999-0000", "5511999990000"),
        ("00 55 11", "5511"),
        ("55.11/9", "55119"),
        ("+55\u00a011 99999\u20110000", "5511999990000"),
        ("\u0665\u0665", ""),
        ("00", "00"),
        ("desk 5", ""),
        ("", ""),
        ("+", ""),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, digits: str) -> None:
    assert phone(text) == digits
