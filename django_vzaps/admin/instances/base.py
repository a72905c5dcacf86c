"""What every page about an instance starts from: who may do what, and which instance is meant."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.translation import gettext as _

from django_vzaps import scope
from django_vzaps.admin.remote import RemoteAdmin
from django_vzaps.admin.scoped import ScopedAdmin
from django_vzaps.models import Instance

#: What can be permitted: Django's own four, and those of ``Instance.Meta.permissions``.
PERMISSIONS: Final = (
    "view",
    "add",
    "change",
    "delete",
    "pair",
    "restart",
    "bill",
    "set_webhook",
    "send",
    "reveal_token",
)


class InstanceBase(ScopedAdmin, RemoteAdmin):
    def has_pair_permission(self, request: HttpRequest) -> bool:
        """Whether the user may pair and disconnect."""
        return request.user.has_perm("django_vzaps.pair_instance")

    def has_restart_permission(self, request: HttpRequest) -> bool:
        """Whether the user may restart."""
        return request.user.has_perm("django_vzaps.restart_instance")

    def has_bill_permission(self, request: HttpRequest) -> bool:
        """Whether the user may spend money."""
        return request.user.has_perm("django_vzaps.bill_instance")

    def has_set_webhook_permission(self, request: HttpRequest) -> bool:
        """Whether the user may say where events are sent."""
        return request.user.has_perm("django_vzaps.set_webhook_instance")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send messages."""
        return request.user.has_perm("django_vzaps.send_instance")

    def has_reveal_token_permission(self, request: HttpRequest) -> bool:
        """Whether the user may see an instance's token."""
        return request.user.has_perm("django_vzaps.reveal_token_instance")

    def in_scope(self, request: HttpRequest, rows: QuerySet[Instance]) -> QuerySet[Instance]:
        """Those of ``rows`` that the user may see."""
        return scope.limited(request.user, rows)

    def permitted(self, request: HttpRequest) -> dict[str, bool]:
        """Every permission by name, for templates."""
        return {name: getattr(self, f"has_{name}_permission")(request) for name in PERMISSIONS}

    def instance_for(self, request: HttpRequest, object_id: int | str, permission: str) -> Instance:
        """The instance, for a user who may see it and has ``permission``; else ``PermissionDenied`` or ``Http404``."""
        is_permitted = getattr(self, f"has_{permission}_permission")(request)
        return self.row_for(request, object_id, permitted=is_permitted)  # type: ignore[no-any-return]

    def to_detail(self, instance: Instance) -> HttpResponseRedirect:
        """Send the browser to the instance's page."""
        return HttpResponseRedirect(self.address(Instance, "change", instance.pk))

    def refuse_removed(self, request: HttpRequest, instance: Instance) -> HttpResponseRedirect:
        """Say that there is nothing on VZaps to change any more."""
        self.message_user(request, _("This instance is gone from VZaps: it can only be looked at."), messages.ERROR)
        return self.to_detail(instance)

    def page_context(self, request: HttpRequest, instance: Instance | None, title: Any) -> dict[str, Any]:
        """What every custom page shows: the site's frame, the instance, the title."""
        return {
            **self.admin_site.each_context(request),
            "is_themed": self.is_themed,
            "title": title,
            "subtitle": str(instance) if instance else None,
            "opts": self.opts,
            "original": instance,
            "instance": instance,
            "media": self.media,
            "has_view_permission": self.has_view_permission(request),
        }
