"""Every page of the console that can be looked at: nothing that axe calls serious, nothing wider than the screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.populate import populated
from tests.end_to_end.site import Manage, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SERIOUS: Final = ("serious", "critical")
#: How wide and high the screen is, and which colours are preferred.
LOOKS: Final[dict[str, tuple[int, int, Literal["light", "dark"]]]] = {
    "desktop-light": (1280, 800, "light"),
    "phone-dark": (390, 844, "dark"),
}
#: More rows tell nothing more of a list; colours are read as soon as they are asked for, not halfway to them.
STILL: Final = """
for (const body of document.querySelectorAll("#result_list tbody, #vzaps-items tbody"))
  [...body.children].slice(12).forEach((row) => row.remove());
const sheet = new CSSStyleSheet();
sheet.replaceSync("* { transition: none !important; }");
document.adoptedStyleSheets = [sheet];
"""
#: What differs from look to look.
OF_LOOKS: Final = ("color-contrast", "link-in-text-block", "scrollable-region-focusable")
AXE: Final = """
async ([serious, rules]) => {
  const only = rules.length ? {runOnly: rules} : {};
  const {violations} = await axe.run({resultTypes: ["violations"], ...only});
  return violations
    .filter(({impact}) => serious.includes(impact))
    .map(({id, help, nodes}) => [id, help, nodes.slice(0, 3).map(({html}) => html.slice(0, 150))]);
}
"""
#: What somebody who sees is to read, and cannot: squeezed as what is meant for screen readers alone.
SQUEEZED: Final = """
[...document.querySelectorAll("#content :is(p, dl, section, .vzaps-said)")]
  .filter((element) => element.id !== "vzaps-said" && element.textContent.trim() && element.checkVisibility())
  .filter((element) => element.clientWidth === 1)
  .map((element) => element.outerHTML.slice(0, 150))
"""


@pytest.fixture(scope="module")
def addresses(fake: FakeVZaps, manage: Manage) -> dict[str, str]:
    return populated(fake, manage)


@pytest.fixture
def visitor(chromium: Browser, site: str) -> Iterator[Page]:
    with chromium.new_context() as context:
        context.add_init_script((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
        page = context.new_page()
        log_in(page, site)
        page.wait_for_url("**/admin/")
        yield page


def test_every_page_is_for_everybody(visitor: Page, site: str, addresses: dict[str, str]) -> None:
    assert len(addresses) > 20
    found: list[tuple[object, ...]] = []
    for name, path in addresses.items():
        response = visitor.goto(site + path)
        assert response is not None
        assert response.status == 200, (name, response.status)
        if response.headers["content-type"] == "application/json":
            continue
        for look, (width, height, scheme) in LOOKS.items():
            visitor.set_viewport_size({"width": width, "height": height})
            visitor.emulate_media(color_scheme=scheme)
            if visitor.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append((name, look, "wider than the screen"))
            if folder := os.environ.get("SCREENSHOTS"):
                visitor.screenshot(path=Path(folder) / f"{name}-{look}.png", full_page=True)
        found += [(name, "cannot be seen", html) for html in visitor.evaluate(SQUEEZED)]
        visitor.evaluate(STILL)
        for number, (look, (width, height, scheme)) in enumerate(LOOKS.items()):
            visitor.set_viewport_size({"width": width, "height": height})
            visitor.emulate_media(color_scheme=scheme)
            rules = OF_LOOKS if number else ()
            found += [(name, look, *violation) for violation in visitor.evaluate(AXE, [SERIOUS, rules])]
    assert found == [], "\n".join(map(str, found))
