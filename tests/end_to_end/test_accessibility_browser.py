"""Every page of the console that can be looked at: nothing that axe calls serious, nothing wider than the screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.populate import populated
from tests.end_to_end.site import Manage, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

#: What Django's own admin does, and this package inherits.
DJANGOS_OWN: Final = frozenset[str]()
SERIOUS: Final = ("serious", "critical")
SCREENS: Final = {"desktop": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def addresses(fake: FakeVZaps, manage: Manage) -> dict[str, str]:
    return populated(fake, manage)


@pytest.fixture(params=[("desktop", "light"), ("phone", "dark")], ids="-".join)
def look(request: pytest.FixtureRequest) -> Any:
    """Which screen, and which colours are preferred."""
    return request.param


@pytest.fixture
def visitor(chromium: Browser, site: str, look: Any) -> Iterator[Page]:
    screen, scheme = look
    width, height = SCREENS[screen]
    with chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context:
        page = context.new_page()
        log_in(page, site)
        page.wait_for_url("**/admin/")
        yield page


def test_every_page_is_for_everybody(visitor: Page, site: str, addresses: dict[str, str], look: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    assert len(addresses) > 20
    found = []
    for name, path in addresses.items():
        response = visitor.goto(site + path)
        assert response is not None
        assert response.status == 200, (name, response.status)
        if response.headers["content-type"] == "application/json":
            continue
        for violation in Axe().run(visitor, options={"resultTypes": ["violations"]}).response["violations"]:
            if violation["impact"] in SERIOUS and violation["id"] not in DJANGOS_OWN:
                where = [node["html"][:150] for node in violation["nodes"][:3]]
                found.append((name, violation["id"], violation["help"], where))
        if look[0] == "phone" and visitor.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(
                (name, "wider than the screen", str(visitor.evaluate("document.documentElement.scrollWidth")), [])
            )
        if folder := os.environ.get("SCREENSHOTS"):
            visitor.screenshot(path=Path(folder) / f"{name}-{'-'.join(look)}.png", full_page=True)
    assert found == [], "\n".join(map(str, found))
