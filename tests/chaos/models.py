from __future__ import annotations

from django.db import models


class Effect(models.Model):
    """What a handler did. Nothing keeps the database from holding it twice: that is for the package to see to."""

    handler = models.CharField(max_length=16)
    instance_id = models.BigIntegerField()
    message_id = models.CharField(max_length=64)

    objects: models.Manager[Effect] = models.Manager()

    class Meta:
        app_label = "chaos"  # the suite's own settings do not have the app

    def __str__(self) -> str:
        return f"{self.handler} {self.message_id}"
