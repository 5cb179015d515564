// Sliders that take effect at once, and the line that says what they would have changed.

import { byId, make, post, setText, within } from "./dom.js";
import { renew } from "./setup.js";
import { say, spoken } from "./words.js";
import * as zones from "./zones.js";

/** So long after the last movement the device is told. */
const SETTLED = 150;

let values = {};
let changes = {};
/** What of it the device tries. */
let tried = {};
/** What a group or a command gives instead. */
let given = {};
let knobs = new Map();
let timer;
/** The device is told of what was moved as soon as what was asked before is answered. */
let queued = false;
/** How often the camera had offered other controls when these were built. */
let offered = 0;
/** The version of what is tried that this page knows: one trial is everybody's. */
let version = 0;
/** What is asked of the device, one after the other: each builds on the version before it. */
let turns = Promise.resolve();
/** What was moved just before the settings were fetched, or meanwhile: it is newer than these. */
const moved = new Map();
let fetching = 0;
let waiting = 0;

const unit = (key) =>
  key.endsWith("_s") ? "unit_s" : key === "pace.max_fps" ? "unit_fps" : "unit_share";
const round = (value, step) => Number(value.toFixed(step >= 1 ? 0 : step >= 0.1 ? 1 : 2));

function written(key, value, range) {
  if (range.kind !== "number") return "";
  if (key.startsWith("camera.controls.")) return String(value);
  const word = unit(key);
  return say(word, { value: word === "unit_share" ? Math.round(value * 100) : round(value, range.step) });
}

/** Does `work` when what was asked before is answered. */
function inTurn(work) {
  waiting += 1;
  const done = turns.then(work).finally(() => { waiting -= 1; });
  turns = done.catch(() => {});
  return done;
}

/** Posts what depends on what is tried; refused where that is no longer what this page knows. */
async function ask(path, value) {
  try {
    const answered = await post(path, value, { "If-Match": `"${version}"` });
    version = answered.tuning;
    return answered;
  } catch (error) {
    version = error.tuning ?? version;
    if (error.status !== 412) throw error;
    await meet();
    error.message = say("otherTunes");
    throw error;
  }
}

/** Takes over what somebody else tries or has saved. */
async function meet() {
  await load(true);
  forget();
  setText(byId("what-if"), say("otherTunes"));
}

/** Takes over what is so after a silence, and says where what was tried is so no more. */
export async function comeBack() {
  const before = changes;
  const settings = await load(true);
  if (!settings) return settings;
  forget();
  const gone = Object.keys(before).filter((key) => !same(key, before[key], current(key)));
  if (gone.length > 0) setText(byId("what-if"), say("takenBack"));
  if (gone.includes("zone")) zones.tell(say("takenBack"));
  return settings;
}

const same = (key, some, other) =>
  key === "zone" ? zones.alike(some, other ?? []) : JSON.stringify(some) === JSON.stringify(other);

/** Takes away how it ended, which is long past; lines to copy stay. */
function forget() {
  for (const home of document.querySelectorAll(".answer")) {
    if (!home.querySelector("pre")) home.replaceChildren();
  }
}

/** Hears which version the device has, and how often its camera has offered other controls. */
export function heed(current, offers) {
  // While something is asked, the answer tells.
  if (waiting > 0) return;
  if (current > version) inTurn(meet).catch(() => {});
  // What was just moved is asked first.
  else if (offers > offered && !untold()) inTurn(() => load(true)).catch(() => {});
}

/** The device is told in a moment, or no more. */
function settle(work) {
  clearTimeout(timer);
  timer = work && setTimeout(() => {
    timer = undefined;
    queued = true;
    inTurn(work);
  }, SETTLED);
}

/** Whether something was moved of which the device has not been told yet. */
const untold = () => Boolean(timer) || queued;

/** What the device says of its settings; nothing where one has to log in first. */
async function fetched() {
  fetching += 1;
  try {
    return await within(async (signal) => {
      const answer = await fetch("/api/settings", { signal });
      if (answer.status === 401) return location.replace("/login");
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    });
  } finally {
    fetching -= 1;
  }
}

