"""README.md and docs/ keep their word: their tables and links name what exists, and their examples run."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Task

from django_vzaps import conf, management, tasks
from django_vzaps.api import problems, urls
from django_vzaps.api.filters import (
    AlertFilters,
    BatchFilters,
    BatchItemFilters,
    ChangeFilters,
    EventFilters,
    InstanceFilters,
    OperationFilters,
)
from django_vzaps.api.serializers.health import LimitsSerializer
from django_vzaps.api.throttling import BillingThrottle, PairingThrottle
from django_vzaps.events import handlers
from django_vzaps.models import Instance, OperationPhase, PairingPhase
from django_vzaps.services.alerts.conditions import CONDITIONS
from django_vzaps.testing import FakeVZaps

HERE = Path(__file__).parent
PAGES = {
    path.relative_to(HERE.parent).as_posix(): path.read_text(encoding="utf-8")
    for path in (HERE.parent / "README.md", *sorted((HERE.parent / "docs").glob("*.md")))
}
README = PAGES["README.md"]
API = PAGES["docs/api.md"]
ALERTS = PAGES["docs/alerts.md"]
PYTHON = [
    textwrap.dedent(code)
    for text in PAGES.values()
    for _, code in re.findall(r"^( *)```python\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
]


def tables(title: str, text: str = README) -> list[list[list[str]]]:
    """The tables under a heading: the cells, row by row, without the head."""
    section = re.split(r"^#+ ", text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = [lines.splitlines()[2:] for lines in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)]
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in lines] for lines in found]


def rows(title: str, text: str = README) -> list[list[str]]:
    """Those of the one table under a heading."""
    (table,) = tables(title, text)
    return table


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def block(part: str) -> str:
    """The one Python block in which this stands."""
    (found,) = (code for code in PYTHON if part in code)
    return found


def run(code: str, name: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": name}
    exec(compile(code, f"README.md ({name})", "exec"), names)  # noqa: S102 - our own README
    return names


def test_every_guarantee_names_tests_that_exist() -> None:
    promises = rows("What is guaranteed, and what is not")
    assert promises
    written = "".join(path.read_text(encoding="utf-8") for path in HERE.rglob("test_*.py"))
    existing = set(re.findall(r"^def (test_\w+)\(", written, re.MULTILINE))
    for promise, tests in promises:
        assert quoted(tests), promise
        assert set(quoted(tests)) <= existing, promise


def test_the_table_of_settings_is_every_setting_with_its_default() -> None:
    told = {key: default for keys, default, _ in rows("Settings") for key in quoted(keys)}
    defaults = conf.Settings()
    assert told.keys() == conf.KEYS.keys()
    for key, default in told.items():
        assert value_of(default) == getattr(defaults, conf.KEYS[key]), key


def value_of(cell: str) -> object:
    """What a cell of the column "default" means."""
    if cell == "empty":
        return ""
    if cell == "required":
        return ()
    if cell.endswith(" MB"):
        return int(cell.removesuffix(" MB")) * 1024 * 1024
    if cell.startswith("`https://"):
        return cell.strip("`")
    if ", `" in cell:
        return tuple(quoted(cell))
    return ast.literal_eval(cell.strip("`"))


def test_the_table_of_permissions_is_every_permission_of_an_instance() -> None:
    told = {permission for permissions, _ in rows("Permissions") for permission in quoted(permissions)}
    meta = Instance._meta
    usual = {f"{action}_{meta.model_name}" for action in meta.default_permissions}
    assert told == usual | {codename for codename, _ in meta.permissions}


def test_every_command_and_every_task_is_told_of_and_no_other() -> None:
    told = " ".join(PAGES.values())
    commands = {path.stem for path in (Path(management.__file__).parent / "commands").glob("vzaps_*.py")}
    named = set(re.findall(r"manage\.py (\w+)", told)) - {"migrate", "check", "drf_create_token", "spectacular"}
    assert named == commands
    section = told.split("**Tasks**: ", 1)[1].split(". All of them", 1)[0]
    ours = {task.name for task in vars(tasks).values() if isinstance(task, Task)}
    assert {f"django_vzaps.{name.rpartition('.')[2]}" for name in quoted(section)} == ours


def test_the_table_of_routes_is_every_route_with_its_permissions() -> None:
    told = {
        (method, *quoted(route)): takes
        for methods, route, takes in rows("Who may do what", API)
        for method in methods.split(", ")
    }
    expected = {}
    for route in urls.urlpatterns:
        path = re.sub(r"<(\w+):\w+>", lambda kind: "{log id}" if kind[1] == "path" else "{id}", str(route.pattern))
        needs = route.callback.cls.needs
        for method, action in route.callback.actions.items():
            if method != "head" and action in needs:  # HEAD is as GET, and what is not named leads nowhere
                ways = [" + ".join(f"`{name}`" for name in way) for way in needs[action]]
                expected[method.upper(), path] = " or ".join(ways)
    assert told == expected


def test_the_table_of_problems_is_every_kind_with_its_status() -> None:
    told = {quoted(kind)[0]: int(status) for kind, status, _ in rows("Problems", API)}
    assert told == {kind: problem.status for kind, problem in problems.KINDS.items()}


def test_every_phase_is_explained() -> None:
    _, phases = tables("An operation", API)
    assert {name for row in phases for name in quoted(row[0])} == {phase.value for phase in OperationPhase}
    assert {name for row in rows("Pair", API) for name in quoted(row[0])} == set(PairingPhase.values)


def test_the_table_of_alerts_is_every_kind() -> None:
    told = rows("What raises an alert", ALERTS)
    assert [quoted(kind)[0] for kind, *_ in told] == [condition.kind for condition in CONDITIONS]
    for condition, (_kind, subject, *_) in zip(CONDITIONS, told, strict=True):
        assert subject == getattr(condition, "subject", "site")


def test_the_table_of_filters_is_every_filter() -> None:
    told = {quoted(name)[0]: set(quoted(by)) for name, by, _ in rows("Look and find", API)}
    assert told["instances/"] == InstanceFilters.base_filters.keys() | {"name", "last_event_at", "synced_at", "-"}
    assert told["instances/{id}/changes/"] == ChangeFilters.base_filters.keys()
    assert told["alerts/"] == AlertFilters.base_filters.keys()
    assert told["events/"] == EventFilters.base_filters.keys()
    assert told["operations/"] == OperationFilters.base_filters.keys()
    assert told["batches/"] == BatchFilters.base_filters.keys()
    assert told["batches/{id}/items/"] == BatchItemFilters.base_filters.keys()


def test_the_table_of_limits_is_every_limit_of_health() -> None:
    assert {quoted(name)[0] for name, _ in rows("Health", API)} == LimitsSerializer().fields.keys()


@pytest.mark.parametrize("text", [README, API], ids=["README.md", "docs/api.md"])
def test_the_rates_are_those_that_count_where_nothing_is_set(text: str) -> None:
    told = dict(re.findall(r"`(vzaps_\w+)` \((\d+/min)\)", text))
    assert told == {throttle.scope: throttle.default_rate for throttle in (PairingThrottle, BillingThrottle)}


@pytest.mark.parametrize(("page", "text"), PAGES.items(), ids=list(PAGES))
def test_every_link_within_the_documentation_leads_somewhere(page: str, text: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        found = (HERE.parent / page).parent / path if path else HERE.parent / page
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[0])
def test_every_example_compiles(code: str) -> None:
    compile(code, "an example", "exec")


def test_the_handlers_and_their_test_run_as_written(
    db: None, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_registered", {})
    models = ModuleType("yourapp.models")
    models.ChatMessage = Mock()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "yourapp", ModuleType("yourapp"))
    monkeypatch.setitem(sys.modules, "yourapp.models", models)
    run(block("def keep"), "yourapp.vzaps_handlers")
    names = run(block("def test_ping_is_answered"), "yourapp.tests")

    names["test_ping_is_answered"](db, fake_vzaps)

    kept = [call.kwargs for call in models.ChatMessage.objects.create.call_args_list]
    assert [row["text"] for row in kept] == ["ping", "pong"]
    assert all(row["message_id"] and row["phone"] for row in kept)
    (update,) = models.ChatMessage.objects.filter.call_args_list
    assert update.kwargs == {"message_id__in": (kept[1]["message_id"],)}
