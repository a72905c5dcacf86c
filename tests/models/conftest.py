from __future__ import annotations

import pytest

from django_vzaps.models import Account, Instance


@pytest.fixture
def account(db: None) -> Account:
    return Account.objects.create(name="main")


@pytest.fixture
def instance(account: Account) -> Instance:
    return Instance.objects.create(account=account, vzaps_id="VZ1", name="Front desk")
