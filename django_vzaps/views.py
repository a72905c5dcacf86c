"""The URL that VZaps posts events to."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse


def webhook(request: HttpRequest, *, public_id: UUID, secret: str) -> HttpResponse:
    """Store the event in the body."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    return JsonResponse({"error": "not found"}, status=404)
