"""What operators read in their own language: complete, up to date, and with the same placeholders as the English."""

from __future__ import annotations

import ast
import functools
import gettext
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.translation import override

import django_vzaps
from django_vzaps import services
from django_vzaps.client import VZapsValidationError
from django_vzaps.models import Account, Alert, AlertKind, Instance
from django_vzaps.services.clients import forget_clients
from django_vzaps.services.errors import in_words
from django_vzaps.testing import FakeVZaps

PACKAGE = Path(django_vzaps.__file__).parent
LANGUAGES = ("es", "pt_BR")

in_each_language = pytest.mark.parametrize("language", LANGUAGES)


@dataclass(frozen=True)
class Message:
    """One entry of a .po file. ``texts`` has the translation, or one for each plural form."""

    context: str
    id: str
    plural: str
    texts: tuple[str, ...]
    is_fuzzy: bool
    is_obsolete: bool


@functools.cache
def catalog(language: str, package: Path = PACKAGE) -> list[Message]:
    """The entries of the language's .po file, the first of which is its header."""
    text = (package / "locale" / language / "LC_MESSAGES" / "django.po").read_text("utf-8")
    return [message for block in text.split("\n\n") if (message := _message(block))]


def _message(block: str) -> Message | None:
    is_obsolete = "#~ msgid " in block
    fields: dict[str, str] = {}
    name = ""
    for line in block.replace("#~ ", "").splitlines():
        found = re.fullmatch(r'(?:(msg\S+) )?(".*")', line)
        if found:
            name = found[1] or name
            fields[name] = fields.get(name, "") + ast.literal_eval(found[2])
    if "msgid" not in fields:
        return None
    return Message(
        context=fields.get("msgctxt", ""),
        id=fields["msgid"],
        plural=fields.get("msgid_plural", ""),
        texts=tuple(text for name, text in sorted(fields.items()) if name.startswith("msgstr")),
        is_fuzzy=bool(re.search(r"^#,.*\bfuzzy\b", block, re.MULTILINE)),
        is_obsolete=is_obsolete,
    )


def translated(language: str, text: str) -> str | None:
    """The translation of a text without context; None where it is none of this package's."""
    return next((found.texts[0] for found in catalog(language) if (found.context, found.id) == ("", text)), None)


@in_each_language
def test_every_message_is_translated(language: str) -> None:
    header, *messages = catalog(language)
    forms = re.search(r"nplurals=(\d)", header.texts[0])
    assert forms
    assert len(messages) > 300
    for message in messages:
        assert len(message.texts) == (int(forms[1]) if message.plural else 1), message
        assert all(message.texts), message
        assert not message.is_fuzzy, message
        assert not message.is_obsolete, message


