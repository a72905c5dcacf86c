import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import django_vzaps.models.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", django_vzaps.models.fields.ExactCharField(max_length=100, unique=True, verbose_name="name")),
                (
                    "client_token",
                    django_vzaps.models.fields.EncryptedTextField(
                        blank=True, editable=False, null=True, verbose_name="client token"
                    ),
                ),
                (
                    "client_secret",
                    django_vzaps.models.fields.EncryptedTextField(
                        blank=True, editable=False, null=True, verbose_name="client secret"
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True, help_text="An inactive account is not synced.", verbose_name="active"
                    ),
                ),
                (
                    "synced_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last complete sync"),
                ),
                ("sync_error", models.TextField(blank=True, editable=False, verbose_name="last sync error")),
                ("sync_lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("sync_lease_holder", models.CharField(blank=True, editable=False, max_length=32)),
            ],
            options={
                "verbose_name": "account",
                "verbose_name_plural": "accounts",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Instance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "vzaps_id",
                    django_vzaps.models.fields.ExactCharField(max_length=255, unique=True, verbose_name="VZaps id"),
                ),
                ("name", models.CharField(db_index=True, max_length=255, verbose_name="name")),
                (
                    "token",
                    django_vzaps.models.fields.EncryptedTextField(
                        blank=True, editable=False, null=True, verbose_name="instance token"
                    ),
                ),
                ("url", models.CharField(blank=True, max_length=500, verbose_name="dashboard URL")),
                ("reject_calls", models.BooleanField(blank=True, null=True, verbose_name="reject calls")),
                (
                    "auto_read_messages",
                    models.BooleanField(blank=True, null=True, verbose_name="mark messages as read"),
                ),
                ("labels", django_vzaps.models.fields.JSONTextField(blank=True, default=dict, verbose_name="labels")),
                ("status", models.CharField(blank=True, max_length=255, verbose_name="status")),
                ("connected", models.BooleanField(blank=True, null=True, verbose_name="connected")),
                ("connected_at", models.DateTimeField(blank=True, null=True, verbose_name="connected at")),
                ("phone", models.CharField(blank=True, db_index=True, max_length=64, verbose_name="phone")),
                (
                    "whatsapp_jid",
                    models.CharField(blank=True, db_index=True, max_length=255, verbose_name="WhatsApp JID"),
                ),
                ("push_name", models.CharField(blank=True, max_length=255, verbose_name="push name")),
                ("profile", django_vzaps.models.fields.JSONTextField(blank=True, default=dict, verbose_name="profile")),
                (
                    "connection_source",
                    models.CharField(blank=True, max_length=16, verbose_name="connection known from"),
                ),
                (
                    "connection_asked_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="connection asked at"),
                ),
                (
                    "last_event_at",
                    models.DateTimeField(blank=True, db_index=True, null=True, verbose_name="last event"),
                ),
                ("remote_created_at", models.DateTimeField(blank=True, null=True, verbose_name="created on VZaps")),
                ("remote_updated_at", models.DateTimeField(blank=True, null=True, verbose_name="updated on VZaps")),
                (
                    "first_seen_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="first seen"),
                ),
                ("synced_at", models.DateTimeField(blank=True, db_index=True, null=True, verbose_name="last sync")),
                (
                    "removed_at",
                    models.DateTimeField(blank=True, db_index=True, null=True, verbose_name="gone from VZaps since"),
                ),
                ("missing_walks", models.PositiveSmallIntegerField(default=0, editable=False)),
                (
                    "data",
                    django_vzaps.models.fields.JSONTextField(blank=True, default=dict, verbose_name="last answer"),
                ),
                ("rung_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("drain_lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("drain_lease_holder", models.CharField(blank=True, editable=False, max_length=32)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="instances",
                        to="django_vzaps.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="vzaps_instances",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "instance",
                "verbose_name_plural": "instances",
                "ordering": ["name", "pk"],
                "permissions": [
                    ("pair_instance", "Can pair and disconnect instances"),
                    ("restart_instance", "Can restart instances"),
                    ("bill_instance", "Can subscribe, cancel and resume subscriptions"),
                    ("set_webhook_instance", "Can set the webhook of instances"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("type", models.CharField(blank=True, max_length=64, verbose_name="type")),
                ("key", models.CharField(blank=True, editable=False, max_length=64, null=True)),
                (
                    "origin_id",
                    django_vzaps.models.fields.NullableExactCharField(
                        blank=True, editable=False, max_length=128, null=True
                    ),
                ),
                ("payload", models.TextField(verbose_name="payload")),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="received")),
                ("occurred_at", models.DateTimeField(blank=True, null=True, verbose_name="occurred")),
                ("source", models.CharField(default="webhook", max_length=16, verbose_name="source")),
                (
                    "message_id",
                    django_vzaps.models.fields.ExactCharField(
                        blank=True, db_index=True, max_length=128, verbose_name="message id"
                    ),
                ),
                ("chat", models.CharField(blank=True, db_index=True, max_length=128, verbose_name="chat")),
                ("duplicates", models.PositiveIntegerField(default=0, verbose_name="duplicates")),
                ("state", models.CharField(default="pending", max_length=16, verbose_name="state")),
                ("retry_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="next attempt")),
                (
                    "instance",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="django_vzaps.instance",
                        verbose_name="instance",
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Operation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=32, verbose_name="kind")),
                (
                    "parameters",
                    django_vzaps.models.fields.JSONTextField(blank=True, default=dict, verbose_name="parameters"),
                ),
                (
                    "baseline",
                    django_vzaps.models.fields.JSONTextField(blank=True, default=dict, verbose_name="known before"),
                ),
                ("answer", django_vzaps.models.fields.JSONTextField(blank=True, null=True, verbose_name="answer")),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="started")),
                ("deadline", models.DateTimeField(verbose_name="deadline")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished")),
                ("outcome", models.CharField(default="running", max_length=16, verbose_name="outcome")),
                ("confirmed_at", models.DateTimeField(blank=True, null=True, verbose_name="confirmed by reading")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("request_id", models.CharField(blank=True, max_length=255, verbose_name="VZaps request id")),
                (
                    "idempotency_key",
                    django_vzaps.models.fields.NullableExactCharField(
                        blank=True, max_length=255, null=True, unique=True, verbose_name="idempotency key"
                    ),
                ),
                ("batch", models.UUIDField(blank=True, db_index=True, null=True, verbose_name="batch")),
                (
                    "lock",
                    django_vzaps.models.fields.NullableExactCharField(
                        blank=True, editable=False, max_length=64, null=True, unique=True
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="operations",
                        to="django_vzaps.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="vzaps_operations",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "instance",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="operations",
                        to="django_vzaps.instance",
                        verbose_name="instance",
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="settled by",
                    ),
                ),
            ],
            options={
                "verbose_name": "operation",
                "verbose_name_plural": "operations",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("billing_status", models.CharField(blank=True, max_length=255, verbose_name="billing status")),
                ("state", models.CharField(db_index=True, default="unknown", max_length=16, verbose_name="state")),
                ("vzaps_id", models.CharField(blank=True, max_length=255, verbose_name="VZaps subscription id")),
                ("mode", models.CharField(blank=True, max_length=32, verbose_name="mode")),
                ("checkout_url", models.CharField(blank=True, max_length=2000, verbose_name="checkout URL")),
                ("session_id", models.CharField(blank=True, max_length=255, verbose_name="checkout session")),
                ("cancel_at", models.DateTimeField(blank=True, null=True, verbose_name="ends at")),
                ("expired_at", models.DateTimeField(blank=True, null=True, verbose_name="expired at")),
                ("refreshed_at", models.DateTimeField(blank=True, null=True, verbose_name="refreshed at")),
                (
                    "instance",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscription",
                        to="django_vzaps.instance",
                        verbose_name="instance",
                    ),
                ),
            ],
            options={
                "verbose_name": "subscription",
                "verbose_name_plural": "subscriptions",
            },
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name="public id"),
                ),
                ("secret_hash", models.CharField(blank=True, editable=False, max_length=64)),
                ("previous_secret_hash", models.CharField(blank=True, editable=False, max_length=64)),
                ("previous_secret_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "desired_host_and_path",
                    models.CharField(blank=True, max_length=500, verbose_name="desired host and path"),
                ),
                (
                    "desired_events",
                    django_vzaps.models.fields.JSONTextField(blank=True, null=True, verbose_name="desired events"),
                ),
                (
                    "actual_host_and_path",
                    models.CharField(blank=True, max_length=500, verbose_name="actual host and path"),
                ),
                (
                    "actual_events",
                    django_vzaps.models.fields.JSONTextField(blank=True, null=True, verbose_name="actual events"),
                ),
                ("checked_at", models.DateTimeField(blank=True, null=True, verbose_name="checked at")),
                (
                    "instance",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhook",
                        to="django_vzaps.instance",
                        verbose_name="instance",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook",
                "verbose_name_plural": "webhooks",
            },
        ),
        migrations.CreateModel(
            name="HandlerRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("handler", django_vzaps.models.fields.ExactCharField(max_length=255, verbose_name="handler")),
                ("state", models.CharField(default="started", max_length=16, verbose_name="state")),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("started_at", models.DateTimeField(blank=True, null=True, verbose_name="started")),
                ("duration", models.FloatField(blank=True, null=True, verbose_name="duration in seconds")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="django_vzaps.event",
                        verbose_name="event",
                    ),
                ),
            ],
            options={
                "verbose_name": "handler run",
                "verbose_name_plural": "handler runs",
                "constraints": [models.UniqueConstraint(fields=("event", "handler"), name="vzaps_handler_run")],
            },
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["instance", "state", "id"], name="vzaps_event_queue"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["state", "received_at"], name="vzaps_event_state"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(fields=("instance", "key"), name="vzaps_event_key"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(fields=("instance", "source", "origin_id"), name="vzaps_event_origin"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["outcome", "deadline"], name="vzaps_operation_outcome"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["kind", "outcome"], name="vzaps_operation_kind"),
        ),
    ]
