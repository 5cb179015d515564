// Zones: drawn over the picture, and changed there with mouse, finger or keyboard. What is
// wrong with them the device says, when it hears of each change.

import { byId, make, setText } from "./dom.js";
import { say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
/** One press of an arrow, as a share of the picture; with the shift key five. */
const STEP = 0.01;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** A zone has so many corners at least. */
const LEAST = 3;

let zones = [];
/** Number of the one whose corners are moved; null while none is. */
let open = null;
/** It is being drawn: a new corner comes behind the last one. */
let fresh = false;
/** Number of the corner that was touched last; null where that is the last one. */
let chosen = null;
/** Where the keyboard sets the next corner. */
let cursor = [0.5, 0.5];
let held = {};
let counts = {};
let changed = () => {};

const share = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000;
const places = ([x, y]) => ({ left: `${x * 100}%`, top: `${y * 100}%` });

/** Whether they are the same, in whatever order the device and we name their parts. */
export function alike(some, others) {
  const plain = (all) => JSON.stringify(all.map(({ name, kind, enabled, points }) => [name, kind, enabled, points]));
  return plain(some) === plain(others);
}

/**
 * Takes over what the device has, or what is tried there, unless what is drawn here is to be
 * kept; `fixed` says who else rules them.
 */
export function load(given, fixed, keep) {
  setText(byId("zone-fixed"), fixed ?? "");
  byId("zone-editor").hidden = Boolean(fixed);
  if (keep) {
    if (!alike(given, whole())) report();
    return;
  }
  // What an older browser cannot do is done as JSON: it came as that.
  zones = JSON.parse(JSON.stringify(given));
  open = null;
  tell("");
  paint();
  list();
}

/** Zones that a command or a group has switched are drawn as what they are now. */
export function hold(inForce) {
  if (JSON.stringify(held) === JSON.stringify(inForce.zones)) return;
  held = inForce.zones;
  paint();
}

/** How many faces are in each zone, beside its name. */
export function count(given) {
  counts = given;
  for (const label of byId("zone-names").children) mark(label);
}

function mark(label) {
  const inside = counts[label.dataset.zone];
  if (inside === undefined) delete label.dataset.inside;
  else label.dataset.inside = inside;
}

/** Why the device does not take them; nothing where it does. */
export const tell = (why) => setText(byId("zone-said"), why);

/** Those that have an inside. */
const whole = () => zones.filter((zone) => zone.points.length >= LEAST);

function report() {
  changed(whole());
}

function paint() {
  const home = byId("zones");
  home.replaceChildren(...zones.flatMap((zone, index) => {
    if (zone.points.length === 0) return [];
    const polygon = document.createElementNS(SVG, "polygon");
    polygon.setAttribute("points", zone.points.map((point) => point.join(",")).join(" "));
    const off = held[zone.name]?.value === false ? " off" : "";
    polygon.setAttribute("class", `${zone.kind}${off}${index === open ? " open" : ""}`);
    return [polygon];
  }));
  byId("zone-names").replaceChildren(...zones.flatMap((zone) => {
    if (zone.points.length < LEAST) return [];
    const label = make("span", { className: zone.kind }, zone.kind === "mask" ? say("maskNamed", zone) : zone.name);
    const top = zone.points.reduce((a, b) => (b[1] < a[1] ? b : a));
    Object.assign(label.style, places(top));
    label.style.setProperty("--x", top[0]);
    label.dataset.zone = zone.name;
    mark(label);
    return [label];
  }));
  corners();
}

/** A handle for each corner of the zone that is open; those that stay keep the focus. */
function corners() {
  const home = byId("corners");
  home.hidden = open === null;
  const points = zones[open]?.points ?? [];
  while (home.children.length > points.length) home.lastElementChild.remove();
  while (home.children.length < points.length) home.append(handle(home.children.length));
  points.forEach((point, index) => {
    const [x, y] = point.map((value) => Math.round(value * 100));
    Object.assign(home.children[index].style, places(point));
    home.children[index].classList.toggle("chosen", index === chosen);
    home.children[index].setAttribute("aria-label", say("corner", { number: index + 1, x, y }));
  });
  Object.assign(byId("cursor").style, places(cursor));
  const count = points.length;
  const word = open === null ? "" : count < LEAST ? "drawFirst" : fresh ? "drawMore" : "drawOpen";
  setText(byId("zone-hint"), word && say(word, { count }));
}

function handle(index) {
  const element = make("button", { type: "button" });
  // Not every browser gives what a finger touches the focus.
  element.addEventListener("focus", () => choose(index));
  element.addEventListener("pointerdown", (event) => {
    choose(index);
    element.setPointerCapture(event.pointerId);
    element.addEventListener("pointermove", drag);
  });
  const drag = (event) => move(index, at(event));
  const drop = () => {
    element.removeEventListener("pointermove", drag);
    report();
  };
  element.addEventListener("pointerup", drop);
  element.addEventListener("pointercancel", drop);
  element.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const [x, y] = zones[open].points[index];
      move(index, [x + step(event) * arrow[0], y + step(event) * arrow[1]]);
      report();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      remove(index);
    } else if (event.key === "Escape") {
      close();
    } else {
      return;
    }
    event.preventDefault();
  });
  return element;
}