@in_each_language
def test_what_is_installed_is_what_translators_wrote(language: str) -> None:
    expected: dict[str | tuple[str, int], str] = {}
    for message in catalog(language):
        key = f"{message.context}\x04{message.id}" if message.context else message.id
        if message.plural:
            expected |= {(key, form): text for form, text in enumerate(message.texts)}
        else:
            expected[key] = message.texts[0]
    expected[""] = re.sub(r"POT-Creation-Date: .*\n", "", expected[""])  # not compiled
    with (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as compiled:
        assert vars(gettext.GNUTranslations(compiled))["_catalog"] == expected, "run compilemessages"


KEPT = re.compile(
    r"%\(\w+\)[a-z]|%[sd]|\{\w*\}"  # placeholders
    r"|<[^>]+>"  # HTML
    r"|VZAPS\['\w+'\]|--\w+|manage\.py \w+|@on\(.*?\)"  # what a person types
    r"|^\s+|\s+$"  # the distance to the text beside it
)


def kept(text: str) -> list[str]:
    return sorted(KEPT.findall(text))


@in_each_language
def test_translations_keep_what_is_no_language(language: str) -> None:
    for message in catalog(language)[1:]:
        one, *many = message.texts
        assert kept(one) == kept(message.id), message
        for text in many:
            assert kept(text) == kept(message.plural), message
        if message.plural:  # of one thing its number need not be said
            assert {*kept(message.plural)} - {*kept(message.id)} <= {"%(count)s"}, message


@in_each_language
def test_a_button_is_called_what_is_written_on_it(language: str) -> None:
    named = [
        (message, button)
        for message in catalog(language)[1:]
        for name in re.findall(r"“([^”%]+)”", message.id)
        if (button := translated(language, name))
    ]
    assert named
    for message, button in named:
        assert f"“{button}”" in message.texts[0]


# The place of the text among the arguments; before it comes its context.
MARKS = {
    "_": 0,
    "gettext": 0,
    "gettext_lazy": 0,
    "ngettext": 0,
    "ngettext_lazy": 0,
    "pgettext": 1,
    "pgettext_lazy": 1,
}


def _marked(path: Path) -> Iterator[tuple[str, str]]:
    """Context and text of every call that translates."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
            place = MARKS[node.func.id]
            texts = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
            context, text = texts[0] if place else "", texts[place]
            assert isinstance(context, str), f"{path.name}, line {node.lineno}: not a plain string"
            assert isinstance(text, str), f"{path.name}, line {node.lineno}: not a plain string"
            yield context, text


@in_each_language
def test_every_marked_string_is_in_the_catalog(language: str) -> None:
    """Also one inside an f-string, where xgettext does not find it."""
    known = {(message.context, message.id) for message in catalog(language)}
    marked = {found for path in PACKAGE.rglob("*.py") for found in _marked(path)}
    assert len(marked) > 200
    assert marked - known == set()


@pytest.mark.skipif(not (shutil.which("xgettext") and shutil.which("msgmerge")), reason="needs GNU gettext")
def test_makemessages_finds_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "django_vzaps"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "static", "*.mo"))
    monkeypatch.chdir(copy)
    call_command("makemessages", all=True, add_location="file", verbosity=0)
    for language in LANGUAGES:
        assert set(catalog(language, copy)[1:]) == set(catalog(language)[1:]), "run makemessages, then translate"


@pytest.fixture
def instance(fake_vzaps: FakeVZaps, db: None) -> Iterator[Instance]:
    cache.clear()
    forget_clients()
    remote = fake_vzaps.add_instance(name="Recepção")
    account = Account.objects.from_settings()
    assert account is not None
    services.sync.sync_account(account)
    yield Instance.objects.get(vzaps_id=remote.id)
    forget_clients()


def page_in(language: str, name: str, *args: object) -> str:
    """The page as a person sees it whose browser asks for the language."""
    browser = Client(headers={"accept-language": language.replace("_", "-").lower()})
    browser.force_login(User.objects.create_superuser("operator"))
    response = browser.get(reverse(f"admin:django_vzaps_{name}", args=args))
    assert response.status_code == 200
    return unescape(response.content.decode())


def english_on(page: str, language: str) -> set[str]:
    """What of the page's headings, columns and buttons has a translation that is not shown."""
    found = re.findall(r"<(h[1-6]|th|dt|button|summary)\b[^>]*>(.*?)</\1>", page, re.DOTALL)
    shown = {" ".join(strip_tags(text).split()) for _tag, text in found}
    shown |= set(re.findall(r'<input type="submit"[^>]* value="([^"]+)"', page))
    assert len(shown) > 4
    english = {message.id.lower() for message in catalog(language)[1:] if message.texts[0] != message.id}
    return {text for text in shown if text.lower() in english}


@pytest.mark.parametrize(
    ("language", "phrases"),
    [
        ("pt_BR", ["<h1>Instâncias</h1>", "Sincronizar com o VZaps", "nunca pareado", "em teste"]),
        ("es", ["<h1>Instancias</h1>", "Sincronizar con VZaps", "sin vincular", "en prueba"]),
    ],
)
def test_the_list_of_instances(instance: Instance, language: str, phrases: list[str]) -> None:
    page = page_in(language, "instance_changelist")
    for phrase in phrases:
        assert phrase in page
    assert english_on(page, language) == set()


@pytest.mark.parametrize(
    ("language", "phrases"),
    [
        ("pt_BR", ["<h1>Assinar</h1>", "Isto FARÁ UMA COBRANÇA NO CARTÃO", "Sim, cobrar no cartão"]),
        ("es", ["<h1>Suscribir</h1>", "Esto HARÁ UN COBRO A UNA TARJETA", "Sí, cobrar a la tarjeta"]),
    ],
)
def test_the_page_before_a_charge(instance: Instance, language: str, phrases: list[str]) -> None:
    page = page_in(language, "instance_subscribe", instance.pk)
    for phrase in phrases:
        assert phrase in page
    assert english_on(page, language) == set()


@pytest.mark.parametrize(
    ("language", "phrases"),
    [
        ("pt_BR", ["<h1>Alertas</h1>", "Sobre", "Emitido", "Resolvido", "o site inteiro", "aberto"]),
        ("es", ["<h1>Alertas</h1>", "Sobre", "Emitida", "Resuelta", "todo el sitio", "abierta"]),
    ],
)
def test_the_list_of_alerts(db: None, language: str, phrases: list[str]) -> None:
    Alert.objects.create(kind=AlertKind.EVENTS_WAITING)
    page = page_in(language, "alert_changelist")
    for phrase in phrases:
        assert phrase in page
    assert english_on(page, language) == set()


@pytest.mark.parametrize(
    ("language", "line"),
    [("pt-br", "Instâncias por conexão: nunca pareado (1)."), ("es", "Instancias por conexión: sin vincular (1).")],
)
def test_a_count_does_not_bend_the_word_for_a_state(
    instance: Instance, language: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with override(language):
        call_command("vzaps_health")
    assert line in capsys.readouterr().out.splitlines()


def test_english_is_noticed(instance: Instance) -> None:
    page = page_in("en", "instance_subscribe", instance.pk)
    assert {"Subscribe", "Account", "Yes, charge the card"} <= english_on(page, "es")


def test_what_services_raise(instance: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    with override("pt-br"), pytest.raises(services.ReadOnly) as refused:
        services.instances.restart(instance, actor=None)
    assert str(refused.value) == (
        "Este site está em modo somente leitura (VZAPS['READ_ONLY']): nada é alterado no VZaps."
    )


def test_what_vzaps_says_is_quoted_in_a_translated_sentence() -> None:
    error = VZapsValidationError("VZaps refused the call", reason="name is too short")
    with override("pt-br"):
        assert in_words(error) == (
            "O VZaps não aceitou os valores. Corrija-os e tente de novo. (o VZaps diz: name is too short)"
        )
