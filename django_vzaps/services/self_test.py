"""A test event from this site to its own public URL: does what VZaps posts get in from outside?

The secret of the URL is not kept, so it is not in the address of the test. In its place stands a signed word that holds
for a minute, for one webhook, and for one body: this module's. It lets in nothing else (:func:`named_in` and
:func:`take_in` are what the receiver asks). Nothing is asked of VZaps, so ``READ_ONLY`` does not forbid it.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.core.signing import BadSignature, TimestampSigner
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_vzaps import conf
from django_vzaps.client import VZapsAnswerError, VZapsError, VZapsTimeoutError
from django_vzaps.client.wire import Answer, Wire
from django_vzaps.models import Event, EventState, Instance, Webhook
from django_vzaps.services.errors import NotConfigured

#: The type of the event, which VZaps has none of.
EVENT_TYPE: Final = "VzapsTest"
#: How long the signed word is good for, in seconds.
SECONDS: Final = 60
#: To connect, and to answer, in seconds: a person waits for it.
TIMEOUT: Final = (3.0, 10.0)

_SEPARATOR: Final = ":"
#: What is longer is no word of ours, and not worth hashing.
_LONGEST_WORD: Final = 200
_MOST_READ: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTest:
    """How it went. ``words`` say it to a person; ``event_id`` is the stored event's, None where none is there."""

    words: str
    milliseconds: int
    event_id: int | None = None
    status: int | None = None

    @property
    def is_ok(self) -> bool:
        """Whether it came in from outside and ended in the inbox."""
        return self.event_id is not None


def send(instance: Instance) -> SelfTest:
    """Post a test event to the instance's webhook URL below ``VZAPS["WEBHOOK_BASE_URL"]``, and look for it.

    Nowhere else: no redirect is followed. No handler is given the event. Raises :class:`NotConfigured`.
    """
    base_url = conf.current().webhook_base_url
    if not base_url:
        raise NotConfigured(
            _("VZAPS['WEBHOOK_BASE_URL'] is not set: this site does not know its own address. Set it to its URL.")
        )
    webhook, _made = Webhook.objects.get_or_create(instance=instance)
    test_id = secrets.token_hex(16)
    began = time.monotonic()
    answer = _posted(base_url, webhook.public_id, test_id)
    milliseconds = round((time.monotonic() - began) * 1000)
    event_id = Event.objects.filter(instance=instance, origin_id=_origin(test_id)).values_list("pk", flat=True).first()
    return SelfTest(
        words=_in_words(answer, event_id, milliseconds),
        milliseconds=milliseconds,
        event_id=event_id,
        status=answer.status if isinstance(answer, Answer) else None,
    )


@sensitive_variables()
def named_in(public_id: UUID, word: str) -> str:
    """The id of the test that ``word``, in the place of the secret, was signed for; empty where it is no such word."""
    if len(word) > _LONGEST_WORD:
        return ""
    try:
        return _signer(public_id).unsign(word, max_age=SECONDS)
    except BadSignature:
        return ""


def take_in(instance_id: int, test_id: str, body: bytes) -> bool:
    """Store the test event; False where ``body`` is not the one that was sent. A second delivery only counts."""
    if not hmac.compare_digest(body, _body(test_id)):
        return False
    Event.objects.store(
        instance_id=instance_id,
        type=EVENT_TYPE,
        payload=body.decode(),
        origin_id=_origin(test_id),
        state=EventState.IGNORED,
    )
    return True


@sensitive_variables()
def _posted(base_url: str, public_id: UUID, test_id: str) -> Answer | VZapsError:
    word = _signer(public_id).sign(test_id)
    path = reverse("django_vzaps:webhook", kwargs={"public_id": public_id, "secret": word})
    wire = Wire(base_url, timeout=TIMEOUT, max_body=_MOST_READ)
    try:
        request = wire.prepared("POST", path, query=None, content=_body(test_id))
        request.headers["Content-Type"] = "application/json"
        request.headers["User-Agent"] = "django_vzaps self-test"
        return wire.exchange(request, fresh=True)
    except VZapsAnswerError:
        return Answer(status=HTTPStatus.OK, headers={}, body=b"")  # A success, and more than the receiver ever says.
    except VZapsError as error:
        return error
    except ValueError:
        # It may quote the address, and with it the word.
        return VZapsError(_("It is no valid address."))