const step = (event) => (event.shiftKey ? 5 * STEP : STEP);

/** Where on the picture a pointer is, in shares. */
function at(event) {
  const { left, top, width, height } = byId("stage").getBoundingClientRect();
  return [(event.clientX - left) / width, (event.clientY - top) / height];
}

function choose(index) {
  chosen = index;
  corners();
}

function move(index, point) {
  zones[open].points[index] = point.map(share);
  paint();
}

function remove(index) {
  const { points } = zones[open];
  if (points.length === 0) return;
  // A zone goes by its own button, not by the loss of its corners.
  if (points.length <= LEAST && !fresh) return tell(say("cornersLeast"));
  points.splice(index, 1);
  chosen = points.length > 0 ? Math.min(index, points.length - 1) : null;
  paint();
  byId("corners").children[chosen]?.focus();
  report();
}

/** Behind the last corner of a new zone; else into the edge that is nearest. */
function add(point) {
  const { points } = zones[open];
  const place = fresh ? points.length : nearest(points, point) + 1;
  points.splice(place, 0, point.map(share));
  chosen = place;
  paint();
  if (points.length >= LEAST) report();
}

function nearest(points, [x, y]) {
  const distances = points.map(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length];
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const along = length && ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length;
    const on = Math.min(1, Math.max(0, along));
    return Math.hypot(x - ax - on * (bx - ax), y - ay - on * (by - ay));
  });
  return distances.indexOf(Math.min(...distances));
}

function begin() {
  // Who switched one off that is deleted here meant that one: a new one is not to be off like it.
  const names = [...zones.map(({ name }) => name), ...Object.keys(held ?? {})];
  const taken = new Set(names.map((name) => name.toLowerCase()));
  let number = 1;
  while (taken.has(`zone${number}`)) number += 1;
  zones.push({ name: `zone${number}`, kind: "count", points: [], enabled: true });
  enter(zones.length - 1, true);
}

function enter(index, drawn) {
  zones = zones.filter((zone, number) => number === index || zone.points.length >= LEAST);
  open = Math.min(index, zones.length - 1);
  fresh = drawn;
  chosen = null;
  cursor = [0.5, 0.5];
  paint();
  list();
  byId("pen").focus();
}

function close() {
  zones = whole();
  open = null;
  fresh = false;
  paint();
  list();
  byId("zone-draw").focus();
}

/** A row for each zone: name, kind, corners, away; of the one that is open also a corner away. */
function list() {
  byId("zone-list").replaceChildren(...zones.map((zone, index) => {
    const name = make("input", { value: zone.name, maxLength: 64, autocomplete: "off", spellcheck: false, "aria-label": say("zoneName") });
    name.addEventListener("change", () => {
      zone.name = name.value.trim();
      paint();
      report();
    });
    const options = ["count", "mask"].map((kind) => make("option", { value: kind }, say(`zone_${kind}`)));
    const kind = make("select", { "aria-label": say("zoneKind", zone) }, ...options);
    kind.value = zone.kind;
    kind.addEventListener("change", () => {
      zone.kind = kind.value;
      paint();
      report();
    });
    const edit = make("button", { type: "button" }, say(index === open ? "zoneDone" : "zoneCorners"));
    edit.addEventListener("click", () => (index === open ? close() : enter(index, false)));
    const away = make("button", { type: "button", className: "quiet", "aria-label": say("zoneDeleteNamed", zone) }, say("zoneDelete"));
    away.addEventListener("click", () => {
      zones.splice(index, 1);
      tell("");
      close();
      report();
    });
    const row = make("li", { className: index === open ? "open" : "" }, name, kind, edit, away);
    if (index === open) row.append(eraser());
    return row;
  }));
  byId("zone-draw").disabled = open !== null;
}

/** Takes a corner away where there is no key for it. */
function eraser() {
  const button = make("button", { type: "button", className: "eraser" }, say("zoneCorner"));
  button.addEventListener("click", () => {
    remove(chosen ?? zones[open].points.length - 1);
    button.focus();
  });
  return button;
}

/** `onChange` hears of all zones after each change. */
export function start(onChange) {
  changed = onChange;
  byId("zone-draw").addEventListener("click", begin);
  const pen = byId("pen");
  pen.setAttribute("aria-label", say("pen"));
  pen.addEventListener("click", (event) => add(at(event)));
  pen.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    const { points } = zones[open];
    if (arrow) {
      cursor = cursor.map((value, axis) => share(value + step(event) * arrow[axis]));
      corners();
    } else if (event.key === "Enter" || event.key === " ") {
      add(cursor);
    } else if (event.key === "Backspace") {
      remove(points.length - 1);
      pen.focus();
    } else if (event.key === "Escape") {
      close();
    } else {
      return;
    }
    event.preventDefault();
  });
}
