"""What is mailed about alerts: to whom, in which words, and at most once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import override_settings
from django.utils import timezone, translation

from django_vzaps.models import Account, Alert, AlertKind, Event, EventState, Instance, Subscription, Webhook
from django_vzaps.services import alerts
from django_vzaps.services.alerts import mails, words
from tests.services.alerting import (
    ago,
    an_account,
    an_event,
    an_instance,
    disconnected,
    ending,
    failing,
    move_end,
    stale,
    with_webhook,
)
from tests.test_checks import nowhere

pytestmark = pytest.mark.django_db

HOSTILE = 'Front\r\nBcc: evil@example.com\u2028\u202edesk <script>alert("1")</script>' + "x" * 150


@pytest.fixture(autouse=True)
def _recipients(settings: Any) -> None:
    tell(settings, "ops@example.com")


def tell(settings: Any, *recipients: Any, **others: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "ALERT_RECIPIENTS": list(recipients), **others}


def sent() -> list[EmailMultiAlternatives]:
    """The mails of one check."""
    mail.outbox.clear()
    alerts.check()
    found = list(mail.outbox)
    assert all(isinstance(message, EmailMultiAlternatives) for message in found)
    return found  # type: ignore[return-value]


def html(message: EmailMultiAlternatives) -> str:
    return str(message.alternatives[0][0])


def test_one_alert_is_one_mail_that_says_what_why_and_where_to_go() -> None:
    instance = disconnected("Front desk", connection_changed_at=ago(hours=2))
    (message,) = sent()
    assert message.subject == "[VZaps] Front desk is disconnected"
    assert message.to == ["ops@example.com"]
    assert message.extra_headers == {"Auto-Submitted": "auto-generated"}
    page = f"https://hooks.example.test/admin/django_vzaps/instance/{instance.pk}/change/"
    for part in ("It neither sends nor receives messages.", "Restart it.", "(UTC)", page):
        assert part in message.body
        assert part in html(message)
    assert sent() == []


def test_all_of_one_check_is_one_mail_with_the_most_important_first() -> None:
    for number in range(25):
        stale(f"Branch {number}")
    disconnected("Front desk")
    failing("credentials", seconds=1)
    (message,) = sent()
    assert message.subject.startswith("[VZaps] 27 alerts: VZaps rejects the credentials of account ")
    assert message.body.index("credentials") < message.body.index("Front desk") < message.body.index("Branch 0")
    assert message.body.count("not confirmed\n") == mails.LISTED - 2
    assert "and 7 more" in message.body
    assert "and 7 more" in html(message)


def test_what_is_over_is_told_once_to_who_was_told_of_it() -> None:
    disconnected("Front desk")
    sent()
    Instance.objects.update(connected=True)
    (message,) = sent()
    assert message.subject == "[VZaps] Over: Front desk is disconnected"
    assert "Not so any more since" in message.body
    assert "What to do" not in message.body
    assert sent() == []


def test_what_is_over_for_another_reason_is_said() -> None:
    gone, asleep, ended, resumed = disconnected("Gone"), disconnected("Asleep"), ending(days=1), ending(days=2)
    sent()
    Instance.objects.filter(pk=gone.pk).update(removed_at=timezone.now())
    Account.objects.filter(pk=asleep.account_id).update(is_active=False)
    Subscription.objects.filter(pk=resumed.pk).update(cancel_at=None)
    Subscription.objects.filter(pk=ended.pk).update(cancel_at=ago(minutes=1))
    Alert.objects.filter(instance=ended.instance).update(details={"ends_at": ago(minutes=1).isoformat()})
    (message,) = sent()
    for said in ("gone from VZaps.", "not active any more.", "It has ended.", "It does not end so soon any more."):
        assert message.body.count(said) == 1


def test_several_that_are_over_are_counted() -> None:
    disconnected("Front desk")
    disconnected("Back office")
    sent()
    Instance.objects.update(connected=True)
    assert sent()[0].subject == "[VZaps] 2 alerts are over: Front desk is disconnected"


def test_what_was_over_before_it_was_told_is_not_told_at_all(settings: Any) -> None:
    tell(settings)
    disconnected()
    assert sent() == []
    Instance.objects.update(connected=True)
    assert sent() == []
    tell(settings, "ops@example.com")
    assert sent() == []


def test_without_recipients_alerts_are_raised_and_wait_to_be_told(settings: Any) -> None:
    tell(settings)
    disconnected()
    assert sent() == []
    assert Alert.objects.open().count() == 1
    tell(settings, "ops@example.com")
    assert len(sent()) == 1


def test_a_nearer_end_is_a_reminder_of_the_same_alert() -> None:
    subscription = ending(days=6)
    assert "New\n" in sent()[0].body
    for days in (2, 0.5):
        move_end(subscription, days=days)
        (message,) = sent()
        assert message.body.startswith("Reminder\n")
        assert message.subject.startswith("[VZaps] Front desk: subscription ends on ")
        assert sent() == []
    move_end(subscription, days=5)
    assert sent() == []
    move_end(subscription, days=2)
    assert sent()[0].body.startswith("Reminder\n")
    assert Alert.objects.count() == 1


def test_an_outage_that_turns_out_to_be_refused_credentials_is_no_recovery() -> None:
    failing("timeout", minutes=6)
    assert "cannot be read" in sent()[0].subject
    Account.objects.update(failure_kind="credentials")
    (message,) = sent()
    assert "rejects the credentials" in message.subject
    assert "Over" not in message.body
    Account.objects.update(failing_since=None, failure_kind="")
    (message,) = sent()
    assert message.subject.startswith("[VZaps] Over: VZaps rejects the credentials")


def test_what_strangers_write_breaks_neither_headers_nor_html() -> None:
    disconnected(HOSTILE)
    failing_account = an_account(name=HOSTILE[:90], failing_since=ago(minutes=6), failure_kind="credentials")
    assert failing_account.pk
    disconnected("", vzaps_id=HOSTILE)
    (message,) = sent()
    raw = message.message().as_bytes()
    assert b"\nBcc:" not in raw
    assert "<script>" not in html(message)
    assert "&lt;script&gt;" in html(message)
    assert "\u202e" not in message.body
    assert "\u2028" not in message.body
    assert len(message.subject) < 200
    Account.objects.update(failing_since=None)
    for kept in Instance.objects.all():
        Alert.objects.all().delete()
        Instance.objects.update(connected=True)
        Instance.objects.filter(pk=kept.pk).update(connected=False)
        (message,) = sent()
        assert message.subject.startswith('[VZaps] Front Bcc: evil@example.com desk <script>alert("1")<')


def test_no_secret_and_no_message_is_in_a_mail() -> None:
    account = Account.objects.create(
        name="sales", client_token="the-client-token", client_secret="the-client-secret", failing_since=ago(hours=1),
        failure_kind="credentials", sync_error="the-sync-error",
    )  # fmt: skip
    instance = disconnected(account=account, token="the-instance-token", phone="5511988887777")
    with_webhook(instance, actual_host_and_path="elsewhere.example/the-path")
    Event.objects.create(instance=instance, state=EventState.FAILED, payload='{"text": "the-message"}', type="Message")
    (message,) = sent()
    everything = message.message().as_string() + message.body + html(message)
    for secret in ("the-client", "the-instance", "the-sync", "the-path", "the-message", "5511988887777"):
        assert secret not in everything


def test_everybody_is_told_in_their_own_language(settings: Any) -> None:
    """Until our own texts are translated, Django's names of months tell."""
    settings.LANGUAGE_CODE = "de"
    tell(settings, ("br@example.com", "pt-br"), ("es@example.com", "es"), "de@example.com", ("xx@example.com", "tlh"))
    ends_at = timezone.now() + timedelta(days=2)
    ending(days=2)
    with translation.override("fr"):
        by_address = {message.to[0]: message for message in sent()}
        assert translation.get_language() == "fr"
    for address, language in (("br", "pt-br"), ("es", "es"), ("de", "de"), ("xx", "de")):
        with translation.override(language):
            day = words.moment(ends_at).rpartition(" ")[0].split(" ")[2]
        message = by_address[f"{address}@example.com"]
        assert day in message.subject
        assert f'<html lang="{language}">' in html(message)


