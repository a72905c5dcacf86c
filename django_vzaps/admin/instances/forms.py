"""What people type about an instance. Nothing here touches the database or VZaps."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_vzaps import conf
from django_vzaps.events import volumes
from django_vzaps.models import Account, Instance
from django_vzaps.services import webhooks


def event_choices() -> list[tuple[str, str]]:
    """The documented event types, as they are called on VZaps; beside those that come in masses, what to expect."""
    masses = volumes.in_words(webhooks.EVENT_TYPES)
    beside = {**masses, "All": gettext("Every type, also %(types)s.") % {"types": ", ".join(masses)}}
    return [(name, f"{name}: {beside[name]}" if name in beside else name) for name in webhooks.EVENT_TYPES]


class EventsField(forms.MultipleChoiceField):
    """Which events VZaps shall send; at least one."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=event_choices, label=_("Events"), **kwargs)


class SettingsForm(forms.Form):
    """The settings of an instance on VZaps (API.md section 3.1)."""

    name = forms.CharField(
        label=_("Name"),
        min_length=3,
        max_length=255,
        widget=AdminTextInputWidget,
        help_text=_("3 to 255 characters, as it is shown on VZaps."),
    )
    reject_calls = forms.BooleanField(label=_("Reject calls"), required=False)
    auto_read_messages = forms.BooleanField(label=_("Mark messages as read"), required=False)

    @classmethod
    def of(cls, instance: Instance, data: Any = None) -> SettingsForm:
        """The form with what is known of ``instance``."""
        known = {name: getattr(instance, name) for name in ("name", "reject_calls", "auto_read_messages")}
        return cls(data, initial=known)

    def changes(self) -> dict[str, Any]:
        """Only what the person changed: what the mirror has wrong is not written back."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class CreateForm(SettingsForm):
    """A new instance. ``idempotency_key`` makes a second click find the first one's operation."""

    account = forms.ModelChoiceField(label=_("Account"), queryset=Account.objects.filter(is_active=True))
    events = EventsField(required=True)
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    field_order = ["account", "name", "events", "reject_calls", "auto_read_messages", "idempotency_key"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if webhooks.can_receive():
            self.fields["events"].initial = list(conf.current().webhook_events)
        else:
            del self.fields["events"]
        accounts = list(Account.objects.filter(is_active=True)[:2])
        if len(accounts) == 1:
            self.fields["account"].initial = accounts[0]


class WebhookForm(forms.Form):
    events = EventsField()


class PairCodeForm(forms.Form):
    """The number of the phone that shall be paired."""

    phone = forms.CharField(
        label=_("Phone number"),
        max_length=32,
        help_text=_("International, for example +55 21 98888-7777."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off", "class": "vTextField"}),
    )

    def clean_phone(self) -> str:
        """Digits only, as VZaps wants it (API.md section 1)."""
        digits = re.sub(r"[\s().+-]", "", self.cleaned_data["phone"])
        if not re.fullmatch(r"[0-9]{8,15}", digits):
            raise ValidationError(_("Enter the number with its country code: 8 to 15 digits."))
        return digits


class ConfirmForm(forms.Form):
    """Yes, and nothing else."""


class BillingForm(ConfirmForm):
    """``idempotency_key`` makes a second click find the first one's operation."""

    idempotency_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class ChargeForm(BillingForm):
    """``in_doubt`` comes from a page that could not say what there is to pay for: then a click is not enough."""

    in_doubt = forms.BooleanField(required=False, widget=forms.HiddenInput)
    despite_doubt = forms.BooleanField(label=_("I have looked on VZaps' own pages: charge the card"), required=False)

    def clean(self) -> dict[str, Any]:
        """Whoever pays in doubt has to say so."""
        given = super().clean() or self.cleaned_data
        if given.get("in_doubt") and not given.get("despite_doubt"):
            self.add_error("despite_doubt", gettext("Nothing was sent. Tick this box to go on all the same."))
        return given


class DeleteForm(ConfirmForm):
    despite_subscription = forms.BooleanField(
        label=_("Delete it despite the subscription"),
        required=False,
        help_text=_("VZaps does not say what becomes of the subscription. It may go on being charged."),
    )
