from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class Person(AbstractUser):
    """The user model of a project that has its own."""