def test_our_own_words_are_in_the_recipients_language(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_", lambda text: f"{translation.get_language()}: {text}")
    tell(settings, ("br@example.com", "pt-br"))
    disconnected("Front desk")
    (message,) = sent()
    assert message.subject == "[VZaps] pt-br: Front desk is disconnected"
    assert "pt-br: It neither sends" in message.body


def test_times_are_those_of_the_site(settings: Any) -> None:
    settings.TIME_ZONE = "America/Sao_Paulo"
    at = timezone.now().replace(hour=1, minute=30) - timedelta(days=1)
    disconnected(connection_changed_at=at)
    with timezone.override("Asia/Tokyo"):
        (message,) = sent()
    assert "10:30 p.m. (America/Sao_Paulo)" in message.body


def test_a_mail_server_that_refuses_is_tried_again_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_message: EmailMultiAlternatives) -> int:
        raise ConnectionRefusedError("password=hunter2")

    gone, near = disconnected("Gone"), ending(days=6)
    sent()
    disconnected("Front desk")
    Instance.objects.filter(pk=gone.pk).update(connected=True)
    move_end(near, days=2)
    with monkeypatch.context() as patch:
        patch.setattr(EmailMultiAlternatives, "send", refuse)
        assert sent() == []
        report = alerts.check()
    assert (report.failed, report.mailed) == ((), 0)
    assert "ConnectionRefusedError" in caplog.text
    assert "hunter2" not in caplog.text
    (message,) = sent()
    for part in ("Front desk is disconnected", "Reminder", "Gone is disconnected"):
        assert part in message.body
    assert sent() == []


