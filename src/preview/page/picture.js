// The live picture: reads the parts of the device's endless answer, draws the newest.

import { abandon, byId, draw, make, setText, tint } from "./dom.js";
import { say, spoken, time } from "./words.js";
import * as zones from "./zones.js";

const SVG = "http://www.w3.org/2000/svg";
/** The device says something every second; after so much silence it is gone. */
const SILENCE = 5000;
export const AGAIN = 2000;

/**
 * Yields each part of a multipart answer: its type and its bytes. `heard` is called for every
 * piece: on a slow link a whole picture takes long.
 */
async function* parts(stream, heard) {
  const reader = stream.getReader();
  let bytes = new Uint8Array();
  const more = async () => {
    const { done, value } = await reader.read();
    if (done) return false;
    heard();
    const joined = new Uint8Array(bytes.length + value.length);
    joined.set(bytes);
    joined.set(value, bytes.length);
    bytes = joined;
    return true;
  };
  const headEnd = () => {
    for (let at = 0; at + 3 < bytes.length; at++) {
      if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
    }
    return -1;
  };
  for (;;) {
    let end;
    while ((end = headEnd()) < 0) if (!(await more())) return;
    const head = new TextDecoder().decode(bytes.subarray(0, end));
    const length = Number(/Content-Length: (\d+)/i.exec(head)?.[1] ?? 0);
    const next = end + 4 + length + 2;
    while (bytes.length < next) if (!(await more())) return;
    yield [/Content-Type: (\S+)/i.exec(head)?.[1], bytes.slice(end + 4, end + 4 + length)];
    bytes = bytes.slice(next);
  }
}

/** Watches for ever; `onState` hears what the device says of itself. */
export async function watch(classes, onState) {
  const veil = (word) => {
    setText(byId("veil"), word ? say(word) : "");
    byId("veil").hidden = !word;
    if (word) clear(word);
  };
  for (;;) {
    const control = new AbortController();
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        control.abort();
        // Whoever is told of the state may wait for an answer of their own.
        abandon();
      }, SILENCE);
    };
    try {
      heard();
      const answer = await fetch("/api/live", { signal: control.signal });
      if (answer.status === 401) return location.replace("/login");
      if (!answer.ok) {
        veil(answer.status === 503 ? "full" : "lost");
      } else {
        veil("waiting");
        let about = null;
        for await (const [kind, content] of parts(answer.body, heard)) {
          if (kind === "image/jpeg") {
            const bitmap = await createImageBitmap(new Blob([content], { type: kind }));
            draw(byId("canvas"), bitmap);
            bitmap.close();
            veil(null);
            show(about, classes);
            continue;
          }
          const said = JSON.parse(new TextDecoder().decode(content));
          if (said.kind === "picture") {
            about = said;
          } else {
            if (said.private) veil(said.status?.paused ? "paused" : "held");
            else if (said.blind) veil("blind");
            await onState(said);
          }
        }
        veil("lost");
      }
    } catch {
      veil("lost");
    }
    clearTimeout(silence);
    abandon();
    onState(null);
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

/** Nothing is left of the picture; `word` says why. */
function clear(word) {
  // Nor of the small ones beside the names of cameras, unless it is for the want of a camera:
  // another one is chosen by them.
  const gone = word === "blind" ? [byId("canvas")] : document.querySelectorAll("canvas");
  for (const canvas of gone) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  label(say(word));
  setText(byId("age"), say("unknown"));
  byId("boxes").replaceChildren();
  byId("shapes").replaceChildren();
  byId("faces").replaceChildren();
  zones.count({});
}

function show(about, classes) {
  setText(byId("age"), say("milliseconds", { value: about.age_ms }));
  // One that has just left the picture is followed for a while, beyond its edge.
  const inside = about.faces.filter(({ rect }) => rect[2] > 0.01 && rect[3] > 0.01);
  byId("boxes").replaceChildren(...inside.map((face) => box(face, classes)));
  byId("shapes").replaceChildren(...(byId("looks-on").checked ? about.looks.map(shape) : []));
  list(about.faces, classes);
  const count = about.faces.length;
  const faces = count === 0 ? say("noFaces") : count === 1 ? say("oneFace") : say("manyFaces", { count });
  zones.count(about.zones);
  const inZones = Object.entries(about.zones).map(([zone, inside]) => say("inZone", { zone, inside }));
  label([say("pictureOf", { faces }), ...inZones].join(", "));
}

/** What the picture shows, for whoever has it read aloud. */
function label(words) {
  if (byId("canvas").getAttribute("aria-label") !== words) byId("canvas").setAttribute("aria-label", words);
}

const named = (face, classes) => (face.class === null ? say("undecided") : spoken(classes[face.class]));

function box(face, classes) {
  const [left, top, width, height] = face.rect.map((share) => `${share * 100}%`);
  const label = make("span", {}, `${face.track} ${named(face, classes)}`);
  const element = make("div", { className: "box" }, label);
  // There the label would hang over the picture's edge.
  element.classList.toggle("low", face.rect[1] < 0.08);
  element.classList.toggle("right", face.rect[0] > 0.7);
  Object.assign(element.style, { left, top, width, height });
  tint(element, face.class);
  return element;
}

/** A part of the picture that a network was shown. */
function shape({ purpose, rect }) {
  const element = document.createElementNS(SVG, "rect");
  ["x", "y", "width", "height"].forEach((name, index) => element.setAttribute(name, rect[index]));
  element.setAttribute("class", purpose);
  return element;
}

/** The faces as a list, with a bar for each class; rows are kept while their face stays. */
function list(faces, classes) {
  const home = byId("faces");
  const rows = new Map([...home.children].map((row) => [row.dataset.track, row]));
  for (const face of faces) {
    const track = String(face.track);
    const row = rows.get(track) ?? home.appendChild(emptyRow(track, classes));
    rows.delete(track);
    setText(row.querySelector(".what"), named(face, classes));
    setText(row.querySelector(".since"), time(face.age_s));
    face.shares.forEach((share, index) => {
      const meter = row.querySelectorAll("meter")[index];
      meter.value = share;
      setText(meter.nextElementSibling, say("unit_share", { value: Math.round(share * 100) }));
    });
  }
  for (const row of rows.values()) row.remove();
}

function emptyRow(track, classes) {
  const bars = classes.map((name, index) => {
    const meter = make("meter", { min: 0, max: 1, value: 0, "aria-label": spoken(name) });
    tint(meter, index);
    return make("div", { className: "bar" }, make("span", {}, spoken(name)), meter, make("output"));
  });
  const head = make("p", {}, make("b", {}, say("face", { track })), " ", make("span", { className: "what" }), make("span", { className: "since" }));
  const row = make("li", {}, head, ...bars);
  row.dataset.track = track;
  return row;
}
