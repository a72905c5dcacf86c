from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from celery import current_app
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from django_vzaps import conf, crypto
from django_vzaps.events.checks import check_celery
from django_vzaps.management.accounts import add_account_option, chosen_accounts
from django_vzaps.models import Account
from django_vzaps.services import VZapsError, accounts


class Command(BaseCommand):
    """Say in words what is right and what is wrong; only reads. Exit code 1 where something is wrong."""

    # They are part of what is said, and none ends the command before the rest is said.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _("Test the settings, and the credentials of the VZaps accounts by reading.")
        add_account_option(parser)

    def handle(self, *, account: str | None, **_options: Any) -> None:
        self._wrong = 0
        self._report(checks.run_checks())
        with suppress(ImproperlyConfigured):  # Said by the system checks.
            self._settings(conf.current())
            try:
                self._report(checks.run_checks(tags=[checks.Tags.database], databases=list(connections)))
                self._accounts(account)
            except DatabaseError as error:
                self._say_wrong(
                    _("The database cannot be used: %(why)s") % {"why": str(error).strip()},
                    hint=_("Run manage.py migrate, or correct DATABASES in the settings."),
                )
        if self._wrong:
            raise CommandError(
                ngettext("%(count)s thing is wrong.", "%(count)s things are wrong.", self._wrong)
                % {"count": self._wrong}
            )

    def _report(self, messages: Iterable[checks.CheckMessage]) -> None:
        for found in messages:
            if str(found.id).startswith("django_vzaps."):
                say = self._say_wrong if found.level >= checks.ERROR else self._say_doubtful
                say(f"{found.msg} ({found.id})", hint=found.hint or "")

    def _settings(self, current: conf.Settings) -> None:
        self._say_right(_("VZaps is called at %(url)s.") % {"url": current.base_url})
        with suppress(crypto.EncryptionKeyError):  # Said by the system checks.
            crypto.encrypt("")
            self._say_right(_("Encryption keys: %(keys)s.") % {"keys": len(current.encryption_keys)})
        if current.webhook_base_url:
            with suppress(NoReverseMatch):  # Said by the system checks.
                path = reverse("django_vzaps:webhook", kwargs={"public_id": UUID(int=0), "secret": "-"})
                below = path.partition(str(UUID(int=0)))[0]
                self._say_right(_("Webhooks arrive below %(url)s.") % {"url": current.webhook_base_url + below})
        self._tasks(current)
        if current.read_only:
            self._say_doubtful(_("VZAPS['READ_ONLY'] is set: nothing is changed on VZaps."))

    def _tasks(self, current: conf.Settings) -> None:
        if current.tasks == "inline" or current_app.conf.task_always_eager:
            self._say_right(_("Events are handled inline: in the process that received them, before it answers."))
            return
        if check_celery(None):
            return  # Said by the system checks.
        try:
            self._say_right(_("Events are handled by Celery through %(broker)s.") % {"broker": _broker()})
        except Exception as error:  # noqa: BLE001 - without Python's redis, kombu raises AttributeError
            self._say_wrong(
                _("Events are handled by Celery, but the transport of its broker cannot be loaded: %(why)s")
                % {"why": error},
                hint=_("Correct the broker's URL, or install what its transport needs."),
            )

    def _accounts(self, name: str | None) -> None:
        try:
            found = chosen_accounts(name)
        except CommandError as error:
            self._say_wrong(str(error))
            return
        for account in found:
            self._credentials(account)

    def _credentials(self, account: Account) -> None:
        place = _("in settings") if account.credentials_in_settings else _("in the database")
        try:
            instances = accounts.check_credentials(account)
        except VZapsError as error:
            self._say_wrong(
                _("Account “%(account)s” (credentials %(place)s): %(why)s")
                % {"account": account.name, "place": place, "why": error}
            )
            return
        self._say_right(
            _("Account “%(account)s” (credentials %(place)s): accepted; instances: %(instances)s.")
            % {"account": account.name, "place": place, "instances": "?" if instances is None else instances}
        )

    def _say_right(self, text: str) -> None:
        self._say(self.style.SUCCESS, pgettext("check", "right"), text)

    def _say_doubtful(self, text: str, *, hint: str = "") -> None:
        self._say(self.style.WARNING, pgettext("check", "look"), text, hint)

    def _say_wrong(self, text: str, *, hint: str = "") -> None:
        self._wrong += 1
        self._say(self.style.ERROR, pgettext("check", "wrong"), text, hint)

    def _say(self, style: Callable[[str], str], word: str, text: str, hint: str = "") -> None:
        width = max(len(pgettext("check", "right")), len(pgettext("check", "look")), len(pgettext("check", "wrong")))
        self.stdout.write(f"{style(word.ljust(width))}  {text}")
        if hint:
            self.stdout.write(f"{' ' * width}  {hint}")


def _broker() -> str:
    """Transport and host of the broker: what else its URL has may be a password."""
    parts = urlsplit(current_app.connection_for_write().as_uri())
    return f"{parts.scheme}://{parts.hostname or ''}"