def test_a_mail_server_that_hangs_until_the_time_limit_is_not_asked_again_before_all_is_marked_untold(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(settings, "ops@example.com", "boss@example.com")
    disconnected()
    tried: list[object] = []

    def hang(message: EmailMultiAlternatives, **_options: Any) -> int:
        tried.append(message.to)
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr(EmailMultiAlternatives, "send", hang)
        assert sent() == []

    assert tried == [["ops@example.com"]]
    assert len(sent()) == 2


def test_who_was_told_is_not_told_twice_because_another_was_refused(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(settings, "bad@example.com", "ops@example.com")
    real = EmailMultiAlternatives.send

    def refuse_one(message: EmailMultiAlternatives) -> int:
        if message.to == ["bad@example.com"]:
            raise ConnectionRefusedError
        return real(message)

    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse_one)
    disconnected()
    assert [message.to for message in sent()] == [["ops@example.com"]]
    assert sent() == []


def test_a_recovery_that_could_not_be_told_for_a_day_is_no_news() -> None:
    disconnected()
    sent()
    Alert.objects.update(resolved_at=ago(hours=25), open_key=None)
    Instance.objects.update(connected=True)
    assert sent() == []


def an_alert(kind: str, **details: Any) -> Alert:
    is_about_account = kind in (AlertKind.CREDENTIALS_REJECTED, AlertKind.ACCOUNT_UNREADABLE)
    subject: dict[str, Any] = {}
    if kind != AlertKind.EVENTS_WAITING:
        subject = {"account": an_account()} if is_about_account else {"instance": an_instance()}
    return Alert.objects.create(kind=kind, details=details, **subject)


@pytest.mark.parametrize("kind", AlertKind.values)
def test_every_kind_says_what_it_means_and_what_to_do_and_leads_to_a_page(kind: str, admin_client: Any) -> None:
    alert = an_alert(kind, failed_events=1)
    with_webhook(alert.instance or an_instance())
    for said in (alerts.title(alert), alerts.meaning(alert), alerts.advice(alert)):
        assert said
        assert "%" not in said
        assert "\n" not in said
    assert admin_client.get(alerts.link(alert)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "details", "said"),
    [
        ("webhook_drift", {"differs": ["url"]}, "another URL: they do not arrive"),
        ("webhook_drift", {"differs": ["events"]}, "other types of events"),
        ("webhook_drift", {"differs": ["url", "events"]}, "another URL and other types"),
        ("events_failing", {"failed_events": 1, "undelivered": False}, "1 event of the last 24 hours was given up"),
        ("events_failing", {"failed_events": 2, "undelivered": False}, "2 events of the last 24 hours were given up"),
        ("events_failing", {"failed_events": 0, "undelivered": True}, "could not deliver events to this site"),
        ("account_unreadable", {"failure": "timeout"}, "does not answer in time"),
        ("account_unreadable", {"failure": "rate_limited"}, "asked too often"),
        ("account_unreadable", {"failure": "refused"}, "refuses to answer"),
    ],
)
def test_details_are_said_in_words(kind: str, details: dict[str, Any], said: str) -> None:
    assert said in alerts.meaning(an_alert(kind, **details))


