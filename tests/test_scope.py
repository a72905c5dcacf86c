"""Who sees which instances, where the project says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.test import Client
from django.urls import reverse

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


#: Ways to say the same: Ana sees hers. Each instance has two events, so that a join shows it twice.
WAYS: dict[str, Any] = {
    "plain": only_mine,
    "distinct": lambda user, found: only_mine(user, found).distinct(),
    "joined": lambda user, found: only_mine(user, found).filter(events__payload="{}"),
    "joined and distinct": lambda user, found: only_mine(user, found).filter(events__payload="{}").distinct(),
    "annotated": lambda user, found: only_mine(user, found).annotate(mine=Count("events")).filter(mine=2),
    "either": lambda user, found: found.filter(Q(owner=user) | Q(owner=user, events__payload="{}")),
    "ordered": lambda user, found: only_mine(user, found).order_by("-name"),
    "sliced": lambda user, found: only_mine(user, found).order_by("pk")[:5],
    "union": lambda user, found: only_mine(user, found).union(only_mine(user, found).filter(events__payload="{}")),
    "from the beginning": lambda user, _found: only_mine(user, Instance.objects.all()),
}


@pytest.fixture(params=WAYS)
def in_every_way(request: Any, scoped_by: Scope, instances: QuerySet[Instance]) -> None:
    for instance in instances:
        Event.objects.create(instance=instance, payload="{}")
    scoped_by(WAYS[request.param])


def test_what_a_scope_leaves_is_as_good_as_any_queryset(
    in_every_way: None, ana: User, instances: QuerySet[Instance]
) -> None:
    found = scope.limited(ana, instances)
    hers = found.get(name="hers")
    assert found.filter(name__startswith="h").count() == 1
    assert not found.filter(name="nobodys").exists()
    assert list(found.order_by("-pk").values_list("pk", flat=True)[:3]) == [hers.pk]
    with transaction.atomic():
        assert found.select_for_update().get() == hers
    events = scope.about(ana, Event.objects.all(), Instance.objects.all())
    assert {event.instance_id for event in events} == {hers.pk}
    assert events.count() == 2


def test_the_admin_takes_any_kind_of_scope(in_every_way: None, ana: User, instances: QuerySet[Instance]) -> None:
    User.objects.filter(pk=ana.pk).update(is_staff=True, is_superuser=True)
    hers, nobodys = instances.get(name="hers"), instances.get(name="nobodys")
    browser = Client()
    browser.force_login(ana)
    listed = reverse("admin:django_vzaps_instance_changelist")
    assert [row.pk for row in browser.get(listed, {"q": "h"}).context["cl"].result_list] == [hers.pk]
    for name in ("event", "operation", "batch", "account"):
        assert browser.get(reverse(f"admin:django_vzaps_{name}_changelist")).status_code == 200
    assert browser.get(reverse("admin:django_vzaps_instance_change", args=[hers.pk])).status_code == 200
    for instance, status in ((hers, 200), (nobodys, 404)):
        for page in ("restart", "webhook", "owner"):
            address = reverse(f"admin:django_vzaps_instance_{page}", args=[instance.pk])
            assert browser.get(address).status_code == status, page
    both = {"action": "restart_selected", "_selected_action": [hers.pk, nobodys.pk], "select_across": "1"}
    assert browser.post(listed, both).context["count"] == 1
