"""What a person should know of: what is wrong, since when, and where it is put right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from django_vzaps.admin import display
from django_vzaps.admin.filters import ChoicesFilter
from django_vzaps.admin.read_only import ReadOnlyAdmin
from django_vzaps.admin.scoped import ScopedAdmin
from django_vzaps.models import Alert, AlertKind
from django_vzaps.services.alerts import words
from django_vzaps.services.alerts.visibility import visible

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin


LONGEST_TITLE: Final = 120


class OpenFilter(admin.SimpleListFilter):
    """What is over is hidden until somebody asks for it."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [("resolved", pgettext("alerts", "Resolved")), ("all", _("All"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield first | {"display": pgettext("alerts", "Open")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        match self.value():
            case "all":
                return queryset
            case "resolved":
                return queryset.filter(resolved_at__isnull=False)
            case _:
                return queryset.filter(resolved_at__isnull=True)


class AlertKindFilter(ChoicesFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"
    choices_class = AlertKind
    column = "kind"


@admin.register(Alert)
class AlertAdmin(ScopedAdmin, ReadOnlyAdmin):
    change_form_template = "admin/django_vzaps/alert/change_form.html"
    change_list_template = "admin/django_vzaps/healingrun/change_list.html"
    list_display = ("what", "since_shown", "about", "raised", "resolved")
    list_filter = (OpenFilter, AlertKindFilter)
    list_select_related = ("instance", "account")
    fields = readonly_fields = ("kind_shown", "about", "since", "raised_at", "resolved_at", "told_at", "told_over_at")

    class Media:
        css = {"all": ["django_vzaps/billing.css"]}

    def in_scope(self, request: HttpRequest, rows: QuerySet[Alert]) -> QuerySet[Alert]:
        """Those of ``rows`` that the user may see."""
        return visible(request.user, rows).defer("instance__data", "instance__labels", "instance__token")

    @admin.display(description=gettext_lazy("alert"))
    def what(self, alert: Alert) -> SafeString:
        """What is so."""
        return display.in_brief(words.title(alert), LONGEST_TITLE)

    @admin.display(description=pgettext_lazy("alert", "about"))
    def about(self, alert: Alert) -> SafeString | str:
        """What it is about, as the way to where it is put right."""
        row = alert.instance or alert.account
        name = _("the whole site") if row is None else display.in_brief(str(row))
        address = words.link(alert)
        return format_html('<a href="{}">{}</a>', address, name) if address else name

    @admin.display(description=gettext_lazy("since"))
    def since_shown(self, alert: Alert) -> SafeString | str:
        """For how long it has been so, as far as that is known."""
        return display.ago(alert.since)

    @admin.display(description=pgettext_lazy("alert", "raised"))
    def raised(self, alert: Alert) -> SafeString | str:
        """When it was noticed."""
        return display.ago(alert.raised_at)

    @admin.display(description=pgettext_lazy("alert", "resolved"))
    def resolved(self, alert: Alert) -> SafeString | str:
        """When it was seen to be over."""
        return display.ago(alert.resolved_at) if alert.resolved_at else display.framed("bad", pgettext("alert", "open"))

    @admin.display(description=gettext_lazy("kind"))
    def kind_shown(self, alert: Alert) -> str:
        """What kind of alert it is."""
        return capfirst(alert.kind_label)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With what it means, what to do, and the way there."""
        alert: Alert | None = context.get("original")
        if alert is not None:
            context |= {
                "title": capfirst(str(self.opts.verbose_name)),
                "said": {
                    "tone": "bad" if alert.is_open else "good",
                    "headline": words.title(alert),
                    "outcome": "" if alert.is_open else words.outcome(alert),
                    "meaning": words.meaning(alert) if alert.is_open else "",
                    "advice": words.advice(alert) if alert.is_open else "",
                    "link": words.link(alert),
                },
            }
        return super().render_change_form(request, context, *args, **kwargs)
