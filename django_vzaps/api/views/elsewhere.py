"""Where there is nothing: said as the API says everything, and not as the project's page for people."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps.api.problems import Problem
from django_vzaps.api.views.base import APIViewSet


class ElsewhereViewSet(APIViewSet):
    permission_classes = (IsAuthenticated,)  # type: ignore[assignment]
    schema = None

    def known_query(self) -> set[str]:
        """Any: nothing is here, whatever is asked."""
        return set(self.request.query_params)

    def nothing(self, request: Request, **kwargs: Any) -> Response:
        if not request.path.endswith("/"):
            raise Problem(
                "not-found", _("Every address here ends in a slash, and this one does not. Nothing was done.")
            )
        raise Http404
