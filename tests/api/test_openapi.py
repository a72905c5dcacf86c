"""The description of the API: valid, whole, and in step with the views."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema
from openapi_schema_validator import OAS31Validator

from django_vzaps.api import urls
from django_vzaps.api.problems import KINDS, TYPE

METHODS = ("get", "post", "patch", "delete")


def generated(**settings: object) -> dict[str, Any]:
    """The description as a project with these settings has it; fails where drf-spectacular had to guess."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"OAS_VERSION": "3.1.0", **settings}.items():
            patch.setattr(spectacular_settings, name, value)
        GENERATOR_STATS.reset()
        found: dict[str, Any] = SchemaGenerator(patterns=urls.urlpatterns).get_schema(public=True)
    assert not GENERATOR_STATS, GENERATOR_STATS._warn_cache
    return found


@cache
def described() -> dict[str, Any]:
    return generated()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described()["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def contents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every body that is described: where it is, its media type, its schema and examples."""
    for _path, _method, operation in operations():
        bodies = {**operation["responses"], "body": operation.get("requestBody", {})}
        for status, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{operation['operationId']} {status}", media_type, content


@pytest.mark.contract  # it takes seconds
def test_it_is_valid() -> None:
    validate_schema(described())


def test_every_route_is_described_but_the_one_for_what_is_not_there() -> None:
    routed = {
        (re.sub(r"<\w+:(\w+)>", r"{\1}", str(route.pattern)).replace("{pk}", "{id}"), method)
        for route in urls.urlpatterns
        for method in route.callback.actions
        if route.name != "elsewhere" and method in METHODS
    }

    assert {(path.lstrip("/"), method) for path, method, _operation in operations()} == routed


def test_every_operation_says_what_it_is_and_who_may() -> None:
    for _path, _method, operation in operations():
        assert operation["summary"]
        assert "Permissions: `django_vzaps." in operation["description"]
        assert operation["tags"][0].startswith("VZaps: ")


def test_what_has_a_body_says_so() -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"].get("required", False)
        for _path, method, operation in operations()
        if method in ("post", "patch")
    }

    assert {name for name, is_required in bodies.items() if is_required} == {
        "vzaps_accounts_create",
        "vzaps_batches_create",
        "vzaps_instances_create",
        "vzaps_messages_send",
        "vzaps_operations_decide",
        "vzaps_sessions_pair_code",
    }


def test_every_success_has_an_example_and_every_example_is_of_its_schema() -> None:
    components = described()["components"]
    for name, _media_type, content in contents():
        validator = OAS31Validator({**content["schema"], "components": components})
        for example in content.get("examples", {}).values():
            errors = [error.message for error in validator.iter_errors(example["value"])]
            assert not errors, (name, errors)
        assert "examples" in content or name.endswith("body"), name


def test_every_problem_is_described_with_its_own_status() -> None:
    found: set[str] = set()
    for name, media_type, content in contents():
        if media_type == "application/problem+json":
            shown = [example["value"] for example in content["examples"].values()]
            kinds = [problem["type"].removeprefix(TYPE) for problem in shown]
            assert {str(KINDS[kind].status) for kind in kinds} == {name.split()[1]}
            assert content["schema"] == {"$ref": "#/components/schemas/VZapsProblem"}
            found.update(kinds)

    # Nobody plans for an error in this program, and other methods are no operations.
    assert KINDS.keys() - found == {"internal-error", "method-not-allowed"}


def test_whatever_may_be_asked_again_takes_a_key() -> None:
    keyed = {
        operation["operationId"]
        for _path, _method, operation in operations()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    }

    assert keyed == {
        "vzaps_instances_create",
        "vzaps_instances_destroy",
        "vzaps_instances_restart",
        "vzaps_subscriptions_subscribe",
        "vzaps_subscriptions_cancel",
        "vzaps_subscriptions_resume",
        "vzaps_sessions_disconnect",
        "vzaps_webhooks_apply",
        "vzaps_webhooks_rotate_secret",
        "vzaps_deliveries_retry",
        "vzaps_messages_send",
        "vzaps_batches_create",
    }


OTHER_WAYS = [
    ("OAS_VERSION", "3.0.3"),
    ("COMPONENT_SPLIT_REQUEST", True),
    ("COMPONENT_SPLIT_PATCH", False),
    ("COMPONENT_NO_READ_ONLY_REQUIRED", True),
]


@pytest.mark.parametrize(("name", "value"), OTHER_WAYS)
def test_nothing_is_guessed_also_where_a_project_has_set_other_ways(name: str, value: object) -> None:
    generated(**{name: value})


@pytest.mark.contract  # each takes seconds
@pytest.mark.parametrize(("name", "value"), OTHER_WAYS)
def test_it_is_valid_also_where_a_project_has_set_other_ways(name: str, value: object) -> None:
    validate_schema(generated(**{name: value}))


def test_without_drf_spectacular_the_api_is_the_same() -> None:
    code = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "drf_spectacular":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "drf_spectacular" else real(name, *rest)
import django
django.setup()
from django.test import Client
answer = Client().get("/api/vzaps/instances/", headers={"host": "localhost"})
print(answer.status_code, answer["Content-Type"], "drf_spectacular" in sys.modules)
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stdout.split() == ["401", "application/problem+json", "False"], done.stderr