/**
 * Builds all of it anew from what the device says. `keepPen` leaves whoever draws the pen, unless
 * the device has other zones than they know of.
 */
export async function load(keepPen = false) {
  // What the device has not been told yet would be lost.
  if (!untold()) moved.clear();
  const settings = await fetched();
  if (!settings) return settings;
  if (!queued) settle(moved.size > 0 ? attempt : null);
  const drawn = tried.zone ?? values.zone ?? [];
  const focused = document.activeElement?.id;
  version = settings.tuning;
  offered = settings.offered;
  values = settings.values;
  tried = settings.tried;
  changes = { ...tried, ...Object.fromEntries(moved) };
  knobs = new Map();
  const row = (key, range, label) => {
    const knob = build(key, range, label, settings.origins[key]);
    knobs.set(key, knob);
    return knob.row;
  };
  byId("knobs").replaceChildren(...settings.offers.map(([key, range]) => row(key, range, say(key))));
  const controls = settings.controls.map((control) => {
    const key = `camera.controls.${control.name}`;
    values[key] ??= control.value;
    for (const known of [values, changes]) if (key in known) known[key] = numbered(known[key], control);
    return row(key, control, spoken(control.name));
  });
  byId("controls").replaceChildren(...controls);
  byId("camera").hidden = controls.length === 0;
  byId("undo").hidden = !settings.can_undo;
  const place = settings.origins.zone;
  const now = tried.zone ?? values.zone;
  const newer = moved.has("zone") || (keepPen && zones.alike(now, drawn));
  zones.load(now, place.fixed ? say("fixed", place) : null, newer);
  if (focused?.startsWith("knob-")) byId(focused)?.focus({ preventScroll: true });
  refresh();
  return settings;
}

/** A menu's entry by its number, also where the settings have its words. */
const numbered = (value, { entries = [] }) => entries.find(([, words]) => words === value)?.[0] ?? value;

/** What counts now. */
const current = (key) => given[key] ?? changes[key] ?? values[key];

function select(id, value, entries) {
  const input = make("select", { id }, ...entries.map(([number, words]) => make("option", { value: number }, words)));
  input.value = value;
  return input;
}

function build(key, range, label, origin) {
  const id = `knob-${key}`;
  const value = current(key);
  let input;
  if (range.kind === "turn") {
    input = select(id, value, [0, 90, 180, 270].map((turn) => [turn, say(`turn${turn}`)]));
  } else if (range.kind === "menu") {
    input = select(id, value, range.entries);
  } else if (range.kind === "switch") {
    input = make("input", { id, type: "checkbox", checked: Boolean(value) });
  } else {
    input = make("input", { id, type: "range", min: range.least, max: range.most, step: range.step });
    input.value = value;
  }
  const output = make("output", { htmlFor: id });
  // What nobody has set needs no word.
  const place = origin && !origin.is_default ? say("from", { place: origin.place }) : "";
  const hint = make("small", { id: `${id}-hint` }, place);
  input.setAttribute("aria-describedby", hint.id);
  const row = make("div", { className: `knob ${range.kind}` }, make("label", { htmlFor: id }, label), output, input, hint);
  input.addEventListener("input", () => turn(key, range, input));
  return { row, input, output, hint, range, place, fixed: origin?.fixed ? say("fixed", { place: origin.place }) : null };
}

function read(range, input) {
  if (range.kind === "switch") return input.checked;
  return Number(input.value);
}

function turn(key, range, input) {
  const value = read(range, input);
  const before = range.kind === "number" ? Number(round(values[key], range.step)) : values[key];
  change(key, value, before);
}

function change(key, value, before) {
  if (JSON.stringify(value) === JSON.stringify(before)) delete changes[key];
  else changes[key] = value;
  // What was moved before has been told.
  if (!untold() && fetching === 0) moved.clear();
  moved.set(key, value);
  refresh();
  settle(attempt);
}

async function attempt() {
  queued = false;
  try {
    await attemptWith({ ...changes });
    zones.tell("");
  } catch (error) {
    // The device's words begin with the key.
    if (error.status === 412 || !error.message.startsWith("zone")) return fail(error);
    zones.tell(say("failed", { why: error.message }));
    // What is impossible in the picture holds up nothing else.
    const { zone, ...rest } = changes;
    if ("zone" in tried) rest.zone = tried.zone;
    await attemptWith(rest).catch(fail);
  }
}

