"use strict";

// The cashier's next step is never more than a key away, and the answer stays in sight.
const nextField = () => document.querySelector("#id_order_ref") || document.querySelector("#id_shown");
const focusNext = () => { const field = nextField(); if (field) field.focus({ preventScroll: true }); };
focusNext();

// While Safaricom is asked, look again until there is another answer; what is typed meanwhile stays.
const lookAgain = async () => {
  const shown = document.querySelector("#check-live[data-live]");
  if (!shown) return;
  const answer = await fetch(shown.dataset.live, { credentials: "same-origin" }).catch(() => null);
  const page = answer && answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page && page.getElementById("check-live");
  if (fresh) shown.replaceWith(document.adoptNode(fresh));
  const box = document.querySelector("#id_shown");
  if (fresh && !fresh.dataset.live && box && !box.value) focusNext();
  setTimeout(lookAgain, document.hidden ? 10000 : 4000);
};
setTimeout(lookAgain, 4000);

// A second press of a button sends nothing.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; }));