def _signer(public_id: UUID) -> TimestampSigner:
    return TimestampSigner(sep=_SEPARATOR, salt=f"django_vzaps.self_test.{public_id}")


def _body(test_id: str) -> bytes:
    note = "A test that this site sent to itself. Not from VZaps."
    return json.dumps({"type": EVENT_TYPE, "event": {"id": test_id, "note": note}}).encode()


def _origin(test_id: str) -> str:
    return f"self-test:{test_id}"


def _in_words(answer: Answer | VZapsError, event_id: int | None, milliseconds: int) -> str:
    took = _("It took %(count)d ms.") % {"count": milliseconds}
    if event_id is not None:
        if isinstance(answer, Answer) and answer.status == HTTPStatus.OK:
            said = _("The test event came in at the public URL and is in the inbox as event #%(pk)d.")
        else:
            said = _(
                "The test event is in the inbox as event #%(pk)d, but the answer to it did not come back as it should. "
                "VZaps may take such deliveries for failed and repeat them."
            )
        return f"{said % {'pk': event_id}} {took}"
    return f"{_reason(answer)} {took}"


def _reason(answer: Answer | VZapsError) -> str:
    if isinstance(answer, VZapsTimeoutError):
        return _(
            "The public URL did not answer in time. VZaps would have the same trouble, unless it is only this site "
            "that cannot reach itself: a firewall may forbid that, and a server that works on one request at a time "
            "cannot."
        )
    if isinstance(answer, VZapsError):
        return _("The public URL could not be reached. %(why)s") % {"why": answer}
    status, ours = answer.status, _is_the_receivers(answer)
    if status == HTTPStatus.OK and ours:
        return _(
            "A site answered as this one does, but the event is not in this site's inbox: "
            "VZAPS['WEBHOOK_BASE_URL'] leads to one with another database."
        )
    if status == HTTPStatus.NOT_FOUND and ours:
        return _refused()
    if status == HTTPStatus.BAD_REQUEST and ours:
        return _("The receiver was reached, but the event was changed on its way: look at what stands in front of it.")
    if status == HTTPStatus.SERVICE_UNAVAILABLE and ours:
        return _("The receiver was reached, but the database did not take the event. This site's log says why.")
    if 300 <= status < 400:
        return _(
            "The public URL answered %(status)d, a redirect to %(where)s. VZaps is not known to follow one: put the "
            "final address into VZAPS['WEBHOOK_BASE_URL']."
        ) % {"status": status, "where": _origin_of(answer.headers.get("location", ""))}
    return _(
        "Something answered %(status)d, and it was not the receiver of this site: a proxy in front of it, or another "
        "site. Check VZAPS['WEBHOOK_BASE_URL'], and where the proxy sends the path of django_vzaps.urls."
    ) % {"status": status}


def _refused() -> str:
    current = conf.current()
    names = [
        name
        for name, is_set in (
            ("WEBHOOK_ALLOWED_NETWORKS", current.webhook_allowed_networks),
            ("WEBHOOK_VERIFIER", current.webhook_verifier),
        )
        if is_set
    ]
    if names:
        return _(
            "The receiver was reached and refused this site's own call, which does not come from VZaps: see %(names)s "
            "in VZAPS. Only an event from VZaps can show more."
        ) % {"names": ", ".join(names)}
    return _(
        "A receiver of this kind was reached and does not know this test: VZAPS['WEBHOOK_BASE_URL'] leads to another "
        "site, or the processes of this one do not share a SECRET_KEY."
    )


def _is_the_receivers(answer: Answer) -> bool:
    """Whether the answer is one of :func:`django_vzaps.views.webhook`, as far as that can be told."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        return False
    return isinstance(said, dict) and set(said) == {"status"}


def _origin_of(url: str) -> str:
    """Scheme and host: the path has the signed word."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "?"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else _("another path of its own")
