/* Keeps a batch's page up to date until the batch is finished. What it shows was rendered by the server. */
"use strict";

(() => {
  const EVERY = 2000;

  const start = () => {
    const section = document.getElementById("vzaps-batch");
    if (!section || !("open" in section.dataset)) {
      return;
    }
    const bar = document.getElementById("vzaps-bar");
    const words = document.getElementById("vzaps-words");
    const said = document.getElementById("vzaps-said");
    const title = document.getElementById("vzaps-progress-title");
    const shown = new Map();
    let timer = null;
    let asking = false;
    let quarter = Math.floor((4 * bar.value) / bar.max);

    const say = (text, lost) => {
      said.classList.toggle("vzaps-lost", lost);
      // The same text again would be read out again.
      if (said.textContent !== text) {
        said.textContent = text;
      }
    };

    // What a person has the focus in is left alone until the end: there it would be out of date for good.
    const put = (element, html, isLast) => {
      const isFocused = element?.contains(document.activeElement);
      // The form's token is another one each time.
      const content = html.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
      if (!element || shown.get(element) === content || (isFocused && !isLast)) {
        return;
      }
      element.innerHTML = html;
      shown.set(element, content);
      if (isFocused) {
        title.focus();
      }
    };

    const show = (answer) => {
      bar.max = answer.total;
      bar.value = answer.ended;
      words.textContent = answer.words;
      for (const [name, html] of Object.entries(answer.parts)) {
        put(document.querySelector(`[data-part="${name}"]`), html, answer.finished);
      }
      for (const [pk, html] of Object.entries(answer.rows)) {
        put(document.querySelector(`[data-item="${pk}"]`), html, answer.finished);
      }
      // Read out at each quarter and at the end, not every two seconds.
      const now = Math.floor((4 * answer.ended) / answer.total);
      if (now !== quarter || answer.finished) {
        quarter = now;
        say(answer.words, false);
      } else if (said.classList.contains("vzaps-lost")) {
        say("", false);
      }
    };

    const tick = async () => {
      timer = null;
      if (document.hidden || asking) {
        return;
      }
      asking = true;
      let finished = false;
      try {
        const response = await fetch(section.dataset.url + window.location.search, {
          credentials: "same-origin",
          redirect: "error",
          headers: { Accept: "application/json" },
        });
        if (!response.ok) {
          throw new Error(String(response.status));
        }
        const answer = await response.json();
        finished = answer.finished;
        show(answer);
      } catch {
        say(section.dataset.lost, true);
      }
      asking = false;
      if (finished) {
        document.removeEventListener("visibilitychange", wake);
      } else {
        timer = window.setTimeout(tick, EVERY);
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
  };

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
