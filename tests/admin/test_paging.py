"""Pages of long tables: what is shown, and what the database joins for it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.models import Account, Batch, BatchKind, FailedDelivery, HealingRun, Instance, Operation
from tests.admin.conftest import page
from tests.admin.rows import event, make


def rows_of(model: type[models.Model], account: Account) -> list[Any]:
    """Five of them, as the list shows them."""
    instances = [make(account, f"Shop {number}") for number in range(5)]
    if model is Instance:
        return instances
    columns: dict[type[models.Model], Any] = {
        Operation: lambda of: {"instance": of, "account": account, "kind": "x", "deadline": timezone.now()},
        HealingRun: lambda of: {"instance": of},
        FailedDelivery: lambda of: {"instance": of, "log_id": of.name, "event": event(of, "done")},
        Batch: lambda of: {"kind": BatchKind.RESTART},
    }
    return [model._default_manager.create(**columns[model](of)) for of in instances][::-1]


@pytest.mark.parametrize("model", [Instance, Operation, HealingRun, FailedDelivery, Batch])
def test_nothing_is_joined_to_the_rows_before_a_page(
    model: type[models.Model], account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(model, account)
    monkeypatch.setattr(admin.site._registry[model], "list_per_page", 2)
    for number, expected in ((1, rows[:2]), (2, rows[2:4]), (3, rows[4:])):
        with CaptureQueriesContext(connection) as captured:
            response = browser.get(page(f"{model._meta.model_name}_changelist"), {"p": number})
        assert list(response.context["cl"].result_list) == expected
        (chosen,) = {
            found[1] for each in captured if (found := re.search(r"SELECT \* FROM \((.*)\) AS page", each["sql"]))
        }
        assert "JOIN" not in chosen
        assert "LIMIT 2" in chosen or "LIMIT 1" in chosen


def test_what_is_shown_of_a_delivery_is_read_with_it_and_its_payload_is_not(account: Account, browser: Client) -> None:
    rows_of(FailedDelivery, account)
    with CaptureQueriesContext(connection) as captured:
        browser.get(page("faileddelivery_changelist"))
    assert not [each["sql"] for each in captured if "payload" in each["sql"]]
