"""The root of every error this package raises. Imports nothing of Django."""

from __future__ import annotations


class VZapsError(Exception):
    """Something about VZaps went wrong; every error of this package is one.

    ``str()`` is a sentence for a person and never holds a secret.
    """
