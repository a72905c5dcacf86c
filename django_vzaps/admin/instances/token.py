"""The instance's token, shown to who may see it: once, on a page that nothing keeps, with a record of who it was."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_vzaps import services
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.remote import actor_of
from django_vzaps.services import VZapsError


class InstanceToken(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With the page that shows the token."""
        return [
            path("<int:object_id>/token/", self.remote(self.token_view), name="django_vzaps_instance_token"),
            *super().get_urls(),
        ]

    @sensitive_variables()
    def token_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show it. Not by GET: nobody is led here by a link, and every look is a decision."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "reveal_token")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        try:
            revealed = services.instances.reveal_token(instance, actor=actor_of(request))
        except VZapsError as error:
            self.explain(request, error)
            if (attempted := getattr(error, "operation", None)) is not None:
                self.note(request, instance, attempted)
            return self.to_detail(instance)
        self.note(request, instance, revealed.operation)
        context = {
            **self.page_context(request, instance, _("Instance token")),
            "token": revealed.token.reveal(),
            "operation": self.operation_link(request, revealed.operation),
        }
        request.current_app = self.admin_site.name
        # Rendered here, where error reports show no variables. The admin lets no browser store any of its pages.
        return TemplateResponse(request, "admin/django_vzaps/instance/token.html", context).render()
