"use strict";

/* A button that puts the filters away, so that all columns fit a screen of usual width. In the head and not deferred:
   the page is laid out once. Without this script the filters stay where Django has them. */
{
    const KEY = "django_vzaps.list.filters";
    const root = document.documentElement;
    let kept = null;
    try {
        kept = sessionStorage.getItem(KEY);
    } catch { /* not let: the width decides each time */ }

    const show = (shown) => root.classList.toggle("vzaps-without-filters", !shown);
    show(kept === null ? matchMedia("(min-width: 1600px)").matches : kept === "shown");

    document.addEventListener("DOMContentLoaded", () => {
        const button = document.getElementById("vzaps-filters");
        if (!button || !document.querySelector("nav#changelist-filter")) {
            return; /* nothing to filter by, or a theme that has its own way */
        }
        const tell = () => {
            const shown = !root.classList.contains("vzaps-without-filters");
            button.setAttribute("aria-expanded", shown);
            return shown;
        };
        button.hidden = false;
        tell();
        button.addEventListener("click", () => {
            show(root.classList.contains("vzaps-without-filters"));
            const shown = tell();
            try {
                sessionStorage.setItem(KEY, shown ? "shown" : "hidden");
            } catch { /* not let */ }
        });
    });
}
