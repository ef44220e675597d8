"use strict";

// The filter drawer.
document.addEventListener("click", (event) => {
  const button = event.target.closest(".filter-button");
  if (!button) return;
  const isOpen = document.getElementById("changelist").classList.toggle("filters-open");
  button.setAttribute("aria-expanded", isOpen);
});

// A phone shows rows as cards: each cell is told the name of its column.
document.querySelectorAll("#result_list").forEach((table) => {
  const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
  table.querySelectorAll("tbody tr").forEach((row) => {
    [...row.children].forEach((cell, place) => { cell.dataset.label = names[place] || ""; });
  });
});

// A new config asks for the credentials of the chosen provider alone.
const provider = document.querySelector("select#id_provider");
if (provider) {
  const showOwn = () => document.querySelectorAll("fieldset.for-provider").forEach((set) => {
    set.hidden = !set.classList.contains(`for-${provider.value}`);
  });
  provider.addEventListener("change", showOwn);
  showOwn();
}

// What is shown once is copied with one press.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = button.dataset.done;
});

// Menus close with Escape and with a press elsewhere.
const closeMenus = (except) => document.querySelectorAll("details.phone-menu[open], details.user-menu[open]")
  .forEach((menu) => { if (menu !== except) menu.open = false; });
document.addEventListener("click", (event) => closeMenus(event.target.closest("details")));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeMenus(); });

// The set-up page follows the doctor until his visit is over; what is typed between stays.
const followVisit = async () => {
  if (!document.querySelector("#setup-live[data-live]")) return;
  const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  const page = answer && answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  ["setup-live", "setup-rest"].forEach((id) => {
    const shown = document.getElementById(id);
    const fresh = page && page.getElementById(id);
    if (fresh && shown && fresh.outerHTML !== shown.outerHTML) shown.replaceWith(document.adoptNode(fresh));
  });
  setTimeout(followVisit, document.hidden ? 5000 : 1000);
};
followVisit();
