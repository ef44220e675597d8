"use strict";

// The monitor looks again every five seconds: not while it is out of sight, paused, or while
// somebody's keyboard stands in it. What was unfolded stays unfolded.
const live = document.getElementById("monitor-live");
const pause = document.getElementById("monitor-pause");
let isPaused = false;

const lookAgain = async () => {
  const isBusy = live.contains(document.activeElement);
  if (document.hidden || isPaused || isBusy) return;
  const answer = await fetch(live.dataset.live, { credentials: "same-origin" }).catch(() => null);
  if (!answer || !answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  live.querySelectorAll("details[open]").forEach((open) => {
    const same = page.getElementById(open.id);
    if (same) same.open = true;
  });
  live.replaceChildren(...page.body.childNodes);
};

if (live && live.dataset.live) {
  setInterval(lookAgain, 5000);
  document.addEventListener("visibilitychange", lookAgain);
  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", isPaused);
    [pause.textContent, pause.dataset.on] = [pause.dataset.on, pause.textContent];
    lookAgain();
  });
}
