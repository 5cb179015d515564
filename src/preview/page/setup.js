// Which camera, which name, which broker: what only a new start takes over.

import { byId, draw, make, picture, post, setText } from "./dom.js";
import { say, spoken } from "./words.js";

const CAMERA = "camera.source";
const FIELDS = {
  "home_assistant.device_name": "setup-name",
  "home_assistant.suggested_area": "setup-area",
  "mqtt.url": "setup-url",
  "mqtt.username": "setup-user",
};

/** What the settings say. */
let before = {};
/** What a field shows of the settings: of several addresses all, as commas separate them. */
const written = (key) => [].concat(before[key] ?? []).join(",");
/** The page's own Undo has changed the settings, and could not ask what they are now. */
let undone = false;
/** Counts openings: a camera is not opened for a list that is gone. */
let opening = 0;

/**
 * Asks what the settings say now; what somebody is filling in stays as it is. What nobody has
 * touched shows what is so now where somebody else may have changed it, and after the page's own
 * Undo what was taken back, to be saved again.
 */
export async function renew(others = false) {
  if (!byId("setup").open) return;
  if (!others) undone = true;
  try {
    const { values } = await post("/api/setup");
    if (undone) before = values;
    else refill(values);
    undone = false;
  } catch { /* the next opening asks again */ }
}

function refill(values) {
  const untouched = Object.entries(FIELDS).filter(([key, id]) => byId(id).value === written(key));
  const chosen = byId("setup-camera").querySelector(":checked")?.value === before[CAMERA];
  before = values;
  for (const [key, id] of untouched) byId(id).value = written(key);
  offer(before[CAMERA], chosen);
}

/** Has the camera of the settings among those that can be chosen, and may choose it. */
function offer(source, chosen) {
  const home = byId("setup-camera");
  home.querySelector("[data-now]")?.remove();
  let input = [...home.querySelectorAll("input")].find(({ value }) => value === source);
  if (!input) {
    const made = choice(source, say("sourceNow", { source }));
    made.label.dataset.now = "";
    home.prepend(made.label);
    input = made.input;
  }
  if (chosen) input.checked = true;
}

async function open() {
  const mine = ++opening;
  const shown = await post("/api/setup");
  before = shown.values;
  undone = false;
  const cards = shown.cameras.map((camera) => card(camera, shown.open));
  cards.unshift(choice("auto", say("firstCamera")));
  byId("setup-camera").replaceChildren(...cards.map(({ label }) => label));
  offer(before[CAMERA], true);
  const place = shown.origins[CAMERA];
  byId("setup-cameras").disabled = Boolean(place?.fixed);
  setText(byId("setup-fixed"), place?.fixed ? say("fixed", { place: place.place }) : "");
  for (const [key, id] of Object.entries(FIELDS)) {
    const field = byId(id);
    field.value = written(key);
    const origin = shown.origins[key];
    field.disabled = Boolean(origin?.fixed);
    field.title = origin?.fixed ? say("fixed", { place: origin.place }) : "";
  }
  // One after the other: cameras at one port share what it carries.
  for (const { look } of cards) if (look && mine === opening) await look();
}

/** One that can be chosen. */
function choice(value, words, more = "") {
  const input = make("input", { type: "radio", name: "camera", value });
  const canvas = make("canvas", { hidden: true, "aria-hidden": "true" });
  const hint = make("small", {}, more);
  const label = make("label", { className: "camera" }, input, make("span", {}, words), canvas, hint);
  return { label, input, canvas, hint };
}

/** A camera of the device; `watched` is the one that it has open. */
function card(camera, watched) {
  const { path, link, link_note: note, state, unusable } = camera;
  const own = path === watched;
  const name = say("cameraAt", { name: camera.card || path, path });
  const made = choice(link ?? path, name, own ? say("cameraOpen") : (unusable ?? ""));
  made.label.title = note ?? "";
  made.input.disabled = state !== "usable" && state !== "busy";
  // What a person may not see is not shown here, either.
  if (own && byId("veil").hidden) show(made.canvas, byId("canvas"));
  if (own || state !== "usable") return made;
  const look = async () => {
    setText(made.hint, say("cameraPicture"));
    try {
      const bitmap = await picture("/api/setup/picture", { path });
      show(made.canvas, bitmap);
      bitmap.close();
      setText(made.hint, "");
    } catch (error) {
      setText(made.hint, say("cameraBlind", { why: error.message }));
    }
  };
  return { ...made, look };
}

function show(canvas, content) {
  draw(canvas, content);
  canvas.hidden = false;
}

function changed() {
  const entries = Object.entries(FIELDS).map(([key, id]) => [key, byId(id).value.trim()]);
  const camera = byId("setup-camera").querySelector(":checked");
  if (camera) entries.unshift([CAMERA, camera.value]);
  return Object.fromEntries(entries.filter(([key, value]) => value !== written(key)));
}

function findings(list) {
  const item = ({ check, verdict, message, remedy }) =>
    make("li", { className: verdict },
      make("b", {}, `${spoken(check)}: ${say(`verdict_${verdict}`)}`),
      make("span", {}, message), ...(remedy ? [make("small", {}, remedy)] : []));
  byId("findings").replaceChildren(...list.map(item));
}

const word = (text) => byId("findings").replaceChildren(make("li", {}, text));

export function start() {
  byId("setup").addEventListener("toggle", () => {
    if (byId("setup").open) open().catch((error) => word(say("failed", { why: error.message })));
    else opening += 1;
  });
  byId("setup-test").addEventListener("click", async () => {
    byId("setup-test").disabled = true;
    word(say("testing"));
    try {
      const { "mqtt.url": url, "mqtt.username": user } = changed();
      const tried = {};
      if (url !== undefined) tried["mqtt.url"] = url;
      if (user !== undefined) tried["mqtt.username"] = user;
      findings(await post("/api/setup/test", tried));
    } catch (error) {
      word(say("failed", { why: error.message }));
    }
    byId("setup-test").disabled = false;
  });
  byId("setup-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    byId("setup-save").disabled = true;
    try {
      const sent = changed();
      const { file, written } = await post("/api/setup/save", sent);
      // What was there before is a change from now on.
      Object.assign(before, sent);
      word(written ? `${say("savedIn", { file })} ${say("starting")}` : say("nothingToSave"));
    } catch (error) {
      word(say("failed", { why: error.message }));
      if (error.lines) byId("findings").append(make("li", {}, say("copyThese"), make("pre", { tabIndex: 0 }, error.lines)));
    }
    byId("setup-save").disabled = false;
  });
  setText(byId("findings"), "");
}
