// Which camera, which name, which broker: what only a new start takes over.

import { byId, make, post, setText } from "./dom.js";
import { say } from "./words.js";

const FIELDS = {
  "camera.source": "setup-camera",
  "home_assistant.device_name": "setup-name",
  "home_assistant.suggested_area": "setup-area",
  "mqtt.url": "setup-url",
  "mqtt.username": "setup-user",
};

let before = {};

async function open() {
  const shown = await post("/api/setup");
  before = shown.values;
  const select = byId("setup-camera");
  const source = before["camera.source"];
  const options = shown.cameras.map((camera) => {
    const value = camera.link ?? camera.path;
    const name = camera.card || camera.path;
    const usable = camera.state === "usable" || camera.state === "busy";
    const words = usable ? `${name} (${camera.path})` : say("cameraUnusable", { name, why: camera.unusable });
    return make("option", { value, disabled: !usable }, words);
  });
  options.unshift(make("option", { value: "auto" }, say("firstCamera")));
  if (!options.some((option) => option.value === source)) {
    options.unshift(make("option", { value: source }, source));
  }
  select.replaceChildren(...options);
  for (const [key, id] of Object.entries(FIELDS)) {
    const field = byId(id);
    field.value = before[key] ?? "";
    const origin = shown.origins[key];
    field.disabled = Boolean(origin?.fixed);
    field.title = origin?.fixed ? say("fixed", { place: origin.place }) : "";
  }
}

function changed() {
  const entries = Object.entries(FIELDS).map(([key, id]) => [key, byId(id).value.trim()]);
  return Object.fromEntries(entries.filter(([key, value]) => value !== (before[key] ?? "")));
}

function findings(list) {
  const item = ({ check, verdict, message, remedy }) =>
    make("li", { className: verdict },
      make("b", {}, `${check.replaceAll("_", " ")}: ${say(`verdict_${verdict}`)}`),
      make("span", {}, message), ...(remedy ? [make("small", {}, remedy)] : []));
  byId("findings").replaceChildren(...list.map(item));
}

const word = (text) => byId("findings").replaceChildren(make("li", {}, text));

export function start() {
  byId("setup").addEventListener("toggle", () => {
    if (byId("setup").open) open().catch((error) => word(say("failed", { why: error.message })));
  });
  byId("setup-test").addEventListener("click", async () => {
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
  });
  byId("setup-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { file } = await post("/api/setup/save", changed());
      word(`${say("savedIn", { file })} ${say("starting")}`);
    } catch (error) {
      word(say("failed", { why: error.message }));
      if (error.lines) byId("findings").append(make("li", {}, say("copyThese"), make("pre", { tabIndex: 0 }, error.lines)));
    }
  });
  setText(byId("findings"), "");
}
