// Small helpers. Text is only ever set as text: nothing that a device, a broker or a
// camera's driver says can become markup.

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

/** Posts JSON; what `read` makes of the answer, or an error with the device's words. */
async function send(path, value, read, headers = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(value),
  });
  if (answer.status === 401) location.replace("/login");
  if (answer.ok) return read(answer);
  const text = await answer.text();
  let content = {};
  try { content = JSON.parse(text); } catch { /* plain words */ }
  const error = new Error(content.why ?? text);
  throw Object.assign(error, { status: answer.status, lines: content.lines, tuning: content.tuning });
}

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
export const colour = (index) => (index === null ? "#9aa4a6" : COLOURS[index % COLOURS.length]);
