"""What the lists can be filtered by; each filter finds its rows on an index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django import forms
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import rest_framework as filters

from django_vzaps.models import (
    Alert,
    AlertKind,
    Batch,
    BatchItem,
    BatchItemState,
    BatchKind,
    ChangedField,
    ConnectionSource,
    ConnectionState,
    Event,
    EventState,
    Instance,
    InstanceChange,
    Operation,
    OperationKind,
    OperationOutcome,
    SubscriptionState,
    Webhook,
    WebhookHealth,
)
from django_vzaps.models.fields import storable, storable_moment
from django_vzaps.search import events as event_search
from django_vzaps.search import instances as instance_search
from django_vzaps.services.batches import visible_items

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9998
#: As many digits fit into every database's integers.
_DIGITS: Final = 19


class _TextField(forms.CharField):
    """What no row can have finds none; it is no error."""

    def to_python(self, value: Any) -> Any:
        """The text as a column would have it."""
        return storable(super().to_python(value))


class TextFilter(filters.CharFilter):
    """A text, to the letter."""

    field_class = _TextField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, strip=False, **kwargs)


class _MomentField(forms.Field):
    """ISO 8601; without an offset it is UTC."""

    def to_python(self, value: Any) -> datetime | None:
        """The moment. Raises ``ValidationError``."""
        if not value:
            return None
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise forms.ValidationError(
                _("Give a time in ISO 8601, such as 2026-11-25T12:00:00Z."), code="invalid"
            ) from None
        if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
            # No row is so old or so new, and no time zone reaches as far.
            at = at.replace(year=min(max(at.year, _FIRST_YEAR), _LAST_YEAR), day=1)
        return storable_moment(at.replace(tzinfo=UTC) if at.tzinfo is None else at)


class _WholeNumberField(forms.Field):
    """Digits, as the id of a row has them: no other way of writing a number."""

    def to_python(self, value: Any) -> int | None:
        """The number. Raises ``ValidationError``."""
        if not value:
            return None
        number = int(value) if value.isascii() and value.isdigit() and len(value) < _DIGITS else 0
        if number < 1:
            raise forms.ValidationError(_("Give a whole number from 1 on."), code="invalid")
        return number


class KeyFilter(filters.Filter):
    """The id of a row."""

    field_class = _WholeNumberField


class MomentFilter(filters.Filter):
    """A moment."""

    field_class = _MomentField


#: What is wrong with a word that is none of a few; Django puts the value in, and the words are put in here.
_NONE_OF = gettext_lazy("“%(value)s” is none of: {choices}.")


class OneOfFilter(filters.ChoiceFilter):
    """One of a few words; whoever gives another one is told which there are."""

    def __init__(self, words: Sequence[str], **kwargs: Any) -> None:
        messages = {"invalid_choice": format_lazy(_NONE_OF, choices=", ".join(words))}
        super().__init__(choices=[(word, word) for word in words], error_messages=messages, **kwargs)


class _Ordering(filters.OrderingFilter):
    """With the primary key behind, so that a page's rows stay its own."""

    def __init__(self, names: Sequence[str]) -> None:
        words = ", ".join(word for name in names for word in (name, f"-{name}"))
        messages = {"invalid_choice": format_lazy(_NONE_OF, choices=words)}
        super().__init__(fields=[(name, name) for name in names], error_messages=messages)

    def filter(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Ordered as asked for."""
        return rows if not value else rows.order_by(*(self.get_ordering_value(name) for name in value), "pk")


class InstanceFilters(filters.FilterSet):
    """Filters of the list of instances; those that are gone from VZaps are left out unless asked for."""

    search = TextFilter(method="find", label="By the beginning of name, id, phone or JID; with * before it, in names.")
    account = KeyFilter(field_name="account_id")
    owner = TextFilter(method="owned", label="The user's name.")
    connection = OneOfFilter(ConnectionState.values, method="connected")
    is_doubtful = OneOfFilter(["true", "false"], method="doubtful")
    subscription = OneOfFilter(SubscriptionState.values, field_name="subscription__state")
    webhook = OneOfFilter(WebhookHealth.values, method="in_health")
    presence = OneOfFilter(["present", "gone", "all"], method="is_present")
    ordering = _Ordering(["name", "last_event_at", "synced_at"])

    class Meta:
        model = Instance
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        """The chosen ones; present ones where nothing else is said."""
        if not self.form.cleaned_data.get("presence"):
            queryset = queryset.filter(removed_at__isnull=True)
        return super().filter_queryset(queryset)  # type: ignore[no-any-return]

    def find(self, rows: QuerySet[Instance], name: str, value: str) -> QuerySet[Instance]:
        """By what people type."""
        return rows.filter(instance_search.matching(value, vendor=connections[rows.db].vendor))

    def owned(self, rows: QuerySet[Instance], name: str, value: str) -> QuerySet[Instance]:
        """Those of one user."""
        user = get_user_model()
        return rows.filter(owner__in=user._default_manager.filter(**{user.USERNAME_FIELD: value}))

    def connected(self, rows: Any, name: str, value: str) -> QuerySet[Instance]:
        """Those in a state of connection."""
        return rows.in_connection_state(value)  # type: ignore[no-any-return]

    def doubtful(self, rows: Any, name: str, value: str) -> QuerySet[Instance]:
        """Those that are silent for too long to be believed connected; or the others."""
        silent = rows.suspiciously_silent()
        return silent if value == "true" else rows.exclude(pk__in=silent.values("pk"))  # type: ignore[no-any-return]

    def in_health(self, rows: QuerySet[Instance], name: str, value: str) -> QuerySet[Instance]:
        """Those whose webhook is so."""
        return rows.filter(Webhook.in_health(value, prefix="webhook__"))

    def is_present(self, rows: QuerySet[Instance], name: str, value: str) -> QuerySet[Instance]:
        """Those that are on VZaps, or gone from there."""
        return rows if value == "all" else rows.filter(removed_at__isnull=value == "present")


class _AboutInstance(filters.FilterSet):
    instance = TextFilter(method="of_instance", label="The VZaps id of the instance.")

    def of_instance(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Those about one instance. Its key is looked up first: so every database finds them on an index."""
        pk = Instance.objects.filter(vzaps_id=value).values_list("pk", flat=True).first()
        return rows.none() if pk is None else rows.filter(instance=pk)


class EventFilters(_AboutInstance):
    """Filters of the list of events."""

    search = TextFilter(method="find", label="A message id, a phone number or its beginning, a chat, or #123.")
    type = TextFilter(field_name="type")
    state = OneOfFilter(EventState.values)
    message_id = TextFilter(field_name="message_id")
    chat = TextFilter(field_name="chat")
    received_after = MomentFilter(field_name="received_at", lookup_expr="gte")
    received_before = MomentFilter(field_name="received_at", lookup_expr="lt")

    class Meta:
        model = Event
        fields: ClassVar[list[str]] = []

    def find(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        """By what people type."""
        wanted = event_search.wanted(value)
        return rows if wanted is None else rows.filter(wanted)


class OperationFilters(_AboutInstance):
    """Filters of the list of operations."""

    kind = OneOfFilter(OperationKind.values)
    outcome = OneOfFilter(OperationOutcome.values)
    batch = filters.UUIDFilter(field_name="batch__public_id")
    is_settled = OneOfFilter(["true", "false"], method="settled")
    started_after = MomentFilter(field_name="started_at", lookup_expr="gte")
    started_before = MomentFilter(field_name="started_at", lookup_expr="lt")

    class Meta:
        model = Operation
        fields: ClassVar[list[str]] = []

    def settled(self, rows: Any, name: str, value: str) -> QuerySet[Operation]:
        """Those whose outcome, and effect on billing, is known; or the others, running ones too."""
        is_open = Q(outcome__in=[OperationOutcome.RUNNING, OperationOutcome.UNKNOWN]) | Q(lock__isnull=False)
        return rows.filter(~is_open if value == "true" else is_open)  # type: ignore[no-any-return]


class AlertFilters(_AboutInstance):
    """Filters of the list of alerts."""

    open = OneOfFilter(["true", "false"], method="is_open", label="Whether its reason still holds.")
    kind = OneOfFilter(AlertKind.values, label="What it tells of.")
    account = KeyFilter(field_name="account_id", label="The id of the account that it is about.")

    class Meta:
        model = Alert
        fields: ClassVar[list[str]] = []

    def is_open(self, rows: QuerySet[Alert], name: str, value: str) -> QuerySet[Alert]:
        """Those whose reason still holds, or those that are over."""
        return rows.filter(resolved_at__isnull=value == "true")


class ChangeFilters(filters.FilterSet):
    """Filters of the history of an instance."""

    field = OneOfFilter(ChangedField.values, label="Which fact.")
    source = OneOfFilter(ConnectionSource.values, label="Who said so.")

    class Meta:
        model = InstanceChange
        fields: ClassVar[list[str]] = []


class BatchFilters(filters.FilterSet):
    """Filters of the list of batches."""

    kind = OneOfFilter(BatchKind.values)
    state = OneOfFilter(["open", "failed", "unknown"], method="in_state")

    class Meta:
        model = Batch
        fields: ClassVar[list[str]] = []

    def in_state(self, rows: QuerySet[Batch], name: str, value: str) -> QuerySet[Batch]:
        """Those that are not finished, or with items that ended so and that the user may see."""
        if value == "open":
            return rows.filter(finished_at__isnull=True)
        return rows.filter(Exists(visible_items(self.request.user).filter(batch=OuterRef("pk"), state=value)))


class BatchItemFilters(filters.FilterSet):
    """Filters of the items of a batch."""

    state = OneOfFilter(BatchItemState.values)

    class Meta:
        model = BatchItem
        fields: ClassVar[list[str]] = []
