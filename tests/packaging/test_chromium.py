"""The browser that browser tests are given works, and finds the admin's styles and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer


@pytest.mark.browser
def test_admin_asks_for_a_login(live_server: LiveServer, page: Page) -> None:
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.goto(f"{live_server.url}/admin/")
    assert page.get_by_role("button", name="Log in").is_visible()
    assert not failed
