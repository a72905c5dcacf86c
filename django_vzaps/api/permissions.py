"""Who may do what: the permissions of the admin, and nothing that is not named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from django_vzaps.api.views.base import APIViewSet


class HasNamedPermissions(BasePermission):
    """Whoever has all permissions of one of the ways into an action that its view names in ``needs``.

    An action that is not named there is closed to everybody, and everything is to whoever is not logged in.
    """

    message: str

    def has_permission(self, request: Request, view: APIViewSet) -> bool:  # type: ignore[override]
        """Whether the user may; if not, ``message`` says what is missing."""
        user: Any = request.user
        if not (user and user.is_authenticated):
            return False
        if view.action in (None, "metadata"):
            return True  # no such method: said by the view
        ways = [[f"django_vzaps.{name}" for name in way] for way in view.needs.get(view.action, ())]
        if any(user.has_perms(way) for way in ways):
            return True
        self.message = _("This takes the permission %(names)s.") % {
            "names": pgettext("permissions", " or ").join(" + ".join(way) for way in ways)
        }
        return False
