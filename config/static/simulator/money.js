"use strict";

/* Paying by hand, the messages payers get, and taking money back. Words and helpers: handset.js. */

let businesses = [];
let lastMoney = "";

function businessOf(number) {
  return businesses.find((one) => one.number === number);
}

function drawBusiness() {
  const found = businessOf(at("hand-business").value.trim());
  at("hand-name").textContent = found ? found.name : "";
  at("hand-reference-row").hidden = Boolean(found && found.is_till);
}

function drawBusinesses() {
  at("businesses").replaceChildren(...businesses.map((one) => {
    const option = make("option", "", `${one.is_till ? texts().till : texts().paybill} · ${one.name}`);
    option.value = one.number;
    return option;
  }));
  if (!at("hand-business").value && businesses.length) {
    at("hand-business").value = businesses[0].number;
  }
  drawBusiness();
}

async function copy(message) {
  try {
    await navigator.clipboard.writeText(message);
    say(texts().copied);
  } catch {
    say(message);
  }
}

async function takeBack(receipt) {
  const answer = await ask("/simulator/take-back", { receipt_number: receipt });
  say(answer.ok ? texts().takenBack : texts().notThere);
  await pollMoney();
}

/* Beside the button that was pressed: on a phone the other place for words is off the screen. */
function sayHere(message) {
  at("hand-said").textContent = message;
}

function button(text, act) {
  const made = make("button", "plain", text);
  made.type = "button";
  made.addEventListener("click", () => act().catch(() => say(texts().offline)));
  return made;
}

function moneyRow(paid) {
  const row = make("li", paid.taken_back ? "gone" : "");
  const head = make("div", "head");
  head.append(make("b", "", paid.business), make("span", "sum", `Ksh ${money(paid.amount)}`));
  const acts = make("div", "row wrap");
  acts.append(button(texts().copy, () => copy(paid.message)));
  if (paid.taken_back) acts.append(make("span", "mark-gone", texts().takenBack));
  else acts.append(button(texts().takeBack, () => takeBack(paid.receipt_number)));
  row.append(head, make("p", "message", paid.message), acts);
  return row;
}

function drawMoney(state) {
  /* Only what changed: a button that is being pressed must not be replaced under the finger. */
  const now = JSON.stringify([language, state]);
  if (now === lastMoney) return;
  lastMoney = now;
  businesses = state.businesses;
  drawBusinesses();
  at("hand-asks").checked = state.validates;
  at("no-money").hidden = state.money.length > 0;
  at("money").replaceChildren(...state.money.map(moneyRow));
}

async function pollMoney() {
  try {
    drawMoney((await ask("/simulator/money")).content);
  } catch { /* handset.js says that nobody answers */ }
}

async function payByHand() {
  const found = businessOf(at("hand-business").value.trim());
  const answer = await ask("/simulator/pay", {
    business: at("hand-business").value.trim(),
    reference: found && found.is_till ? "" : at("hand-reference").value,
    amount: at("hand-amount").value,
    msisdn: normalise(at("hand-phone").value),
    confirmations: at("hand-silent").checked ? 0 : 1,
  });
  if (!answer.ok) sayHere(texts().handWrong(answer.content.error));
  else if (answer.content.asked_first) sayHere(texts().handAsked);
  else sayHere(texts().handPaid(answer.content.receipt_number));
  await pollMoney();
}

function startMoney() {
  at("hand-business").addEventListener("input", drawBusiness);
  at("hand-asks").addEventListener("change", (event) => {
    ask("/simulator/knobs", { c2b_validates: event.target.checked }).catch(() => say(texts().offline));
  });
  at("hand-form").addEventListener("submit", (event) => {
    event.preventDefault();
    payByHand().catch(() => sayHere(texts().offline));
  });
  pollMoney();
  setInterval(pollMoney, 1500);
}

startMoney();
