"""A stateful fake of VZaps, for tests and for trying things out. It imports nothing of the rest of the package.

In a test, the service in this process::

    fake = FakeVZaps()
    with fake.mount("https://api.vzaps.com"):
        ...

Over real HTTP, with a page at ``/phone`` that plays the phones::

    python -m django_vzaps.testing --port 8001
"""

try:
    from django_vzaps.testing.deliveries import wait_until
    from django_vzaps.testing.fake import FakeVZaps
    from django_vzaps.testing.state import Call, Charge, ChatMessage, Checkout, FakeAccount, FakeInstance, LogEntry
    from django_vzaps.testing.variants import Variants
    from django_vzaps.testing.wire import Answer
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'{error}. The fake service needs the extra: pip install "django-vzaps[testing]".', name=error.name
    ) from None

__all__ = [
    "Answer",
    "Call",
    "Charge",
    "ChatMessage",
    "Checkout",
    "FakeAccount",
    "FakeInstance",
    "FakeVZaps",
    "LogEntry",
    "Variants",
    "wait_until",
]
