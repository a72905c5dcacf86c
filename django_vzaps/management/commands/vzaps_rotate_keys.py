from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from django_vzaps import crypto
from django_vzaps.management.progress import ProgressLine
from django_vzaps.models.fields import EncryptedTextField

BATCH: Final = 200


class Command(BaseCommand):
    """Encrypt every stored secret with the first key, so that the others can be taken out of the settings.

    Safe to stop and to run again. Exit code 1 where a secret is still encrypted with another key.
    """

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Encrypt every stored secret with the first of VZAPS['ENCRYPTION_KEYS']. When it ends with success, the "
            "other keys can be removed."
        )

    def handle(self, **_options: Any) -> None:
        try:
            crypto.encrypt("")
        except crypto.EncryptionKeyError as error:
            raise CommandError(str(error)) from error
        self._rotated = self._changed = self._lost = 0
        self._line = ProgressLine(self.stderr)
        for model, field in encrypted_fields():
            self._rotate_column(model, field)
        self._line.clear()
        self.stdout.write(_("Secrets encrypted with the first key: %(rotated)s.") % {"rotated": self._rotated})
        if self._changed:
            self.stderr.write(
                _("Secrets that changed meanwhile and were left alone: %(changed)s. Run the command again.")
                % {"changed": self._changed}
            )
        if self._lost:
            self.stderr.write(
                _(
                    "Secrets that no present key decrypts: %(lost)s. Put the key that they were encrypted with back "
                    "at the end of VZAPS['ENCRYPTION_KEYS'], or enter them again."
                )
                % {"lost": self._lost}
            )
        if self._changed or self._lost:
            raise CommandError(_("Not every secret is encrypted with the first key: keep the other keys."))

    def _rotate_column(self, model: type[models.Model], field: EncryptedTextField) -> None:
        rows = model._base_manager.filter(**{f"{field.name}__isnull": False}).order_by("pk")
        last = None
        while True:
            batch = rows if last is None else rows.filter(pk__gt=last)
            with transaction.atomic():
                found = list(batch.only("pk", field.name)[:BATCH])
                for row in found:
                    self._rotate(row, field)
            if len(found) < BATCH:
                return
            last = found[-1].pk
            self._line.show(_("%(rotated)s secrets encrypted") % {"rotated": self._rotated})

    def _rotate(self, row: models.Model, field: EncryptedTextField) -> None:
        stored = getattr(row, field.name)
        if not isinstance(stored, crypto.EncryptedSecret):
            return  # An empty text: there is no secret.
        try:
            fresh = crypto.EncryptedSecret(crypto.rotate(stored.ciphertext))
        except crypto.DecryptionError:
            self._lost += 1
            self._line.clear()
            self.stderr.write(
                _("%(model)s %(pk)s: its %(field)s cannot be decrypted.")
                % {"model": row._meta.verbose_name, "pk": row.pk, "field": field.verbose_name}
            )
            return
        # Only what was read is replaced: somebody may have entered a new secret since.
        same = type(row)._base_manager.annotate(stored=Cast(field.name, models.TextField()))
        if same.filter(pk=row.pk, stored=stored.ciphertext).update(**{field.name: fresh}):
            self._rotated += 1
        else:
            self._changed += 1


def encrypted_fields() -> Iterator[tuple[type[models.Model], EncryptedTextField]]:
    """Every encrypted column of this app with its model."""
    for model in apps.get_app_config("django_vzaps").get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField):
                yield model, field
