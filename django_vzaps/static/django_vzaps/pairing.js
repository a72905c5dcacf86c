/* Keeps the pairing page up to date. The server says which phase it is and when it is over; this only asks and shows. */
"use strict";

(() => {
  const STATUS_EVERY = 2500;
  // A little more than the server's own limit, so that the code kept there has made room for a new one.
  const MARGIN = 1000;

  const section = document.getElementById("vzaps-pairing");
  if (!section || !("open" in section.dataset)) {
    return;
  }
  const phase = document.getElementById("vzaps-phase");
  const image = document.getElementById("vzaps-qr");
  const start = section.querySelector(".vzaps-start");
  const token = start.querySelector("[name=csrfmiddlewaretoken]").value;
  const qrEvery = Number(section.dataset.qrEvery) * 1000 + MARGIN;
  const byCode = "code" in section.dataset;
  let known = { phase: section.dataset.phase, message: phase.textContent };
  let qrAskedAt = -Infinity;
  let timer = null;
  let asking = false;

  const say = (text) => {
    // The same text again would be read out again.
    if (text && phase.textContent !== text) {
      phase.textContent = text;
    }
  };

  const show = (answer) => {
    // "waiting" says that nothing is new: what was shown before an error holds again.
    if (answer.phase !== "waiting" && answer.phase !== "error") {
      known = answer;
    }
    const { phase: name, message } = answer.phase === "error" ? answer : known;
    section.dataset.phase = name;
    say(message);
    if (answer.qr) {
      image.src = answer.qr;
    }
    if (answer.phase === "scan" || answer.over) {
      image.parentElement.hidden = !answer.qr;
    }
    if (answer.over) {
      section.querySelectorAll(".vzaps-code").forEach((code) => code.remove());
      const again = start.querySelector("input[type=submit]");
      again.value = again.dataset.again;
      start.hidden = answer.phase === "connected";
      section.querySelector(".vzaps-next").hidden = answer.phase !== "connected";
    }
  };

  const ask = async () => {
    const body = new URLSearchParams();
    if (!byCode && performance.now() - qrAskedAt >= qrEvery) {
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
    const answer = await response.json();
    if (body.has("qr")) {
      qrAskedAt = performance.now();
    }
    return answer;
  };

  const tick = async () => {
    timer = null;
    if (document.hidden || asking) {
      return;
    }
    asking = true;
    let over = false;
    try {
      const answer = await ask();
      over = answer.over;
      show(answer);
    } catch {
      section.dataset.phase = "error";
      say(section.dataset.lost);
    }
    asking = false;
    if (!over) {
      timer = window.setTimeout(tick, STATUS_EVERY);
    } else {
      document.removeEventListener("visibilitychange", wake);
    }
  };

  // A tab nobody looks at asks nothing; back in sight, it asks at once.
  const wake = () => {
    if (!document.hidden && timer === null) {
      tick();
    }
  };

  document.addEventListener("visibilitychange", wake);
  tick();
})();
