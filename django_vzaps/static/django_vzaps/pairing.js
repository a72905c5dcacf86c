/* Keeps the pairing page up to date. The server says which phase it is and what it looks like; this only asks and shows. */
"use strict";

(() => {
  const ASK_EVERY = 2500;
  const ASK_AT_MOST_EVERY = 1000;
  const SLOWEST = 10000;

  const section = document.getElementById("vzaps-pairing");
  if (!section) {
    return;
  }
  const byId = (id) => document.getElementById(id);

  // Tabs: links until now, and without this script.

  const tabs = [byId("vzaps-tab-scan"), byId("vzaps-tab-code")];
  const panelOf = (tab) => byId(tab.getAttribute("aria-controls"));

  const choose = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      panelOf(tab).hidden = tab !== chosen;
    }
  };

  const makeTabs = () => {
    const list = byId("vzaps-tabs");
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", list.dataset.label);
    let current = tabs[0];
    for (const tab of tabs) {
      tab.setAttribute("role", "tab");
      panelOf(tab).setAttribute("role", "tabpanel");
      panelOf(tab).setAttribute("aria-labelledby", tab.id);
      if (tab.hasAttribute("aria-current")) {
        current = tab;
        tab.removeAttribute("aria-current");
      }
      tab.addEventListener("click", (event) => {
        event.preventDefault();
        choose(tab);
      });
      tab.addEventListener("keydown", (event) => {
        const at = tabs.indexOf(tab);
        const goals = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1, " ": at };
        if (event.key in goals) {
          event.preventDefault();
          const goal = tabs[(goals[event.key] + tabs.length) % tabs.length];
          choose(goal);
          goal.focus();
        }
      });
    }
    choose(current);
  };

  // A press is sent once: the second one would ask VZaps again.
  const sendOnce = (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
    }
    form.dataset.sent = "yes";
  };

  const offerToCopy = () => {
    const button = byId("vzaps-copy");
    if (!button || !navigator.clipboard) {
      return;
    }
    const copied = byId("vzaps-copied");
    button.hidden = false;
    button.addEventListener("click", async () => {
      copied.textContent = "";
      try {
        await navigator.clipboard.writeText(byId("vzaps-code").textContent.trim());
        copied.textContent = copied.dataset.done;
      } catch {
        copied.textContent = copied.dataset.failed;
      }
    });
  };

  // Where a photo does not load, the initials beneath it are shown.
  const guardPhoto = () => {
    const photo = section.querySelector(".vzaps-photo img");
    if (!photo) {
      return;
    }
    photo.addEventListener("error", () => photo.remove());
    if (photo.complete && photo.naturalWidth === 0) {
      photo.remove();
    }
  };

  // The countdown: it goes on between two answers.

  let endsAt = null;

  const setCountdown = (seconds, of) => {
    endsAt = seconds === null ? null : performance.now() + seconds * 1000;
    const countdown = byId("vzaps-countdown");
    if (countdown && of) {
      countdown.firstElementChild.max = of;
    }
    tickDown();
  };

  const tickDown = () => {
    const countdown = byId("vzaps-countdown");
    if (!countdown || endsAt === null) {
      return;
    }
    const seconds = Math.max(0, Math.ceil((endsAt - performance.now()) / 1000));
    const { text, due } = countdown.dataset;
    countdown.firstElementChild.value = seconds;
    countdown.lastElementChild.textContent = seconds ? text.replace("{seconds}", seconds) : due;
  };

  // What the server answers.

  const titleRest = document.title.slice(byId("vzaps-phase-title").textContent.length);
  const token = section.querySelector("[name=csrfmiddlewaretoken]").value;
  let stage = section.dataset.stage;
  let said = byId("vzaps-phase-title").textContent + byId("vzaps-phase").innerHTML;

  const say = (title, message, fill) => {
    document.title = title + titleRest;
    // The same again would be read out again.
    if (said !== title + message) {
      said = title + message;
      byId("vzaps-phase-title").textContent = title;
      fill(byId("vzaps-phase"));
    }
  };

  const replaceParts = (parts) => {
    const focused = document.activeElement;
    const loses = Object.keys(parts).some((id) => byId(id).contains(focused));
    for (const [id, html] of Object.entries(parts)) {
      byId(id).innerHTML = html;
    }
    guardPhoto();
    if (loses) {
      byId("vzaps-phase-title").focus();
    }
  };

  const show = (answer) => {
    section.dataset.phase = answer.phase;
    say(answer.title, answer.message, (element) => {
      element.innerHTML = answer.message;
    });
    if (answer.parts) {
      stage = answer.stage;
      replaceParts(answer.parts);
    }
    const image = byId("vzaps-qr");
    if (image && answer.qr && image.src !== answer.qr) {
      image.src = answer.qr;
    }
    const step = byId("vzaps-step");
    if (step && answer.seconds !== null) {
      step.textContent = answer.step;
    }
    setCountdown(answer.seconds, answer.lasts);
    if (answer.over) {
      delete section.dataset.live;
      const typed = byId("vzaps-typed");
      if (typed) {
        typed.remove();
      }
    }
  };

  const ask = async () => {
    const body = new URLSearchParams({ shown: stage });
    // No QR code for who types a code, and none while its place is out of sight.
    if (!byId("vzaps-typed") && !byId("vzaps-scan").hidden) {
      body.set("qr", "1");
    }
    const response = await fetch(section.dataset.pollUrl, {
      method: "POST",
      credentials: "same-origin",
      redirect: "error",
      headers: { "X-CSRFToken": token, Accept: "application/json" },
      body,
    });
    if (!response.ok) {
      throw new Error(String(response.status));
    }
    return response.json();
  };

  let timer = null;
  let asking = false;
  let failures = 0;

  // Sooner where the next code is due, later where nobody answers.
  const pause = () => {
    if (failures) {
      return Math.min(SLOWEST, ASK_EVERY * 2 ** (failures - 1));
    }
    const due = endsAt === null ? Infinity : endsAt - performance.now();
    return Math.max(ASK_AT_MOST_EVERY, Math.min(ASK_EVERY, due > 0 ? due : Infinity));
  };

  const look = async () => {
    timer = null;
    if (document.hidden || asking) {
      return;
    }
    asking = true;
    let over = false;
    try {
      const answer = await ask();
      failures = answer.phase === "error" ? failures + 1 : 0;
      over = answer.over;
      show(answer);
    } catch {
      failures += 1;
      section.dataset.phase = "error";
      say(section.dataset.lostTitle, section.dataset.lost, (element) => {
        element.textContent = section.dataset.lost;
      });
    }
    asking = false;
    if (over) {
      document.removeEventListener("visibilitychange", wake);
    } else {
      timer = window.setTimeout(look, pause());
    }
  };

  // A tab nobody looks at asks nothing; back in sight, it asks at once.
  const wake = () => {
    if (!document.hidden && timer === null) {
      look();
    }
  };

  makeTabs();
  offerToCopy();
  guardPhoto();
  section.addEventListener("submit", sendOnce);
  // Brought back by the browser's "Back", it would show what is long over.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      window.location.reload();
    }
  });
  if ("live" in section.dataset) {
    const countdown = byId("vzaps-countdown");
    setCountdown(countdown ? Number(countdown.dataset.seconds) : null, null);
    window.setInterval(tickDown, 1000);
    document.addEventListener("visibilitychange", wake);
    look();
  }
})();
