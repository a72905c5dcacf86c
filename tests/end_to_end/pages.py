"""A visitor without JavaScript: opens pages, fills in forms, follows redirects."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests


@dataclass
class Form:
    """A form with what it would send as it stands. ``choices`` has the values of selects by their text."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class Page:
    """An answer and the forms on it."""

    url: str
    text: str
    forms: list[Form]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def form(self, *, has: str = "", action: str = "") -> Form:
        """The one form that has a field of that name, or whose action ends so."""
        found = [form for form in self.forms if (not has or has in form.fields) and form.action.endswith(action)]
        assert len(found) == 1, f"{len(found)} such forms on {self.url}"
        return found[0]


class Visitor:
    """One person's session on one site."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False

    def open(self, path: str) -> Page:
        return self._page(self.session.get(urljoin(self.site, path), timeout=20))

    def submit(self, page: Page, form: Form, **values: str) -> Page:
        data = {**form.fields, **{name: [value] for name, value in values.items()}}
        url = urljoin(page.url, form.action)
        return self._page(self.session.post(url, data=data, headers={"Referer": page.url}, timeout=20))

    @staticmethod
    def _page(answer: requests.Response) -> Page:
        assert answer.status_code == 200, f"{answer.status_code} at {answer.url}: {answer.text[:2000]}"
        parser = _Forms()
        parser.feed(answer.text)
        return Page(answer.url, answer.text, parser.forms)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self._option: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "select":
            self._select = name
            self._form.fields.setdefault(name, [])
            self._form.choices[name] = {}
        elif tag == "option":
            self._option = given.get("value", "")
            if "selected" in given:
                self._form.fields[self._select] = [self._option]
        elif tag == "input" and name and given.get("type") not in ("submit", "button"):
            values = self._form.fields.setdefault(name, [])
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                values.append(given.get("value", "on" if given.get("type") == "checkbox" else ""))

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._option is not None and data.strip():
            self._form.choices[self._select][data.strip()] = self._option

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "option":
            self._option = None
