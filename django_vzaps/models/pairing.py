from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.fields import EncryptedTextField
from django_vzaps.models.instance import Instance


class Pairing(models.Model):
    """An attempt to pair an instance that somebody is looking at: one watcher, for a limited time.

    In the database and not in the cache, because VZaps starts a worker for each QR code it is asked for, and a cache
    need not be shared by the processes that serve a site.
    """

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, related_name="pairing", verbose_name=_("instance")
    )
    #: Which browser is looking; a second one of the same person is another watcher.
    watcher = models.CharField(max_length=64, blank=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    until = models.DateTimeField(null=True, blank=True, editable=False)
    codes = models.PositiveSmallIntegerField(default=0, editable=False)
    code = EncryptedTextField(null=True, blank=True, editable=False)
    code_asked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("pairing")
        verbose_name_plural = _("pairings")

    def __str__(self) -> str:
        return f"{self.instance_id}"
