"""The fake's pages as HTML. Everything that comes from outside goes through :func:`escape`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from django_vzaps.testing.clock import rfc3339
from django_vzaps.testing.state import ChatMessage, Checkout, FakeInstance

_NONE_WAITING: Final = '<p class="soft">No instance shows a QR code now. Open a pairing page to see its code here.</p>'

MARKS: Final = {"sent": "✓", "delivered": "✓✓", "read": "✓✓"}

STYLE: Final = """
:root { color-scheme: light dark; --page: #f3f5f4; --card: #fff; --ink: #15201b; --soft: #5d6b65; --line: #dde3e0;
  --accent: #0b7a53; --on-accent: #fff; --own: #d6f5e3; --read: #0b6fb8; }
@media (prefers-color-scheme: dark) { :root { --page: #101614; --card: #1a2220; --ink: #e8efec; --soft: #9fada7;
  --line: #2c3733; --accent: #3ecb92; --on-accent: #06251a; --own: #164434; --read: #69b7f0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
main.narrow { max-width: 30rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 2rem 0 .75rem; }
p { margin: .25rem 0; }
a { color: var(--accent); }
main.narrow > .card, main.narrow > div > .card { margin-top: .75rem; }
.soft { color: var(--soft); font-size: .9rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.25rem; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
.qr { text-align: center; }
.qr img { width: 100%; max-width: 15rem; border-radius: 8px; background: #fff; }
ul.phones { list-style: none; margin: 0; padding: 0; }
ul.phones li { display: flex; gap: 1rem; align-items: center; padding: .7rem 1.25rem;
  border-top: 1px solid var(--line); }
ul.phones li:first-child { border-top: 0; }
ul.phones a { font-weight: 600; text-decoration: none; }
ul.phones a:hover { text-decoration: underline; }
ul.phones .soft { margin-left: auto; }
.list { padding: 0; overflow: hidden; }
button { font: inherit; font-weight: 600; padding: .55rem 1.25rem; border: 0; border-radius: 999px; cursor: pointer;
  background: var(--accent); color: var(--on-accent); }
button.quiet { background: transparent; color: var(--soft); border: 1px solid var(--line); font-weight: 500;
  padding: .3rem .9rem; font-size: .9rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#conversation { list-style: none; margin: 0; padding: 1rem; display: flex; flex-direction: column; gap: .5rem;
  height: min(26rem, 55vh); overflow-y: auto; }
#conversation li { max-width: 80%; padding: .5rem .8rem; border-radius: 14px; background: var(--page);
  align-self: flex-start; overflow-wrap: anywhere; white-space: pre-wrap; }
#conversation li.from-phone { background: var(--own); align-self: flex-end; }
#conversation .empty { align-self: center; background: none; color: var(--soft); margin: auto; }
#conversation footer { display: flex; gap: .5rem; justify-content: flex-end; font-size: .75rem; color: var(--soft); }
.mark { letter-spacing: -.25em; padding-right: .25em; }
.mark[data-state=read] { color: var(--read); }
form.write { display: flex; gap: .5rem; padding: .75rem; border-top: 1px solid var(--line); }
form.write input { flex: 1; min-width: 0; font: inherit; padding: .55rem 1rem; border-radius: 999px; color: inherit;
  border: 1px solid var(--line); background: var(--page); }
.row { display: flex; gap: .5rem; flex-wrap: wrap; align-items: center; margin-top: 1rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""

# Every second the page is asked for again. What lives is put in place; where the phone's state changed, all of it is.
SCRIPT: Final = """
const bottom = () => { const list = document.getElementById("conversation"); if (list) list.scrollTop = 1e9; };
bottom();
setInterval(async () => {
  let answer;
  try { answer = await fetch(location.href); } catch { return; }
  if (!answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const state = (page) => page.querySelector("main").dataset.state;
  const id = state(next) === state(document) ? "live" : "main";
  const [old, fresh] = [document.getElementById(id), next.getElementById(id)];
  if (!old || !fresh || old.innerHTML === fresh.innerHTML) return;
  old.innerHTML = fresh.innerHTML;
  document.getElementById("main").dataset.state = state(next);
  bottom();
}, 1000);
"""


def index(instances: Iterable[FakeInstance], codes: Mapping[str, str]) -> str:
    """All phones: those that show a QR code first, then the connected ones, then the rest."""
    waiting: list[FakeInstance] = []
    connected: list[FakeInstance] = []
    rest: list[FakeInstance] = []
    for instance in instances:
        group = waiting if instance.id in codes else connected if instance.connected else rest
        group.append(instance)
    cards = "".join(_code(instance, codes[instance.id], titled=True) for instance in waiting)
    shown = f'<div class="grid">{cards}</div>' if waiting else _NONE_WAITING
    live = f"<h2>Waiting to be scanned</h2>{shown}{_list('Connected', connected)}{_list('Not connected', rest)}"
    body = (
        "<h1>Phones</h1>"
        '<p class="soft">This page plays the phones on the other side of the fake VZaps service.</p>'
        f'<div id="live">{live}</div>'
    )
    return _page("Phones", body, state="index")


def phone(instance: FakeInstance, code: str | None, person: str, person_phone: str) -> str:
    """One phone: the code to scan, or the conversation with the number it is paired with."""
    head = f'<p><a href="/phone">All phones</a></p><h1>{escape(instance.name)}</h1>'
    if code is not None:
        head += '<p class="soft">Not paired. The instance shows this code:</p>'
        body = f'{head}<div id="live">{_code(instance, code)}</div>'
        return _page(instance.name, body, state="waiting", narrow=True)
    if not instance.phone:
        return _page(
            instance.name,
            f'{head}<div class="card" id="live"><p>This instance is not paired and shows no QR code.</p>'
            '<p class="soft">Open its pairing page: the code appears here by itself.</p></div>',
            state="idle",
            narrow=True,
        )
    if not instance.connected:
        return _page(
            instance.name,
            f'{head}<p class="soft">{escape(_spaced(instance.phone))}</p>'
            '<div class="card" id="live"><p>The connection has dropped.</p>'
            '<p class="soft">Restart the instance to bring it back.</p></div>'
            f'<div class="row">{_button(instance, "unlink", "Unlink this device")}</div>',
            state="dropped",
            narrow=True,
        )
    body = (
        f'{head}<p class="soft">{escape(_spaced(instance.phone))} · connected · you write as {escape(person)}, '
        f"{escape(_spaced(person_phone))}</p>"
        f'<div class="card list"><div id="live">{_conversation(instance, person_phone)}</div>'
        f'<form class="write" method="post" action="/phone/{escape(instance.id)}/send">'
        '<label class="hidden" for="text">Message</label>'
        '<input id="text" name="text" placeholder="Message" autocomplete="off" autofocus required>'
        '<button id="send" type="submit">Send</button></form></div>'
        f'<div class="row">{_button(instance, "drop", "Drop the connection")}'
        f"{_button(instance, 'unlink', 'Unlink this device')}</div>"
        '<noscript><p class="soft">Reload this page to see replies.</p></noscript>'
    )
    return _page(instance.name, body, state="paired", narrow=True)


def checkout(instance: FakeInstance, session: Checkout) -> str:
    """The hosted payment page."""
    if session.paid:
        body = f"<h1>Paid</h1><p>The subscription of {escape(instance.name)} is active.</p>"
        return _page("Paid", f'<div class="card">{body}</div>', state="paid", narrow=True)
    body = (
        f"<h1>Checkout</h1><p>Subscription for <strong>{escape(instance.name)}</strong></p>"
        '<p class="soft">No card is charged: this is the fake service.</p>'
        f'<form class="row" method="post" action="/checkout/{escape(session.session_id)}/pay">'
        '<button id="pay" type="submit">Pay</button></form>'
    )
    return _page("Checkout", f'<div class="card">{body}</div>', state="open", narrow=True)


def notice(title: str, sentence: str) -> str:
    """A page that says one thing."""
    body = f'<h1>{escape(title)}</h1><p>{escape(sentence)}</p><p><a href="/phone">All phones</a></p>'
    return _page(title, body, state="notice", narrow=True)


def _page(title: str, body: str, *, state: str, narrow: bool = False) -> str:
    shape = ' class="narrow"' if narrow else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · Fake VZaps</title><style>{STYLE}</style></head>"
        f'<body><main id="main" data-state="{state}"{shape}>{body}</main>'
        f"<script>{SCRIPT}</script></body></html>"
    )


def _code(instance: FakeInstance, code: str, *, titled: bool = False) -> str:
    name = escape(instance.name)
    title = f'<p><a href="/phone/{escape(instance.id)}"><strong>{name}</strong></a></p>' if titled else ""
    label = f' aria-label="Scan {name}"' if titled else ""
    return (
        f'<div class="card qr" id="phone-{escape(instance.id)}">{title}'
        f'<img src="{escape(code)}" alt="QR code of {name}">'
        f'<form method="post" action="/phone/{escape(instance.id)}/scan">'
        f'<button type="submit"{label}>Scan</button></form></div>'
    )


def _list(title: str, instances: list[FakeInstance]) -> str:
    if not instances:
        return ""
    rows = "".join(
        f'<li id="phone-{escape(item.id)}"><a href="/phone/{escape(item.id)}">{escape(item.name)}</a>'
        f'<span class="soft">{escape(_spaced(item.phone)) if item.phone else "not paired"}</span></li>'
        for item in instances
    )
    return f'<h2>{escape(title)}</h2><ul class="phones card list">{rows}</ul>'


def _conversation(instance: FakeInstance, person_phone: str) -> str:
    rows = "".join(_message(item, person_phone) for item in instance.conversation[-200:])
    empty = '<li class="empty">No messages yet. Try “ping”.</li>'
    return f'<ol id="conversation" role="log" aria-label="Conversation" tabindex="0">{rows or empty}</ol>'


def _message(message: ChatMessage, person_phone: str) -> str:
    side = "from-instance" if message.from_instance else "from-phone"
    other = "" if message.chat == person_phone else f"<span>{escape(_spaced(message.chat))}</span>"
    return (
        f'<li class="{side}" id="message-{escape(message.id)}">{escape(message.text)}<footer>{other}'
        f"<time>{rfc3339(message.sent_at)[11:16]}</time>"
        f'<span class="mark" role="img" data-state="{message.state}" aria-label="{message.state}" '
        f'title="{message.state}">{MARKS[message.state]}</span></footer></li>'
    )


def _button(instance: FakeInstance, action: str, label: str) -> str:
    return (
        f'<form method="post" action="/phone/{escape(instance.id)}/{action}">'
        f'<button class="quiet" type="submit">{escape(label)}</button></form>'
    )


def _spaced(phone: str) -> str:
    if not phone.isdigit() or len(phone) < 12:
        return phone
    return f"+{phone[:2]} {phone[2:4]} {phone[4:-4]}-{phone[-4:]}"
