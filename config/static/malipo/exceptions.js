"use strict";

// The queue by keys: j and k or the arrows walk, Enter opens, a takes it, x ticks, Esc leaves, ? tells.
(() => {
  const rows = [...document.querySelectorAll("[data-item]")];
  const here = () => rows.findIndex((row) => row.contains(document.activeElement));
  const walk = (step) => {
    if (!rows.length) return;
    const at = here();
    const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
    rows[Math.min(rows.length - 1, Math.max(0, next))].querySelector("[data-open]").focus();
  };
  // In the list of the row that has the focus; on an item's own page there is one of each.
  const press = (what) => {
    const place = rows.length ? rows[here()] : document;
    const found = place && place.querySelector(what);
    if (found) found.click();
  };
  const tell = () => {
    const keys = document.getElementById("keys");
    if (!keys) return;
    keys.hidden = !keys.hidden;
    document.querySelector(".keys-button").setAttribute("aria-expanded", String(!keys.hidden));
  };
  // Out of the keys' list first, then out of the row, then back to where the item came from.
  const leave = () => {
    const told = document.getElementById("keys");
    if (told && !told.hidden) tell();
    else if (here() >= 0) document.activeElement.blur();
    else document.querySelector("[data-back]")?.click();
  };
  const keys = {
    j: () => walk(1),
    k: () => walk(-1),
    // The arrows scroll the page until a row has the focus.
    ArrowDown: () => walk(1),
    ArrowUp: () => walk(-1),
    Escape: leave,
    a: () => press("[data-assign]"),
    x: () => press("input[type=checkbox]"),
    "?": tell,
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    if (event.key.startsWith("Arrow") && here() < 0) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.addEventListener("click", (event) => { if (event.target.closest(".keys-button")) tell(); });
})();
