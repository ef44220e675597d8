"use strict";

/* The handset: asks once a second what is on the phone, shows the oldest prompt, sends buttons. */

const TEXTS = {
  en: {
    subtitle: "Simulated handset", phone: "Phone", pad: "PIN pad",
    waiting: "Waiting for a payment request…",
    ask: (to) => `Do you want to pay ${to}?`,
    to: "To", account: "Account", from: "From", till: "Till", paybill: "Paybill",
    own: "This prompt answers by itself.",
    pin: "M-PESA PIN", pinHint: "Any four digits; 0000 is wrong.",
    pay: "Pay", cancel: "Cancel", erase: "Erase",
    left: (s) => `Closes in ${s} s`, more: (n) => `${n} more waiting`,
    nextTitle: "Next prompt", behaves: "behaves like this", set: "Set",
    queued: (list) => `Queued: ${list}`, filter: "Only this phone", show: "Show",
    pressing: "The open prompt", wrongPin: "Wrong PIN", noFunds: "No funds", ignore: "Ignore",
    results: "Past prompts", noResults: "Nothing yet.", numbers: "Test numbers",
    gone: "That prompt is no longer open.", offline: "The simulator does not answer.",
    fourDigits: "The PIN has four digits.",
    done: { "0": "Paid", "1": "Not enough money", "1032": "Cancelled", "1037": "No answer",
      "1019": "Too slow", "2001": "Wrong PIN" },
    other: (code) => `Failed (${code})`, locale: "en-KE",
    handTitle: "Pay by hand",
    handHint: "As a customer does who pays a paybill or till without being asked.",
    handBusiness: "Paybill or till", handAmount: "Amount, Ksh",
    handAsks: "The shop is asked first", handSilent: "The shop is not told",
    handPaid: (receipt) => `Paid: ${receipt}`,
    handAsked: "The shop is being asked…", handWrong: (why) => `Not paid: ${why}`,
    moneyTitle: "Payments made", copy: "Copy message", copied: "Copied.",
    takeBack: "Take it back", takenBack: "Taken back", notThere: "There is no such payment.",
  },
  sw: {
    subtitle: "Simu ya majaribio", phone: "Simu", pad: "Vitufe vya PIN",
    waiting: "Inasubiri ombi la malipo…",
    ask: (to) => `Je, unataka kulipa ${to}?`,
    to: "Kwa", account: "Akaunti", from: "Kutoka", till: "Till", paybill: "Paybill",
    own: "Ombi hili linajibu lenyewe.",
    pin: "PIN ya M-PESA", pinHint: "Tarakimu nne zozote; 0000 si sahihi.",
    pay: "Lipa", cancel: "Ghairi", erase: "Futa",
    left: (s) => `Linafungwa baada ya sekunde ${s}`, more: (n) => `Mengine ${n} yanasubiri`,
    nextTitle: "Ombi lijalo", behaves: "lifanye hivi", set: "Weka",
    queued: (list) => `Kwenye foleni: ${list}`, filter: "Simu hii tu", show: "Onyesha",
    pressing: "Ombi lililo wazi", wrongPin: "PIN si sahihi", noFunds: "Pesa hazitoshi",
    ignore: "Puuza", results: "Maombi yaliyopita", noResults: "Bado hakuna.",
    numbers: "Namba za majaribio", gone: "Ombi hilo limeshafungwa.",
    offline: "Kiigaji hakijibu.", fourDigits: "PIN ina tarakimu nne.",
    done: { "0": "Imelipwa", "1": "Pesa hazitoshi", "1032": "Imeghairiwa", "1037": "Hakuna jibu",
      "1019": "Muda umekwisha", "2001": "PIN si sahihi" },
    other: (code) => `Imeshindikana (${code})`, locale: "sw-KE",
    handTitle: "Lipa mwenyewe",
    handHint: "Kama mteja anayelipa paybill au till bila kuombwa.",
    handBusiness: "Paybill au till", handAmount: "Kiasi, Ksh",
    handAsks: "Duka linaulizwa kwanza", handSilent: "Duka haliambiwi",
    handPaid: (receipt) => `Imelipwa: ${receipt}`,
    handAsked: "Duka linaulizwa…", handWrong: (why) => `Haikulipwa: ${why}`,
    moneyTitle: "Malipo yaliyofanywa", copy: "Nakili ujumbe", copied: "Umenakiliwa.",
    takeBack: "Rudisha pesa", takenBack: "Zimerudishwa", notThere: "Hakuna malipo kama hayo.",
  },
};

