from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_vzaps import conf
from django_vzaps.models.fields import EncryptedTextField, ExactCharField
from django_vzaps.secret import Secret


class AccountManager(models.Manager["Account"]):
    def from_settings(self) -> Account | None:
        """The account named in settings, made on first use; None where settings hold no credentials."""
        current = conf.current()
        if not (current.client_token and current.client_secret):
            return None
        return self.get_or_create(name=current.account_name)[0]


class Account(models.Model):
    """A VZaps account: the credentials with which its instances are managed and paid for.

    The account named in settings keeps none here: both columns are null and settings are read at call time.
    """

    name = ExactCharField(_("name"), max_length=100, unique=True)
    client_token = EncryptedTextField(_("client token"), null=True, blank=True, editable=False)
    client_secret = EncryptedTextField(_("client secret"), null=True, blank=True, editable=False)
    is_active = models.BooleanField(
        pgettext_lazy("account", "active"), default=True, help_text=_("An inactive account is not synced.")
    )
    synced_at = models.DateTimeField(_("last complete sync"), null=True, blank=True, editable=False)
    sync_error = models.TextField(_("last sync error"), blank=True, editable=False)
    sync_lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    sync_lease_holder = models.CharField(max_length=32, blank=True, editable=False)
    #: Since when every call that was made by itself failed for a reason that concerns the whole account, and how.
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    failure_kind = models.CharField(_("kind of failure"), max_length=16, blank=True, editable=False)
    #: Until then VZaps is left alone, but for the sync.
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True, editable=False)
    probed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AccountManager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def credentials_in_settings(self) -> bool:
        """Whether none are kept here: those of settings count, where settings name this account."""
        return self.client_token is None and self.client_secret is None

    @property
    def credentials(self) -> tuple[Secret, Secret]:
        """Client token and client secret; empty secrets where settings hold none."""
        if self.client_token is not None and self.client_secret is not None:
            return self.client_token, self.client_secret
        current = conf.current()
        if self.name != current.account_name:
            return Secret(""), Secret("")
        return Secret(current.client_token), Secret(current.client_secret)

    @property
    def is_syncing(self) -> bool:
        """Whether its instances are being read from VZaps now."""
        return self.sync_lease_until is not None and self.sync_lease_until > timezone.now()

    def clean(self) -> None:
        super().clean()
        if (self.client_token is None) != (self.client_secret is None):
            # Not under a field's name: a form without that field could not show it.
            raise ValidationError(_("Enter the client token and the client secret together."))
