"""Migrations are the same in every project: settings must not reach into them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import django_vzaps

MIGRATIONS = sorted((Path(django_vzaps.__file__).parent / "migrations").glob("0*.py"))


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_migration_reads_no_setting_but_the_user_model(migration: Path) -> None:
    names = {
        node.attr
        for node in ast.walk(ast.parse(migration.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings"
    }
    assert names <= {"AUTH_USER_MODEL"}
