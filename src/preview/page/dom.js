// Small helpers. Text is only ever set as text: nothing that a device, a broker or a
// camera's driver says can become markup.

import { say } from "./words.js";

/** The device answers within 60 s, or says that it cannot: after that nothing comes any more. */
const LONGEST = 65_000;
/** What waits for an answer. */
const asked = new Set();

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Sets text only where it is another: what reads the page aloud is not woken for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Does `work`, which asks the device, until it is abandoned or takes too long. */
export async function within(work) {
  const control = new AbortController();
  const limit = setTimeout(() => control.abort(), LONGEST);
  asked.add(control);
  try {
    return await work(control.signal);
  } catch (error) {
    throw control.signal.aborted ? new Error(say("noAnswer")) : error;
  } finally {
    clearTimeout(limit);
    asked.delete(control);
  }
}

/** The device is gone: no answer is waited for any more. */
export function abandon() {
  for (const control of asked) control.abort();
}

/** Posts JSON; what `read` makes of the answer, or an error with the device's words. */
const send = (path, value, read, headers = {}) => within(async (signal) => {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(value),
    signal,
  });
  if (answer.status === 401) location.replace("/login");
  if (answer.ok) return read(answer);
  const text = await answer.text();
  let content = {};
  try { content = JSON.parse(text); } catch { /* plain words */ }
  const error = new Error(content.why ?? text);
  throw Object.assign(error, { status: answer.status, lines: content.lines, tuning: content.tuning });
});

/** Posts JSON; the answer, or an error with the device's words. */
export const post = (path, value = {}, headers = {}) => send(path, value, (answer) => answer.json(), headers);

/** Posts JSON; the picture that is answered, or an error with the device's words. */
export const picture = (path, value) => send(path, value, async (answer) => createImageBitmap(await answer.blob()));

/** Draws all of a picture on a canvas, which takes its size. */
export function draw(canvas, bitmap) {
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

/** Colours of the classes: Okabe and Ito's (2008), as on the pictures that the device sends. */
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
/** On these dark words could not be read, white ones can (WCAG 2.2, 1.4.3). */
const DARK = ["#0072b2"];
const colour = (index) => (index === null ? "#9aa4a6" : COLOURS[index % COLOURS.length]);

/** Gives an element the colour of a class, and words on it theirs. */
export function tint(element, index) {
  element.style.setProperty("--colour", colour(index));
  // Also where it is not: the same element may have shown another class before.
  const words = DARK.includes(colour(index)) ? "#ffffff" : "";
  element.style.setProperty("--on-colour", words);
}
