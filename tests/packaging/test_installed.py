"""The suite tests what users install: in tox that is the built wheel and never the checkout beside the tests."""

from __future__ import annotations

import os
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

import django_vzaps

CHECKOUT = Path(__file__).parents[2]
INSTALLED = Path(django_vzaps.__file__).parent

from_wheel = pytest.mark.skipif(os.environ.get("TESTED_PACKAGE") != "wheel", reason="runs in tox, from the wheel")


def files(package: Path) -> set[str]:
    return {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@from_wheel
def test_the_tests_import_the_wheel() -> None:
    assert Path(sysconfig.get_path("purelib"), "django_vzaps") == INSTALLED


@from_wheel
def test_installing_brings_every_file_of_the_package() -> None:
    assert files(INSTALLED) == files(CHECKOUT / "django_vzaps")


@from_wheel
def test_the_version_is_the_installed_one() -> None:
    assert version("django-vzaps") == django_vzaps.__version__