async function attemptWith(sent) {
  tell(await ask("/api/try", sent));
  tried = sent;
}

function fail(error) {
  // Who else is at it has been said.
  if (error.status !== 412) setText(byId("what-if"), say("failed", { why: error.message }));
}

function tell(seen) {
  if (seen.seconds < 3) return setText(byId("what-if"), say("tooSoon"));
  const part = (name, word) => {
    const [before, after] = [seen.before[name], seen.after[name]];
    return say(word + (before === after ? "Same" : "Now"), { before, after });
  };
  const line = { seconds: seen.seconds, faces: part("faces", "faces"), expressions: part("expressions", "expressions") };
  setText(byId("what-if"), say("whatIf", line));
}

function refresh() {
  for (const [key, knob] of knobs) {
    setText(knob.output, written(key, current(key), knob.range));
    knob.row.classList.toggle("changed", key in changes);
  }
  const none = Object.keys(changes).length === 0;
  for (const id of ["save", "discard"]) byId(id).disabled = none;
  for (const id of ["zone-save", "zone-discard"]) byId(id).disabled = !("zone" in changes);
}

/** Knobs that a group, a command or a later layer holds say so and do not move. */
export function hold(inForce) {
  zones.hold(inForce);
  const said = { "tracking.start_confidence": inForce.threshold, "pace.max_fps": inForce.max_fps };
  for (const [key, knob] of knobs) {
    const { from, value } = said[key] ?? { from: "file" };
    const [who, group] = from.split(":");
    const author = group ? say("author_group", { group }) : say(`author_${who}`);
    const why = from === "file" ? knob.fixed : say("given", { author });
    knob.input.disabled = why !== null;
    setText(knob.hint, why ?? knob.place);
    give(key, knob, from === "file" ? undefined : value);
  }
}

/** Shows what a group or a command gives, or has ceased to give. */
function give(key, knob, value) {
  if (given[key] === value) return;
  given[key] = value;
  knob.input.value = current(key);
  // With it the device would refuse all that is tried.
  if (value !== undefined && key in changes) change(key, values[key], values[key]);
  else refresh();
}

/** Says in the section of a button how it ended. */
function answer(button, words, lines) {
  const children = [make("p", {}, words)];
  if (lines) children.push(make("p", {}, say("copyThese")), make("pre", { tabIndex: 0 }, lines));
  const home = button.closest("section").querySelector(".answer");
  home.replaceChildren(...children);
  home.scrollIntoView({ block: "nearest" });
}

/** Does something with a button's consequences, and says how it ended. */
async function act(button, work) {
  button.disabled = true;
  try {
    answer(button, await inTurn(work));
  } catch (error) {
    answer(button, say("failed", { why: error.message }), error.lines);
  }
  button.disabled = false;
  refresh();
}

/** Loads what is so now. A device that starts again may be gone by then: it is asked once it is back. */
async function reload(restarts) {
  try {
    await load(true);
  } catch (error) {
    if (!restarts) throw error;
  }
}

async function save() {
  settle(null);
  const sent = { ...changes };
  const { file, written, restarts } = await ask("/api/save", sent);
  tried = sent;
  await reload(restarts);
  return say(restarts ? "savedAndStarts" : written ? "savedIn" : "nothingToSave", { file });
}

async function discard() {
  settle(null);
  await ask("/api/try", {});
  setText(byId("what-if"), "");
  await load();
  return "";
}

async function undo() {
  const { restarts } = await ask("/api/undo");
  await reload(restarts);
  await renew();
  return say(restarts ? "undoneAndStarts" : "undone");
}

export function start() {
  zones.start((drawn) => change("zone", drawn, values.zone));
  for (const [id, work] of [["save", save], ["zone-save", save], ["discard", discard], ["zone-discard", discard], ["undo", undo]]) {
    byId(id).addEventListener("click", () => act(byId(id), work));
  }
}
