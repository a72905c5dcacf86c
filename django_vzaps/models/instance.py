from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connections, models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps import conf
from django_vzaps.models.account import Account
from django_vzaps.models.fields import EncryptedTextField, ExactCharField, JSONTextField

if TYPE_CHECKING:
    from django_vzaps.models.subscription import Subscription
    from django_vzaps.models.webhook import Webhook


class ConnectionSource(models.TextChoices):
    """Where a connection fact comes from. Not a column's choices: those would end up in migrations."""

    API = "api", _("API")
    WEBHOOK = "webhook", _("webhook")
    REALTIME = "realtime", _("realtime")


class ConnectionState(models.TextChoices):
    """What can be said about an instance's connection now; derived, not stored."""

    CONNECTED = "connected", _("connected")
    DISCONNECTED = "disconnected", _("disconnected")
    STALE = "stale", _("stale")
    NEVER_PAIRED = "never_paired", _("never paired")
    UNKNOWN = "unknown", _("unknown")


class ReportedState(models.TextChoices):
    """What was last said of a connection, before it is doubted for its age."""

    CONNECTED = "connected", _("connected")
    DISCONNECTED = "disconnected", _("disconnected")
    NEVER_PAIRED = "never_paired", _("never paired")
    UNKNOWN = "unknown", _("unknown")


#: Which of :class:`ReportedState` a row's own columns say.
_REPORTED = models.Case(
    models.When(connected__isnull=True, then=models.Value(ReportedState.UNKNOWN.value)),
    models.When(connected=True, then=models.Value(ReportedState.CONNECTED.value)),
    models.When(
        connected_at__isnull=True,
        whatsapp_jid="",
        phone="",
        then=models.Value(ReportedState.NEVER_PAIRED.value),
    ),
    default=models.Value(ReportedState.DISCONNECTED.value),
)


class InstanceQuerySet(models.QuerySet["Instance"]):
    def present(self) -> InstanceQuerySet:
        """Those that still exist on VZaps, as far as we know."""
        return self.filter(removed_at__isnull=True)

    def in_connection_state(self, state: str) -> InstanceQuerySet:
        """Those whose :attr:`Instance.connection_state` is ``state`` now, told apart by the database."""
        limit = timezone.now() - timedelta(seconds=conf.current().stale_after)
        match state:
            case ConnectionState.CONNECTED:
                return self.filter(reported_state=ReportedState.CONNECTED, connection_asked_at__gte=limit)
            case ConnectionState.STALE:
                old = models.Q(connection_asked_at__isnull=True) | models.Q(connection_asked_at__lt=limit)
                return self.filter(old, reported_state=ReportedState.CONNECTED)
            case _:
                return self.filter(reported_state=state)

    def stale_since_a_time(self) -> InstanceQuerySet:
        """Those of the stale of which it is known when they were last asked about."""
        limit = timezone.now() - timedelta(seconds=conf.current().stale_after)
        return self.filter(reported_state=ReportedState.CONNECTED, connection_asked_at__lt=limit)

    def stale_without_a_time(self) -> InstanceQuerySet:
        """The others of the stale."""
        return self.filter(reported_state=ReportedState.CONNECTED, connection_asked_at__isnull=True)

    def suspiciously_silent(self) -> InstanceQuerySet:
        """Those that :attr:`Instance.is_suspiciously_silent`."""
        return self.filter(reported_state=ReportedState.CONNECTED, silent_since=models.F("last_event_at"))

    def locked(self, *, only_free: bool = False) -> InstanceQuerySet:
        """Locked until the transaction ends; what refers to them can still be added: events arrive meanwhile.

        ``only_free`` leaves out those that somebody else holds. Who locks several rows asks for that: who waits for one
        while holding another may wait for ever, since others (a user's deletion, a project's own update) lock them in
        an order that nobody can know.
        """
        features = connections[self.db].features
        return self.select_for_update(
            skip_locked=only_free and features.has_select_for_update_skip_locked,
            no_key=features.has_select_for_no_key_update,
            # Not what is joined to them, where that can be said.
            of=("self",) if features.has_select_for_update_of else (),
        )


InstanceManager = models.Manager.from_queryset(InstanceQuerySet)


