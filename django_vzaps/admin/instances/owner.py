"""Whose an instance is. That is known here only: VZaps is asked and told nothing."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import OwnerForm
from django_vzaps.models import Instance


class InstanceOwner(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With the page that gives it to somebody."""
        return [
            path("<int:object_id>/owner/", self.remote(self.owner_view), name="django_vzaps_instance_owner"),
            *super().get_urls(),
        ]

    def owner_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """GET shows whose it is, POST gives it to somebody, or to nobody."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        instance = self.instance_for(request, object_id, "change")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form = OwnerForm.of(instance, request.POST if request.method == "POST" else None)
        if form.is_valid():
            owner = form.cleaned_data["owner"]
            if owner == instance.owner:
                self.message_user(request, _("Nothing was different: nothing was changed."), messages.INFO)
                return self.to_detail(instance)
            services.instances.assign(instance, owner)
            name = owner.get_username() if owner else _("nobody")
            self.log_change(request, instance, _("Owner: %(name)s.") % {"name": name})
            self.message_user(request, _("The owner is now: %(name)s.") % {"name": name}, messages.SUCCESS)
            if not self.get_queryset(request).filter(pk=instance.pk).exists():
                # Given away: it is not this user's to look at any more.
                return HttpResponseRedirect(self.address(Instance, "changelist"))
            return self.to_detail(instance)
        context = {**self.page_context(request, instance, _("Change owner")), "form": form}
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/owner.html", context)