/* The table of scenarios speaks English; this is how their lines read in Swahili. */
const SCENARIOS_SW = {
  handset: "Inasubiri simu hii", pay: "Inalipa yenyewe baada ya sekunde mbili",
  cancel: "Inaghairi (1032)", wrong_pin: "PIN si sahihi (2001)", no_funds: "Pesa hazitoshi (1)",
  unreachable: "Simu imezimwa (1037)", expired: "Muda umekwisha (1019)",
  paid_silently: "Inalipa; hakuna taarifa, ulizo linasema 0",
  silent: "Haijibu; hakuna taarifa, ulizo linasema 4999, kisha 1037",
  late: "Inalipa; taarifa inachelewa dakika kumi", duplicate: "Inalipa; taarifa inakuja mara tatu",
  early: "Inalipa; taarifa inatangulia jibu", lost: "Jibu linapotea; mteja analipa",
  hang: "Inajibu baada ya sekunde 30; mteja analipa", server_error: "HTTP 500, ombi haliendi",
  error_but_sent: "HTTP 500, lakini ombi linaenda na linalipwa",
  html: "Ukurasa wa HTML wa kosa, 503", html_200: "Ukurasa wa HTML, 200",
  html_403: "Ukurasa wa HTML wa kichujio, 403", empty: "Jibu tupu, 200",
  spike: "429, maombi mengi mno", wrong_amount: "Inalipa shilingi moja pungufu",
  no_receipt: "Imelipwa bila namba ya risiti", no_amount: "Imelipwa bila kiasi",
  drift: "Maandishi badala ya namba, na kinyume", unknown_code: "Msimbo usiojulikana (7777)",
  query_lies: "Inalipa, lakini ulizo linasema 1032", locked: "Mteja ana ombi lingine (HTTP 500)",
  wrong_credentials: "Passkey si sahihi (HTTP 500)", no_merchant: "Biashara haipo (HTTP 500)",
  token_killed: "Tokeni inakufa kwenye ombi la kwanza",
  limit: "Kiasi kilekile mara mbili ndani ya dakika mbili (17)",
  too_much: "Zaidi ya kikomo cha siku cha mteja (4)", not_sent: "Ombi halikuweza kutumwa (1025)",
  not_assigned: "Aina isiyofaa kwa till hii (2028)",
  lost_unsent: "Muunganisho unakatika; hakuna kilichopokelewa", huge: "Jibu la baiti 70,000",
  cut: "Nusu ya jibu; mteja analipa", redirect: "302 kwenda kwingine",
  busy: "500.003.02, mfumo una shughuli",
};

const at = (id) => document.getElementById(id);
const phone = new URLSearchParams(location.search).get("phone") || "";
let language = "en";
let shown = null;
let lastState = null;
let wasOffline = false;
let toastTimer = 0;
let scenarios = [];

function texts() {
  return TEXTS[language];
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

async function ask(path, content) {
  const options = content === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
  };
  const answer = await fetch(path, options);
  return { ok: answer.ok, status: answer.status, content: await answer.json() };
}

