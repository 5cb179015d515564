// What the device says of itself, and the parts of the page brought together.

import { byId, make, setText, tint, within } from "./dom.js";
import { AGAIN, watch } from "./picture.js";
import * as setup from "./setup.js";
import * as tune from "./tune.js";
import { knows, say, speak, spoken, time } from "./words.js";

/** So many of the latest events are shown. */
const MOST = 50;

/** Names, classes and version: what the device says once. */
let about;

function state(said) {
  if (said === null || !said.status) return pill("none");
  const { status } = said;
  setText(byId("rate"), say("perSecond", { value: status.frames_per_second.toFixed(1) }));
  const network = status.inference_ms;
  setText(byId("network"), network === null ? say("unknown") : say("milliseconds", { value: Math.round(network) }));
  const heat = status.temperature_c;
  setText(byId("processor"), heat === null ? say("unknown") : say("degrees", { value: heat.toFixed(0) }));
  const many = said.watching > 1;
  setText(byId("watching"), many ? say("watchingMore", { count: said.watching }) : say("watchingOne"));
  pill(mood(status));
  reasons(status, said);
  events(said.events);
  tune.hold(status.in_force);
  tune.heed(said.tuning, said.offered);
}

function mood(status) {
  if (status.paused) return "paused";
  if (status.reasons.some(({ code }) => code !== "no_face")) return "trouble";
  if (!status.mqtt.connected) return "offline";
  return status.idle ? "idle" : "ok";
}

function pill(name) {
  setText(byId("pill"), say(`pill_${name}`));
  byId("pill").className = name;
}

function reasons(status, said) {
  const all = status.reasons.map(({ code, message }) => [`reason_${code}`, message]);
  if (!status.mqtt.connected) {
    all.push(["reason_no_broker", status.mqtt.last_error ?? say("connectingBroker", { count: status.mqtt.waiting })]);
  }
  if (said.refused) all.push(["cameraControls", said.refused]);
  if (said.settings_refused) all.push(["settingsRefused", said.settings_refused]);
  const items = all.length === 0
    ? [make("li", { className: "well" }, say("allWell"))]
    : all.map(([key, words]) => make("li", { className: key }, make("b", {}, `${knows(key) ? say(key) : key}.`), " ", words));
  const home = byId("reasons");
  const text = (list) => list.map((item) => item.textContent).join("\n");
  if (text([...home.children]) !== text(items)) home.replaceChildren(...items);
}

function events(news) {
  const home = byId("events");
  if (news.length > 0) home.querySelector(".none")?.remove();
  for (const event of news) {
    const index = about.classes.indexOf(event.class);
    const what = event.previous_class
      ? say("fromTo", { from: spoken(event.previous_class), to: spoken(event.class) })
      : spoken(event.class);
    const begins = event.duration_ms === 0;
    const when = new Date(event.time);
    const item = make("li", {},
      make("time", { dateTime: event.time }, when.toLocaleTimeString()),
      make("b", {}, say(`event_${event.event_type}`)),
      make("span", { className: "what" }, what),
      make("span", { className: "track" }, `#${event.track.split("-").pop()}`),
      make("span", { className: "lasted" }, begins ? "" : say("lasted", { time: time(event.duration_ms / 1000) })));
    tint(item, index < 0 ? null : index);
    home.prepend(item);
  }
  while (home.children.length > MOST) home.lastElementChild.remove();
  if (home.children.length === 0) home.append(make("li", { className: "none" }, say("noEvents")));
}

async function begin() {
  speak();
  pill("none");
  // Safari has it since 15; a browser without what else the page is written in does not come as
  // far as here.
  if (!("createImageBitmap" in window)) return setText(byId("veil"), say("tooOld"));
  setText(byId("veil"), say("connecting"));
  const settings = await first();
  if (!settings) return;
  about = settings.about;
  const name = about.name || about.device;
  setText(byId("name"), name);
  document.title = `${name} – expressiond`;
  setText(byId("place"), `${about.camera} · expressiond ${about.version}`);
  byId("logout").hidden = !about.needs_token;
  byId("logout").addEventListener("click", logOut);
  tune.start();
  setup.start();
  let gone = false;
  await watch(about.classes, async (said) => {
    if (said === null) gone = true;
    else if (gone) {
      await meet();
      gone = false;
    }
    state(said);
  });
}

async function logOut() {
  try {
    const { ok, status } = await within((signal) => fetch("/logout", { method: "POST", signal }));
    if (ok || status === 401) return location.assign("/login");
  } catch { /* said below */ }
  // Whoever believes to be out is not.
  setText(byId("logout"), say("stillIn"));
}

/** The settings, once the device gives them. */
async function first() {
  for (;;) {
    try {
      return await tune.load();
    } catch {
      setText(byId("veil"), say("lost"));
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

/** A device that was away may be another one now, with other classes or another page. */
async function meet() {
  const settings = await tune.comeBack();
  if (settings && JSON.stringify(settings.about) !== JSON.stringify(about)) {
    location.reload();
    // Nothing of what it says is shown meanwhile.
    await new Promise(() => {});
  }
  await setup.renew(true);
  // One that has started again knows none of the events before: it tells all it has anew.
  byId("events").replaceChildren();
}

begin();
