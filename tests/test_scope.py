"""Who sees which instances, where the project says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet

from django_vzaps import scope
from django_vzaps.models import Account, Event, Instance

Scope = Any


def only_mine(user: User, instances: QuerySet[Instance]) -> QuerySet[Instance]:
    return instances.filter(owner=user)


@pytest.fixture
def ana(db: None) -> User:
    return User.objects.create_user("ana")


@pytest.fixture
def instances(ana: User) -> QuerySet[Instance]:
    """One of Ana's and one of nobody's, with an event each."""
    account = Account.objects.create(name="main")
    for name, owner in (("hers", ana), ("nobodys", None)):
        instance = Instance.objects.create(account=account, vzaps_id=f"VZ{name}", name=name, owner=owner)
        Event.objects.create(instance=instance, payload="{}")
    return Instance.objects.all()


@pytest.fixture
def scoped_by(settings: Any) -> Scope:
    def scoped_by(limit: Any) -> None:
        settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": limit}

    return scoped_by


@pytest.mark.parametrize("limit", [only_mine, "tests.test_scope.only_mine"])
def test_a_user_sees_what_the_scope_leaves(
    limit: Any, scoped_by: Scope, ana: User, instances: QuerySet[Instance]
) -> None:
    scoped_by(limit)
    assert [str(found) for found in scope.limited(ana, instances)] == ["hers"]
    found = scope.about(ana, Event.objects.all(), instances)
    assert [event.instance.name for event in found] == ["hers"]


def test_without_a_scope_everybody_sees_everything(ana: User, instances: QuerySet[Instance]) -> None:
    assert scope.limited(ana, instances).count() == 2
    assert scope.about(ana, Event.objects.all(), instances).count() == 2


def test_the_system_sees_everything(scoped_by: Scope, instances: QuerySet[Instance]) -> None:
    scoped_by(only_mine)
    assert scope.limited(None, instances).count() == 2
    assert scope.about(None, Event.objects.all(), instances).count() == 2


@pytest.mark.parametrize(
    "limit",
    [
        lambda user, found: None,
        lambda user, found: list(found),
        lambda user, found: Event.objects.all(),
    ],
)
def test_a_scope_that_is_none_shows_nothing_by_mistake(
    limit: Any, scoped_by: Scope, ana: User, instances: QuerySet[Instance]
) -> None:
    scoped_by(limit)
    with pytest.raises(ImproperlyConfigured, match="must return a queryset of instances"):
        scope.limited(ana, instances)
