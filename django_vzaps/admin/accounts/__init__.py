"""Accounts: credentials go in and never come out; how many instances each has, and how far its sync is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_vzaps import conf, services
from django_vzaps.admin import display
from django_vzaps.admin.accounts.facts import AccountChangeList, capped, facts_of
from django_vzaps.admin.accounts.failing import failing
from django_vzaps.admin.batches.words import walked
from django_vzaps.admin.starting import StartsBatches
from django_vzaps.models import Account, Batch, BatchItem, BatchItemState, Instance, Operation
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
class AccountAdmin(StartsBatches):
    form = AccountForm
    list_display = [
        "name",
        "is_active",
        "instances_shown",
        "connected_shown",
        "attention_shown",
        "credentials",
        "last_sync",
        "problems",
    ]
    search_fields = ["name"]
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    fields = [
        "name",
        "is_active",
        "new_client_token",
        "new_client_secret",
        "instances_shown",
        "connected_shown",
        "attention_shown",
        "last_sync",
        "sync_problem",
        "failing_shown",
    ]
    readonly_fields = [
        "instances_shown",
        "connected_shown",
        "attention_shown",
        "last_sync",
        "sync_problem",
        "failing_shown",
    ]

    @admin.display(description=gettext_lazy("instances"))
    def instances_shown(self, account: Any) -> SafeString | str:
        """How many exist on VZaps, with a link to them."""
        if not hasattr(account, "facts"):
            return display.NOTHING
        url = f"{self.address(Instance, 'changelist')}?{urlencode({'account__id__exact': account.pk})}"
        return format_html('<a href="{}">{}</a>', url, capped(account.facts.present))

    @admin.display(description=pgettext_lazy("instances", "connected"))
    def connected_shown(self, account: Any) -> str:
        """How many are connected, as was heard not long ago."""
        return capped(account.facts.connected) if hasattr(account, "facts") else display.NOTHING

    @admin.display(description=gettext_lazy("disconnected or stale"))
    def attention_shown(self, account: Any) -> str:
        """How many somebody should look at."""
        return capped(account.facts.attention) if hasattr(account, "facts") else display.NOTHING

    @admin.display(description=gettext_lazy("credentials"))
    def credentials(self, account: Account) -> str:
        """Where they are kept."""
        if not account.credentials_in_settings:
            return _("stored encrypted")
        return _("in settings") if account.name == conf.current().account_name else _("none")

    @admin.display(description=gettext_lazy("last complete sync"), ordering="synced_at")
    def last_sync(self, account: Any) -> SafeString | str:
        """How old the mirror of the account is; while it is being read, how far that is."""
        age = display.ago(account.synced_at)
        item = account.facts.sync if hasattr(account, "facts") else None
        if item is not None and not account.facts.may_see_sync:
            return format_html("{}<br>{}", age, syncing(item))
        if item is not None:
            url = self.address(Batch, "change", item.batch_id)
            return format_html('{}<br><a href="{}">{}</a>', age, url, syncing(item))
        return format_html("{}<br>{}", age, _("being synced now")) if account.is_syncing else age

    @admin.display(description=gettext_lazy("last sync error"))
    def sync_problem(self, account: Account) -> SafeString | str:
        """What kept the last sync from being complete."""
        return display.from_outside(account.sync_error)

    @admin.display(description=gettext_lazy("problems"))
    def problems(self, account: Account) -> SafeString | str:
        """Whether VZaps can be read for it, and the beginning of what the last sync said; for the list."""
        error = display.in_brief(account.sync_error, display.LONGEST_DETAIL) if account.sync_error else ""
        if account.failing_since is None:
            return error or display.NOTHING
        return format_html("{}<div>{}</div>", failing(account), error)

    @admin.display(description=gettext_lazy("reading VZaps"))
    def failing_shown(self, account: Account) -> SafeString | str:
        """Whether VZaps can be read for it."""
        return failing(account)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Only what was entered: syncs and probes write the other columns meanwhile."""
        obj.save(update_fields=["name", "is_active", *CREDENTIALS] if change else None)

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
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the buttons that the user may press."""
        context["may_sync"] = self.may_sync(request)
        context["may_test"] = self.has_change_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AccountChangeList]:
        """The list that counts instances."""
        return AccountChangeList

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Also protected: an account of which an instance may still come."""
        deleted, counts, needed, protected = super().get_deleted_objects(objs, request)
        may_come = Operation.objects.open_creations().filter(account__in=objs)
        return deleted, counts, needed, [*protected, *map(str, may_come)]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """With its facts."""
        account: Any = super().get_object(request, object_id, from_field)
        if account is not None:
            account.facts = facts_of(request, [account])[account.pk]
        return account

    def sync_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Read the account's instances from VZaps."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self.row_for(request, object_id, permitted=self.may_sync(request))
        self.start_account_sync(request, [account])
        return HttpResponseRedirect(self.address(Account, "change", account.pk))

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask VZaps for one instance, to see whether it takes the credentials."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self.row_for(request, object_id, permitted=self.has_change_permission(request))
        try:
            services.accounts.check_credentials(account)
        except VZapsError as error:
            self.explain(request, error)
        else:
            self.message_user(request, _("VZaps accepts the credentials."), messages.SUCCESS)
        return HttpResponseRedirect(self.address(Account, "change", account.pk))


def syncing(item: BatchItem) -> str:
    """How far an account's sync is, in words."""
    if item.state == BatchItemState.WAITING:
        return _("waits to be synced")
    how_far = walked(item)
    return _("being synced now: %(how_far)s") % {"how_far": how_far} if how_far else _("being synced now")