def test_credentials_are_put_right_where_they_are_kept(settings: Any) -> None:
    account = an_account(client_token="token", client_secret="secret")
    stored = Alert.objects.create(kind="credentials_rejected", account=account)
    assert alerts.advice(stored).startswith("Enter the client token")
    in_settings = Alert.objects.create(kind="credentials_rejected", account=Account.objects.from_settings())
    assert alerts.advice(in_settings).startswith("Correct CLIENT_TOKEN and CLIENT_SECRET in the settings")
    tell(settings, ACCOUNT_NAME="another")
    assert alerts.advice(in_settings).startswith("Enter the client token")


def test_failed_events_lead_to_the_list_of_them() -> None:
    alert = an_alert("events_failing", failed_events=3)
    assert alerts.link(alert) == f"/admin/django_vzaps/event/?instance__id__exact={alert.instance_id}&state=failed"


def test_odd_details_break_no_text() -> None:
    alert = an_alert("disconnected")
    for alert.kind in (*AlertKind.values, "of a newer version"):
        for alert.details in (None, [], "text", {"failed_events": "many", "ends_at": 7, "differs": "url"}):
            assert alerts.title(alert)
            alerts.meaning(alert), alerts.advice(alert)
            assert alerts.url(alert).startswith("https://hooks.example.test/admin/")


def test_the_admin_may_be_elsewhere_or_not_at_all(settings: Any) -> None:
    alert = Alert.objects.create(kind="disconnected", instance=disconnected())
    tell(settings, ADMIN_BASE_URL="https://staff.example.com")
    assert alerts.url(alert) == f"https://staff.example.com{alerts.link(alert)}"
    tell(settings, "ops@example.com", ADMIN_BASE_URL="", WEBHOOK_BASE_URL="")
    assert alerts.url(alert) == ""
    with override_settings(ROOT_URLCONF=nowhere):
        assert alerts.link(alert) == ""
        assert len(sent()) == 1


@pytest.mark.skipif(connection.vendor != "sqlite", reason="one database is enough")
def test_a_site_without_time_zones_is_told_too(settings: Any) -> None:
    settings.USE_TZ = False
    disconnected(connection_changed_at=ago(hours=2))
    ending(days=2)
    (message,) = sent()
    assert "Since" in message.body


def test_a_webhook_that_is_set_again_is_told_over() -> None:
    with_webhook(an_instance("Front desk"), actual_host_and_path="elsewhere.example/")
    assert sent()[0].subject == "[VZaps] Front desk: webhook differs on VZaps"
    Webhook.objects.update(actual_host_and_path="here.example/hook")
    assert sent()[0].subject == "[VZaps] Over: Front desk: webhook differs on VZaps"


def test_events_that_wait_are_about_the_whole_site() -> None:
    an_event(an_instance(), received_at=ago(minutes=11))
    (message,) = sent()
    assert message.subject == "[VZaps] Events are not being handled"
    assert "/admin/django_vzaps/event/?state=pending" in message.body