class Instance(models.Model):
    """The mirror of one instance (one WhatsApp number) on VZaps.

    Changes are made by :mod:`django_vzaps.services`; saving a row changes nothing on VZaps.
    """

    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="instances",
        verbose_name=_("account"),
        db_index=False,  # an index below begins with it
    )
    vzaps_id = ExactCharField(_("VZaps id"), max_length=255, unique=True)
    name = models.CharField(_("name"), max_length=255)
    #: For a search that minds no capitals; SQLite, and PostgreSQL in the locale C, know those of ASCII only.
    name_folded = models.GeneratedField(
        expression=Lower("name"), output_field=models.CharField(max_length=255), db_persist=True
    )
    token = EncryptedTextField(_("instance token"), null=True, blank=True, editable=False)
    url = models.CharField(_("dashboard URL"), max_length=500, blank=True)
    reject_calls = models.BooleanField(_("reject calls"), null=True, blank=True)
    auto_read_messages = models.BooleanField(_("mark messages as read"), null=True, blank=True)
    labels = JSONTextField(_("labels"), default=dict, blank=True)
    status = models.CharField(_("status"), max_length=255, blank=True)

    connected = models.BooleanField(_("connected"), null=True, blank=True)
    connected_at = models.DateTimeField(_("connected at"), null=True, blank=True)
    phone = models.CharField(_("phone"), max_length=64, blank=True)
    whatsapp_jid = models.CharField(_("WhatsApp JID"), max_length=255, blank=True)
    push_name = models.CharField(_("push name"), max_length=255, blank=True)
    profile = JSONTextField(_("profile"), default=dict, blank=True)
    connection_source = models.CharField(_("connection known from"), max_length=16, blank=True)
    connection_asked_at = models.DateTimeField(_("connection asked at"), null=True, blank=True)
    #: When ``connected`` became what it is, as far as is known here.
    connection_changed_at = models.DateTimeField(_("connection changed"), null=True, blank=True, editable=False)
    #: How often in a row it could not be asked about its connection, and when it is tried again.
    probe_failures = models.PositiveSmallIntegerField(default=0, editable=False)
    probe_after = models.DateTimeField(null=True, blank=True, editable=False)
    #: When VZaps is to be asked whether an event told the truth about the connection; null when it need not be.
    confirm_connection_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    #: ``connection_state`` but for its age; kept by the database, so that a list can be filtered and counted by it.
    reported_state = models.GeneratedField(
        expression=_REPORTED, output_field=models.CharField(max_length=16), db_persist=True
    )
    last_event_at = models.DateTimeField(_("last event"), null=True, blank=True)
    #: The longest time without an event that is usual for it; null while that is not known.
    usual_silence = models.DurationField(_("usual silence"), null=True, blank=True, editable=False)
    silence_learned_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: The ``last_event_at`` after which it was found to be silent for too long; counts while no later one came.
    silent_since = models.DateTimeField(null=True, blank=True, editable=False)

    remote_created_at = models.DateTimeField(_("created on VZaps"), null=True, blank=True)
    remote_updated_at = models.DateTimeField(_("updated on VZaps"), null=True, blank=True)
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now, editable=False)
    synced_at = models.DateTimeField(_("last sync"), null=True, blank=True, db_index=True)
    removed_at = models.DateTimeField(_("gone from VZaps since"), null=True, blank=True)
    missing_walks = models.PositiveSmallIntegerField(default=0, editable=False)
    data = JSONTextField(_("last answer"), default=dict, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="vzaps_instances",
        verbose_name=_("owner"),
    )

    objects = InstanceManager()

    if TYPE_CHECKING:
        subscription: Subscription
        webhook: Webhook

    class Meta:
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        ordering = ["name", "pk"]
        permissions = [
            ("pair_instance", _("Can pair and disconnect instances")),
            ("restart_instance", _("Can restart instances")),
            ("bill_instance", _("Can subscribe, cancel and resume subscriptions")),
            ("set_webhook_instance", _("Can set the webhook of instances")),
            ("send_instance", _("Can send messages")),
            ("reveal_token_instance", _("Can see the token of instances")),
        ]
        indexes = [
            models.Index(
                fields=["removed_at", "reported_state", "connection_asked_at", "id"], name="vzaps_instance_state"
            ),
            # The orders a list can have. Those that are gone are passed over without a look at their rows.
            models.Index(fields=["name", "id", "removed_at"], name="vzaps_instance_name"),
            models.Index(fields=["account", "name", "id", "removed_at"], name="vzaps_instance_account"),
            # How many of an account's are connected: the list of accounts counts them all.
            models.Index(
                fields=["account", "removed_at", "reported_state", "connection_asked_at"], name="vzaps_instance_count"
            ),
            models.Index(fields=["last_event_at", "id", "removed_at"], name="vzaps_instance_last_event"),
            # What is searched by its beginning. Not by db_index, which makes a second one on PostgreSQL.
            models.Index(fields=["name_folded"], name="vzaps_instance_name_folded", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["phone"], name="vzaps_instance_phone", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["whatsapp_jid"], name="vzaps_instance_jid", opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return self.name or self.vzaps_id

    @property
    def is_suspiciously_silent(self) -> bool:
        """Whether it is called connected, but no event has come for much longer than is usual for it."""
        return bool(self.connected and self.silent_since is not None and self.silent_since == self.last_event_at)

    @property
    def connection_state(self) -> ConnectionState:
        """What is known of the connection, doubted: "connected" counts as stale after ``VZAPS["STALE_AFTER"]``."""
        if self.connected is None:
            return ConnectionState.UNKNOWN
        if not self.connected:
            paired_before = self.connected_at or self.whatsapp_jid or self.phone
            return ConnectionState.DISCONNECTED if paired_before else ConnectionState.NEVER_PAIRED
        limit = timezone.now() - timedelta(seconds=conf.current().stale_after)
        if self.connection_asked_at is None or self.connection_asked_at < limit:
            return ConnectionState.STALE
        return ConnectionState.CONNECTED
