"""What the whole suite shares: Django's settings, the servers a test may need, and a word on what did not run."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import django
import hypothesis
import pytest

# Not in pyproject.toml: there the settings would be imported before pytest has put the checkout on the path.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402

import django_vzaps  # noqa: E402
from django_vzaps.testing import qr  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ["django_vzaps.testing.pytest_plugin"]

NEEDS = {
    "postgres": ("PostgreSQL", connection.vendor == "postgresql"),
    "mariadb": ("MariaDB", connection.vendor == "mysql"),
    "redis": ("Redis", "TEST_REDIS_URL" in os.environ),
    "rabbitmq": ("RabbitMQ", "TEST_RABBITMQ_URL" in os.environ),
    "browser": ("browser", "TEST_CHROMIUM" in os.environ),
    "contract": ("contract", "TEST_CONTRACT" in os.environ),
}

# The same examples on every run and no deadline: a busy machine or a lucky seed must not decide about a release.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    # Inherited by the workers, the name would be looked up before they have the checkout on their path.
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_report_header() -> list[str]:
    return [
        f"django_vzaps {django_vzaps.__version__} from {os.path.dirname(django_vzaps.__file__)}",
        f"Django {django.get_version()} on {connection.vendor}",
    ]


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (name, available) in NEEDS.items():
            if item.get_closest_marker(marker) is None:
                continue
            if marker not in ("browser", "contract"):
                item.add_marker("services")
            if not available:
                item.add_marker(pytest.mark.skip(reason=f"needs {name}"))


def pytest_collection_finish() -> None:
    # What is loaded by now stays: looking through it again and again would take a thirtieth of the time.
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # the last word before the closing line
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    yield
    missing = [name for name, available in NEEDS.values() if not available]
    if missing:
        terminalreporter.write_line(
            f"not run: {', '.join(missing)} (tox run -e services,browser,contract)", yellow=True, bold=True
        )


@pytest.fixture(autouse=True)
def _cheap_qr_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing a real one takes a fifth of a second; where somebody looks at it, this is overridden."""
    monkeypatch.setattr(qr, "png_data_url", lambda text: f"data:image/png;base64,{text}")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The Redis of the services environment; for tests marked ``redis``. Others use it: name keys uniquely."""
    return os.environ["TEST_REDIS_URL"]


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """The RabbitMQ of the services environment; for tests marked ``rabbitmq``. Others use it: name queues uniquely."""
    return os.environ["TEST_RABBITMQ_URL"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; for tests marked ``browser``."""
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright keeps an event loop running in this thread, which makes Django refuse the database to tests.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=os.environ["TEST_CHROMIUM"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page with a session of its own; every JavaScript error fails the test."""
    with chromium.new_context() as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert not errors
