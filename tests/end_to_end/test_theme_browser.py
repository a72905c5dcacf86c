"""The console in the looks of django-unfold: every page is there, and its states and buttons can be seen and read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.populate import populated
from tests.end_to_end.site import Manage, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

READABLE: Final = 4.5

#: What an operator looks for, on the pages that have it.
CONTROLS: Final = {
    "account_change": ["#vzaps-sync", "#id_new_client_token", "input[name=_save], button[name=_save]"],
    "batch_change": ["#vzaps-bar", "#vzaps-retry", "#vzaps-items"],
    "event_change": ["#vzaps-payload", "#header-inner >> text=Replay"],
    "event_changelist": ["#vzaps-chart svg", "#searchbar"],
    "instance_add": [".vzaps-title", "text=Create on VZaps"],
    "instance_cancel": [".vzaps-title", "input.vzaps-danger", ".closelink"],
    "instance_change": ["#vzaps-check", "text=Disconnect", "#header-inner >> text=Restart"],
    "instance_changelist": [".vzaps-strip", "#vzaps-sync", ".addlink", "#searchbar"],
    "instance_delete": ["input.vzaps-danger", ".closelink"],
    "instance_edit": [".vzaps-title", "text=Save on VZaps"],
    "instance_send": ["#id_text", "text=Send the message"],
    "instance_subscribe": [".vzaps-said"],
    "instance_webhook": ["text=Apply again", "text=Send a test event", ".closelink"],
    "operation_change": [".vzaps-headline"],
    "operation_changelist": [".vzaps-links", "#searchbar"],
}

#: What is there and cannot be told for what it is: frames that are missing, words that are hard to read, buttons that
#: look like text or stand in one another.
FAULTS: Final = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  // Whatever a colour is written in: what a pixel of it, over what is below it, comes to.
  const over = (below, colours) => {
    canvas.fillStyle = below;
    canvas.fillRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const ground = (element) => {
    const colours = [];
    for (let at = element; at; at = at.parentElement) colours.unshift(getComputedStyle(at).backgroundColor);
    return over("white", colours);
  };
  const luminance = (rgb) => {
    const linear = (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const readable = (element) => {
    const below = ground(element);
    return contrast(over(`rgb(${below.join()})`, [getComputedStyle(element).color]), below);
  };
  const isShown = (element) =>
    element.checkVisibility({visibilityProperty: true}) && element.getBoundingClientRect().width > 1;
  const shown = (selector) => [...document.querySelectorAll(selector)].filter(isShown);
  const framed = (element) => {
    const style = getComputedStyle(element);
    return parseFloat(style.borderTopWidth) > 0 && style.borderTopStyle !== "none";
  };
  const named = (what, element) => `${what}: ${element.outerHTML.slice(0, 120)}`;
  const found = [];
  for (const badge of shown(".vzaps-badge")) {
    if (!framed(badge)) found.push(named("no frame", badge));
    if (readable(badge) < READABLE) found.push(named(`contrast ${readable(badge).toFixed(1)}`, badge));
  }
  const filled =
    ":is(.submit-row, .vzaps-search) :is(input, button)[type=submit], .vzaps-controls .button, .vzaps-steps input";
  for (const button of shown(filled)) {
    if (contrast(ground(button), ground(button.parentElement)) < 1.5) found.push(named("no background", button));
    if (readable(button) < READABLE) found.push(named(`contrast ${readable(button).toFixed(1)}`, button));
  }
  for (const button of shown(".vzaps-danger")) {
    const [r, g, b] = ground(button);
    if (!(r > 2 * g && r > 2 * b)) found.push(named("not red", button));
  }
  const tools = shown("#header-inner li > a, #header-inner .vzaps-tool, #content .object-tools a");
  for (const tool of tools)
    if (!framed(tool) && !framed(tool.parentElement)) found.push(named("no frame", tool));
  const rects = (elements) => elements.map((element) => [element, element.getBoundingClientRect()]);
  const boxes = rects([...tools, ...shown(".submit-row > :is(a, input, button)")]);
  const areStuck = (a, b) => a.top < b.bottom && b.top < a.bottom && a.left <= b.left && b.left < a.right + 4;
  for (const [element, a] of boxes) {
    for (const [other, b] of boxes) {
      if (element !== other && areStuck(a, b)) found.push(named("stuck to the next", element));
    }
    const words = document.createRange();
    words.selectNodeContents(element);
    const inside = words.getBoundingClientRect();
    const isOutside = inside.height && (inside.bottom > a.bottom + 1 || inside.right > a.right + 1);
    if (isOutside) found.push(named("words outside of their frame", element));
  }
  for (const input of shown("#content :is(input:is([type=text], [type=password], [type=tel]), textarea, select)")) {
    if (!framed(input) && !framed(input.parentElement)) found.push(named("no frame", input));
  }
  for (const link of shown("#content p a, #content dd a, .vzaps-recent th a")) {
    if (readable(link) < READABLE) found.push(named(`contrast ${readable(link).toFixed(1)}`, link));
  }
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) found.push(`wider than the screen: ${width}`);
  return found;
}
""".replace("READABLE", str(READABLE))


@pytest.fixture(scope="module")
def surroundings() -> dict[str, str]:
    return {"BROWSER_THEME": "unfold"}


@pytest.fixture(scope="module")
def addresses(fake: FakeVZaps, manage: Manage) -> dict[str, str]:
    return populated(fake, manage)


@pytest.fixture(params=[(1280, 800, "light"), (390, 844, "dark")], ids=["desktop-light", "phone-dark"])
def look(request: pytest.FixtureRequest) -> Any:
    """How wide and high the screen is, and which colours are preferred."""
    return request.param


def test_every_page_can_be_used(chromium: Browser, site: str, addresses: dict[str, str], look: Any) -> None:
    width, height, scheme = look
    assert addresses.keys() >= CONTROLS.keys()
    with chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context:
        page = context.new_page()
        log_in(page, site)
        page.wait_for_url("**/admin/")
        faults: list[tuple[str, str]] = []
        for name, path in addresses.items():
            faults += [(name, fault) for fault in _faults(page, site + path, name)]
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=Path(folder) / f"{name}-unfold-{width}-{scheme}.png", full_page=True)
    assert faults == [], "\n".join(map(str, faults))


def _faults(page: Page, url: str, name: str) -> list[str]:
    found: list[str] = []

    def listen(message: Any) -> None:
        if message.type == "error":
            found.append(message.text)

    def fail(error: Any) -> None:
        found.append(str(error))

    page.on("console", listen)
    page.on("pageerror", fail)
    try:
        response = page.goto(url)
        assert response is not None
        if response.status != 200:
            found.append(f"status {response.status}")
        if response.headers["content-type"] != "application/json":
            found += page.evaluate(FAULTS)
        found += [f"there is no {control}" for control in CONTROLS.get(name, ()) if not page.locator(control).count()]
    finally:
        page.remove_listener("console", listen)
        page.remove_listener("pageerror", fail)
    return found
