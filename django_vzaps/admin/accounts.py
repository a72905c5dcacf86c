"""Accounts: credentials go in and never come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import conf, services
from django_vzaps.admin import display
from django_vzaps.admin.remote import RemoteAdmin
from django_vzaps.models import Account
from django_vzaps.secret import Secret
from django_vzaps.services import VZapsError

if TYPE_CHECKING:
    _AccountForm = forms.ModelForm[Account]
else:
    _AccountForm = forms.ModelForm


CREDENTIALS: Final = ("client_token", "client_secret")


def write_only(label: Any) -> forms.CharField:
    """A field that takes a secret and is always rendered empty."""
    return forms.CharField(
        label=label,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"}),
    )


class AccountForm(_AccountForm):
    """Blank credentials leave those there are."""

    new_client_token = write_only(gettext_lazy("Client token"))
    new_client_secret = write_only(gettext_lazy("Client secret"))

    class Meta:
        model = Account
        fields = ["name", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in CREDENTIALS:
            # A user who may only look gets a form without them.
            if f"new_{name}" in self.fields:
                self.fields[f"new_{name}"].help_text = _help(self.instance, getattr(self.instance, name))

    def clean(self) -> dict[str, Any]:
        """Put what was entered on the account: both credentials or, where settings have them, none."""
        given = super().clean() or self.cleaned_data
        credentials = {name: given.get(f"new_{name}") or getattr(self.instance, name) for name in CREDENTIALS}
        missing = [name for name, value in credentials.items() if value is None]
        if len(missing) == 1 or (missing and given.get("name") != conf.current().account_name):
            raise forms.ValidationError(_("Enter the client token and the client secret of this account."))
        for name, value in credentials.items():
            setattr(self.instance, name, value)
        return given


def _help(account: Account, secret: Secret | None) -> str:
    if secret is None:
        if account.pk and account.name == conf.current().account_name:
            return _("Read from settings. What is entered here takes their place.")
        return _("From the area “Security” of the VZaps web app.")
    try:
        hint = secret.hint
    except VZapsError as error:
        return str(error)
    return _("Stored, ends in %(hint)s. Leave blank to keep it.") % {"hint": hint}


@admin.register(Account)
class AccountAdmin(RemoteAdmin):
    form = AccountForm
    list_display = ["name", "is_active", "credentials", "last_sync", "sync_problem"]
    search_fields = ["name"]
    fields = ["name", "is_active", "new_client_token", "new_client_secret", "last_sync", "sync_problem"]
    readonly_fields = ["last_sync", "sync_problem"]

    @admin.display(description=gettext_lazy("credentials"))
    def credentials(self, account: Account) -> str:
        """Where they are kept."""
        if not account.credentials_in_settings:
            return _("stored encrypted")
        return _("in settings") if account.name == conf.current().account_name else _("none")

    @admin.display(description=gettext_lazy("last complete sync"), ordering="synced_at")
    def last_sync(self, account: Account) -> SafeString | str:
        """How old the mirror of the account is."""
        return display.ago(account.synced_at)

    @admin.display(description=gettext_lazy("last sync error"))
    def sync_problem(self, account: Account) -> str:
        """What kept the last sync from being complete."""
        return account.sync_error or display.NOTHING

    def get_urls(self) -> list[URLPattern]:
        """With buttons to sync and to test the credentials."""
        return [
            path("<int:object_id>/sync/", self.remote(self.sync_view), name="django_vzaps_account_sync"),
            path("<int:object_id>/test/", self.remote(self.test_view), name="django_vzaps_account_test"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's list, which has the account named in settings from the first look."""
        Account.objects.from_settings()
        return super().changelist_view(request, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the buttons that the user may press."""
        context["may_sync"] = self.may_sync(request)
        context["may_test"] = self.has_change_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def sync_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Read the account's instances from VZaps."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self._account(request, object_id, permitted=self.may_sync(request))
        self.sync(request, account)
        return HttpResponseRedirect(self.address(Account, "change", account.pk))

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask VZaps for one instance, to see whether it takes the credentials."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self._account(request, object_id, permitted=self.has_change_permission(request))
        try:
            services.accounts.check_credentials(account)
        except VZapsError as error:
            self.explain(request, error)
        else:
            self.message_user(request, _("VZaps accepts the credentials."), messages.SUCCESS)
        return HttpResponseRedirect(self.address(Account, "change", account.pk))

    def _account(self, request: HttpRequest, object_id: int, *, permitted: bool) -> Account:
        if not (permitted and self.has_view_permission(request)):
            raise PermissionDenied
        account = self.get_object(request, str(object_id))
        if account is None:
            raise Http404
        return account  # type: ignore[no-any-return]
