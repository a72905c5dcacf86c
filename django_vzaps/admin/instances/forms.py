"""What people type about an instance. Nothing here changes anything."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_vzaps import conf
from django_vzaps.events import volumes
from django_vzaps.models import Account, Instance
from django_vzaps.search.typed import phone
from django_vzaps.services import webhooks


def event_choices() -> list[tuple[str, str]]:
    """The documented event types, as they are called on VZaps, and how many of each to expect."""
    masses = volumes.in_words(webhooks.EVENT_TYPES)
    beside = {**volumes.usual(), **masses, "All": gettext("Every type, also %(types)s.") % {"types": ", ".join(masses)}}
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
    """``idempotency_key`` makes a second click find the first one's operation: it would end the old secret at once."""

    events = EventsField()
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4, required=False)


class PhoneField(forms.CharField):
    """A phone number, typed in any usual way; cleaned it is digits only, as VZaps wants it (API.md section 1)."""

    widget = forms.TextInput(attrs={"type": "tel", "autocomplete": "off", "class": "vTextField"})

    def __init__(self, **kwargs: Any) -> None:
        help_text = _("International, for example +55 21 98888-7777.")
        super().__init__(**{"label": _("Phone number"), "max_length": 32, "help_text": help_text, **kwargs})

    def clean(self, value: Any) -> str:
        """The digits. Raises ``ValidationError`` where they are no phone number."""
        digits = phone(str(super().clean(value)))
        if not 8 <= len(digits) <= 15:
            raise ValidationError(_("Enter the number with its country code: 8 to 15 digits."))
        return digits


class PairCodeForm(forms.Form):
    """The number of the phone that shall be paired."""

    phone = PhoneField()


class SendForm(forms.Form):
    """A test message. ``idempotency_key`` makes a second click find the first one's operation."""

    phone = PhoneField(label=_("To"))
    text = forms.CharField(
        label=_("Text"),
        max_length=4000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
        help_text=_("It is sent as it is, and not kept here."),
    )
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class OwnerForm(forms.Form):
    """Whose an instance is, by user name: a list to choose from would have every user in it."""

    owner = forms.CharField(
        label=_("User name"),
        required=False,
        max_length=254,
        help_text=_("As the user logs in. Leave it empty where it is nobody's. VZaps is told nothing of it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "vTextField"}),
    )

    @classmethod
    def of(cls, instance: Instance, data: Any = None) -> OwnerForm:
        """The form with the present owner."""
        return cls(data, initial={"owner": instance.owner.get_username() if instance.owner else ""})

    def clean_owner(self) -> AbstractBaseUser | None:
        """The user of that name."""
        name, users = self.cleaned_data["owner"], get_user_model()._default_manager
        if not name:
            return None
        try:
            return users.get_by_natural_key(name)
        except users.model.DoesNotExist:
            raise ValidationError(_("There is no user of this name.")) from None


class RetryForm(forms.Form):
    """Which delivery VZaps shall make again."""

    log_id = forms.CharField(max_length=128, strip=False)
    idempotency_key = forms.UUIDField()


class ConfirmForm(forms.Form):
    """Yes, and nothing else. ``idempotency_key`` makes a second click find the first one's operation."""

    idempotency_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4, required=False)


class BillingForm(ConfirmForm):
    """Without its page's key nothing is sent."""

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
