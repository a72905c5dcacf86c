"""The archives that go to PyPI: run by ``tox run -e package``, which builds them first."""

from __future__ import annotations

import os
import tarfile
import zipfile
from email.parser import Parser
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

import django_vzaps

FOLDER = os.environ.get("DISTRIBUTIONS", "")
PACKAGE = Path(__file__).parents[2] / "django_vzaps"

pytestmark = pytest.mark.skipif(not FOLDER, reason="needs built archives: tox run -e package")


@pytest.fixture(scope="module")
def wheel() -> set[str]:
    (archive,) = Path(FOLDER).glob("*.whl")
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


@pytest.fixture(scope="module")
def sdist() -> set[str]:
    (archive,) = Path(FOLDER).glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


@pytest.mark.parametrize(
    "pattern",
    [
        "django_vzaps/py.typed",
        "django_vzaps/migrations/0001_*.py",
        "django_vzaps/management/commands/vzaps_sync.py",
        "django_vzaps/templates/*.html",
        "django_vzaps/static/*",
        "django_vzaps/locale/*.po",
        "django_vzaps/locale/*.mo",
        "*.dist-info/licenses/LICENSE",
    ],
)
def test_wheel_holds(wheel: set[str], pattern: str) -> None:
    assert [name for name in wheel if fnmatch(name, pattern)]


def test_wheel_holds_the_package_whole(wheel: set[str]) -> None:
    expected = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel if name.startswith("django_vzaps/")} == expected


def test_wheel_holds_nothing_but_the_package(wheel: set[str]) -> None:
    version = django_vzaps.__version__
    assert {PurePosixPath(name).parts[0] for name in wheel} == {
        "django_vzaps",
        f"django_vzaps-{version}.dist-info",
    }


@pytest.mark.parametrize("name", ["CHANGELOG.md", "LICENSE", "README.md", "tox.ini", "tests/conftest.py"])
def test_sdist_holds_what_a_packager_needs(sdist: set[str], name: str) -> None:
    assert name in sdist


def test_users_install_only_what_is_required() -> None:
    (archive,) = Path(FOLDER).glob("*.whl")
    with zipfile.ZipFile(archive) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(opened.read(name).decode())
    required = [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert {need.partition(">")[0] for need in required} == {
        "celery",
        "cryptography",
        "django",
        "django-filter",
        "djangorestframework",
        "requests",
        "urllib3",
    }
