/* Keeps the page of a billing change up to date. The server reads VZaps and finds the words; this only asks and shows. */
"use strict";

(() => {
  const section = document.getElementById("vzaps-billing");
  if (!section || !section.dataset.pollUrl) {
    return;
  }
  const headline = document.getElementById("vzaps-headline");
  const state = document.getElementById("vzaps-state");
  const lost = document.getElementById("vzaps-lost");
  const tired = document.getElementById("vzaps-tired");
  const token = section.querySelector("[name=csrfmiddlewaretoken]").value;
  const every = Number(section.dataset.pollEvery) * 1000;
  // Asked this often is asked for so long: the time in which nobody looks does not count.
  let left = Math.ceil(Number(section.dataset.watchedFor) / Number(section.dataset.pollEvery));
  let timer = null;
  let asking = false;
  let over = false;
  let error = "";

  const show = (answer) => {
    document.getElementById("vzaps-now").innerHTML = answer.now;
    // What did not change stays: it may have the focus, or be selected.
    if (answer.phase === section.dataset.phase && answer.error === error) {
      return;
    }
    error = answer.error;
    section.classList.remove(...[...section.classList].filter((name) => name !== "vzaps-said"));
    section.classList.add(`vzaps-${answer.tone}`);
    section.dataset.phase = answer.phase;
    // The same text again would be read out again.
    if (headline.textContent !== answer.headline) {
      headline.textContent = answer.headline;
    }
    const hadFocus = state.contains(document.activeElement);
    state.innerHTML = answer.html;
    if (hadFocus) {
      headline.focus();
    }
  };

  const ask = async () => {
    const response = await fetch(section.dataset.pollUrl, {
      method: "POST",
      credentials: "same-origin",
      redirect: "error",
      headers: { "X-CSRFToken": token, Accept: "application/json" },
    });
    if (!response.ok) {
      throw new Error(String(response.status));
    }
    return response.json();
  };

  const tick = async () => {
    timer = null;
    if (document.hidden || asking || over) {
      return;
    }
    asking = true;
    try {
      const answer = await ask();
      over = answer.over;
      lost.hidden = true;
      show(answer);
    } catch {
      lost.hidden = false;
    }
    asking = false;
    left -= 1;
    if (over) {
      document.removeEventListener("visibilitychange", wake);
    } else if (left <= 0) {
      tired.hidden = false;
      over = true;
    } else {
      timer = window.setTimeout(tick, every);
    }
  };

  // A tab nobody looks at asks nothing; back in sight, as after paying in another one, it asks at once.
  const wake = () => {
    if (!document.hidden) {
      window.clearTimeout(timer);
      tick();
    }
  };

  document.addEventListener("visibilitychange", wake);
  timer = window.setTimeout(tick, every);
})();