function say(message) {
  at("toast").textContent = message;
  at("toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => at("toast").classList.remove("shown"), 3500);
}

function money(amount) {
  return Number(amount).toLocaleString("en-KE", { minimumFractionDigits: 2 });
}

function inNairobi(moment, style) {
  return moment.toLocaleTimeString("en-GB", { ...style, timeZone: "Africa/Nairobi" });
}

function plain(msisdn) {
  return msisdn.replace(/^254(\d{3})(\d{3})(\d{3})$/, "0$1\u00a0$2\u00a0$3");
}

function kind(prompt) {
  const isTill = prompt.transaction_type === "CustomerBuyGoodsOnline";
  return `${isTill ? texts().till : texts().paybill} ${prompt.shortcode}`;
}

function speak(chosen) {
  language = TEXTS[chosen] ? chosen : "en";
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = texts()[element.dataset.text];
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", texts()[element.dataset.label]);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  at("erase").setAttribute("aria-label", texts().erase);
  try { localStorage.setItem("handset-language", language); } catch { /* private window */ }
  tick();
  drawScenarios();
  if (lastState) draw(lastState);
}

function tick() {
  const now = new Date();
  const time = inNairobi(now, { timeStyle: "short" });
  at("clock").textContent = time;
  at("idle-clock").textContent = time;
  at("idle-date").textContent = now.toLocaleDateString(texts().locale, {
    weekday: "long", day: "numeric", month: "long", timeZone: "Africa/Nairobi",
  });
}

function drawPrompt(prompts) {
  const prompt = prompts[0] || null;
  const isNew = (prompt && prompt.checkout_request_id) !== (shown && shown.checkout_request_id);
  shown = prompt;
  at("idle").hidden = Boolean(prompt);
  at("prompt").hidden = !prompt;
  at("pressing").hidden = !prompt;
  if (!prompt) return;
  const to = prompt.business || kind(prompt);
  const amount = at("prompt-amount");
  at("prompt-ask").textContent = texts().ask(to);
  amount.replaceChildren(make("small", "", "Ksh "), money(prompt.amount));
  at("prompt-business").textContent = kind(prompt);
  at("prompt-account").textContent = prompt.account_reference;
  at("prompt-account-row").hidden = prompt.transaction_type === "CustomerBuyGoodsOnline";
  at("prompt-msisdn").textContent = plain(prompt.msisdn);
  at("prompt-own").hidden = !prompt.by_itself;
  at("prompt-left").textContent = texts().left(prompt.closes_in_s);
  at("more").hidden = prompts.length < 2;
  at("more").textContent = texts().more(prompts.length - 1);
  if (isNew) {
    at("pin").value = "";
    /* Not the PIN field: typing in the panel must not turn into a PIN by surprise. */
    if (document.activeElement === document.body) at("prompt-title").focus({ preventScroll: true });
  }
}

function drawResults(results) {
  at("no-results").hidden = results.length > 0;
  at("results").replaceChildren(...results.map((result) => {
    const isPaid = result.result_code === "0";
    const said = texts().done[result.result_code] || texts().other(result.result_code);
    const row = make("li", isPaid ? "paid" : "");
    const dot = make("span", "dot", isPaid ? "✓" : "✕");
    dot.setAttribute("aria-hidden", "true");
    const what = [
      said, result.receipt_number, result.account_reference, plain(result.msisdn),
      inNairobi(new Date(result.settled_at), { timeStyle: "medium" }),
    ];
    row.append(
      dot, make("b", "", result.business || kind(result)),
      make("span", "sum", `Ksh ${money(result.amount)}`),
      make("span", "what", what.filter(Boolean).join(" · ")),
    );
    row.title = result.result_desc;
    return row;
  }));
}

function draw(state) {
  lastState = state;
  drawPrompt(state.prompts);
  drawResults(state.results);
  const names = state.queued.map(([who, name]) => (who ? `${name} (${who})` : name));
  at("queued").textContent = names.length ? texts().queued(names.join(", ")) : "";
}

async function poll() {
  const query = phone ? `?phone=${encodeURIComponent(phone)}` : "";
  try {
    draw((await ask(`/simulator/prompts${query}`)).content);
    wasOffline = false;
  } catch {
    if (!wasOffline) say(texts().offline);
    wasOffline = true;
  }
}

async function press(button, content) {
  if (!shown) return;
  const id = encodeURIComponent(shown.checkout_request_id);
  try {
    const answer = await ask(`/simulator/prompts/${id}/${button}`, content || {});
    if (answer.ok) {
      const code = answer.content.result_code;
      if (code) say(texts().done[code] || texts().other(code));
    } else {
      say(answer.status === 404 ? texts().gone : answer.content.error);
    }
  } catch {
    say(texts().offline);
  }
  at("pin").value = "";
  await poll();
}

function buildPad() {
  for (const key of ["1", "2", "3", "4", "5", "6", "7", "8", "9", "", "0", "⌫"]) {
    const button = key ? make("button", "", key) : make("span");
    if (key) button.type = "button";
    if (key === "⌫") button.id = "erase";
    if (key) button.addEventListener("click", () => type(key));
    at("pad").append(button);
  }
}

function type(key) {
  const pin = at("pin");
  pin.value = key === "⌫" ? pin.value.slice(0, -1) : (pin.value + key).slice(0, 4);
}

async function loadScenarios() {
  scenarios = (await ask("/simulator/scenario")).content.scenarios;
  drawScenarios();
}

function drawScenarios() {
  const line = (scenario) => (language === "sw" && SCENARIOS_SW[scenario.name]) || scenario.says;
  const chosen = at("scenario").value;
  at("scenario").replaceChildren(...scenarios.map((scenario) => {
    const option = make("option", "", line(scenario));
    option.value = scenario.name;
    return option;
  }));
  if (chosen) at("scenario").value = chosen;
  const numbered = scenarios.filter((scenario) => scenario.phone);
  at("numbers").replaceChildren(...numbered.map((scenario) => {
    const row = make("li");
    row.append(make("span", "", line(scenario)), make("code", "", plain(scenario.phone)));
    return row;
  }));
}

function normalise(typed) {
  const digits = typed.replace(/\D/g, "");
  return digits.length === 10 && digits[0] === "0" ? `254${digits.slice(1)}` : digits;
}

function listen() {
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  for (const button of document.querySelectorAll("[data-press]")) {
    button.addEventListener("click", () => press(button.dataset.press));
  }
  at("cancel").addEventListener("click", () => press("cancel"));
  at("pin").addEventListener("input", () => {
    at("pin").value = at("pin").value.replace(/\D/g, "");
  });
  at("pin-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (at("pin").value.length !== 4) return say(texts().fourDigits);
    return press("pay", { pin: at("pin").value });
  });
  at("next-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await ask("/simulator/scenario", { next: phone || true, scenario: at("scenario").value });
    await poll();
  });
  at("phone-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = normalise(at("phone").value);
    location.search = wanted ? `?phone=${wanted}` : "";
  });
}

function start() {
  buildPad();
  listen();
  at("phone").value = phone;
  at("idle-phone").textContent = phone ? plain(phone) : "";
  let kept = null;
  try { kept = localStorage.getItem("handset-language"); } catch { /* private window */ }
  speak(new URLSearchParams(location.search).get("lang") || kept || navigator.language.slice(0, 2));
  loadScenarios().catch(() => say(texts().offline));
  poll();
  setInterval(poll, 1000);
  setInterval(tick, 5000);
}

start();
