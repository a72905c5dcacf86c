from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_vzaps.models.fields import EncryptedTextField
from django_vzaps.models.instance import Instance


class PairingPhase(models.TextChoices):
    """How far it is. Not a column's choices: those would end up in migrations."""

    #: Nothing was asked yet.
    IDLE = "idle", pgettext_lazy("pairing", "Ready to pair")
    #: Asked; no code is here yet.
    STARTING = "starting", pgettext_lazy("pairing", "Starting")
    SCAN = "scan", pgettext_lazy("pairing", "Scan now")
    #: A code to type was given out.
    TYPING = "typing", pgettext_lazy("pairing", "Type the code")
    #: A phone has the code, and the session comes up.
    LINKING = "linking", pgettext_lazy("pairing", "Linking")
    CONNECTED = "connected", pgettext_lazy("pairing", "Connected")
    #: The time is over, ours or VZaps'.
    EXPIRED = "expired", pgettext_lazy("pairing", "Time is up")
    #: VZaps says something that a person has to see to.
    ATTENTION = "attention", pgettext_lazy("pairing", "Needs attention")
    #: VZaps could not be asked.
    ERROR = "error", pgettext_lazy("pairing", "Something is in the way")
    #: Somebody else is pairing the instance.
    WATCHED = "watched", pgettext_lazy("pairing", "Being paired elsewhere")


class Pairing(models.Model):
    """An attempt to pair an instance that somebody is looking at: one watcher, for a limited time.

    In the database and not in the cache, because VZaps starts a worker for each QR code it is asked for, and a cache
    need not be shared by the processes that serve a site. The row outlives the attempt without its code: it still says
    when VZaps was last asked, and what ended it.
    """

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, related_name="pairing", verbose_name=_("instance")
    )
    #: Which page is looking; a second one of the same person is another watcher.
    watcher = models.CharField(max_length=64, blank=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    #: When the watcher's page last asked; a page that is closed or out of sight asks nothing.
    seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: When the attempt is over, or was.
    until = models.DateTimeField(null=True, blank=True, editable=False)
    phase = models.CharField(max_length=16, default=PairingPhase.IDLE.value, editable=False)
    #: VZaps' own words for the phase, or why it could not be asked.
    words = models.CharField(max_length=500, blank=True, editable=False)
    #: Which code of VZaps' own attempt is shown, and since about when; 0 where none was seen.
    codes = models.PositiveSmallIntegerField(default=0, editable=False)
    code_since = models.DateTimeField(null=True, blank=True, editable=False)
    code = EncryptedTextField(null=True, blank=True, editable=False)
    code_asked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("pairing")
        verbose_name_plural = _("pairings")

    def __str__(self) -> str:
        return f"{self.instance_id}"

    def is_live(self, now: datetime) -> bool:
        """Whether the attempt goes on."""
        return bool(self.watcher) and self.until is not None and self.until > now
