"""Changes on VZaps asked for in the admin: said in words, logged with the user, never inside a transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin.themes import ModelAdmin
from django_vzaps.models import Operation, OperationOutcome
from django_vzaps.services import VZapsError

View = Callable[..., HttpResponseBase]


class RemoteAdmin(ModelAdmin):
    """A model admin whose own views call services."""

    def remote(self, view: View) -> View:
        """``view`` as an admin view that opens no transaction, also under ``ATOMIC_REQUESTS``."""
        return transaction.non_atomic_requests(self.admin_site.admin_view(view))

    def address(self, model: type[models.Model], page: str, *args: object) -> str:
        """The URL of one of this package's pages on the same admin site."""
        return reverse(
            f"admin:{model._meta.label_lower.replace('.', '_')}_{page}", args=args, current_app=self.admin_site.name
        )

    def row_for(self, request: HttpRequest, object_id: int | str, *, permitted: bool) -> Any:
        """The row, for a user who may see it and is ``permitted``; else ``PermissionDenied`` or ``Http404``."""
        if not (permitted and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        return row

    def carry_out(
        self,
        request: HttpRequest,
        change: Callable[[], Operation],
        *,
        about: models.Model | None = None,
    ) -> Operation | None:
        """Do it, log it with the user, and say so where it did not succeed.

        Returns the operation only where VZaps said that it was done. ``about`` is the row whose history tells of it;
        without one it is the operation's instance, or the operation itself.
        """
        try:
            operation = change()
        except VZapsError as error:
            self.explain(request, error)
            attempted = getattr(error, "operation", None)
            if attempted is not None and not isinstance(error, services.OperationInProgress):
                self.note(request, about or attempted, attempted)
            return None
        self.note(request, about or operation.instance or operation, operation)
        if operation.outcome == OperationOutcome.SUCCEEDED:
            return operation
        # Asked for before under the same key: a second click on the same button.
        self.message_user(
            request,
            format_html(
                _("This was asked for before; nothing was sent a second time. Its outcome: {}. {} {}"),
                operation.outcome_label,
                operation.error,
                self.operation_link(request, operation),
            ),
            messages.WARNING,
        )
        return None

    def explain(self, request: HttpRequest, error: VZapsError, *, about: models.Model | None = None) -> None:
        """Say what happened, what it means and what to do, with a link to the operation if there is one.

        ``about`` is named first, where several things are done at once.
        """
        operation = getattr(error, "operation", None)
        parts = (f"{about}:" if about else "", str(error), _meaning(error), self.operation_link(request, operation))
        self.message_user(
            request,
            format_html_join(" ", "{}", ([part] for part in parts if part)),
            messages.WARNING if isinstance(error, services.OutcomeUnknown) else messages.ERROR,
        )

    def operation_link(self, request: HttpRequest, operation: Operation | None) -> SafeString | str:
        """A link to the operation, for those who may see it."""
        if operation is None or not request.user.has_perm("django_vzaps.view_operation"):
            return ""
        return format_html(
            '<a href="{}">{}</a>',
            self.address(Operation, "change", operation.pk),
            _("Operation %(pk)d") % {"pk": operation.pk},
        )

    def note(self, request: HttpRequest, about: models.Model, operation: Operation) -> None:
        """Write the operation into Django's own log, in the history of ``about``."""
        self.log_change(
            request,
            about,
            _("%(what)s: %(outcome)s (operation %(pk)d).")
            % {"what": operation.kind_label.capitalize(), "outcome": operation.outcome_label, "pk": operation.pk},
        )

    def may_sync(self, request: HttpRequest) -> bool:
        """Whether the user may read VZaps into the mirror: whoever may change instances."""
        return request.user.has_perm("django_vzaps.change_instance")


def actor_of(request: HttpRequest) -> AbstractBaseUser:
    """The user in front of the screen; every admin view has one."""
    return cast("AbstractBaseUser", request.user)


def _meaning(error: VZapsError) -> str:
    match error:
        case services.OutcomeUnknown():
            return _("Open the operation and press “Find out” before you try again.")
        case services.OperationInProgress():
            return _("Open the operation to see or settle it.")
        case services.AlreadySubscribed() | services.SubscriptionIsActive():
            return ""
        case services.ChangeFailed():
            return _("Nothing was changed on VZaps.")
        case services.ReadFailed():
            return _("What is shown here is what was known before.")
        case _:
            return ""
