"""The console in the looks of django-unfold: every page is there, with its buttons and states."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.populate import populated
from tests.end_to_end.site import Manage, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def surroundings() -> dict[str, str]:
    return {"BROWSER_THEME": "unfold"}


@pytest.fixture(scope="module")
def addresses(fake: FakeVZaps, manage: Manage) -> dict[str, str]:
    return populated(fake, manage)


def test_every_page_is_rendered(page: Page, site: str, addresses: dict[str, str]) -> None:
    log_in(page, site)
    page.wait_for_url("**/admin/")
    for name, path in addresses.items():
        response = page.goto(site + path)
        assert response is not None
        assert response.status == 200, name
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}-unfold.png", full_page=True)
