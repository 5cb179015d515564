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

/** Posts JSON; the answer, or an error with the device's words. */
export async function post(path, value = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(value),
  });
  if (answer.status === 401) location.assign("/login");
  const text = await answer.text();
  let content = text;
  try { content = JSON.parse(text); } catch { /* plain words */ }
  if (answer.ok) return content;
  const error = new Error(content.why ?? text);
  error.lines = content.lines;
  throw error;
}

/** Colours of the classes: Okabe and Ito's (2008), as on the pictures that the device sends. */
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
export const colour = (index) => (index === null ? "#9aa4a6" : COLOURS[index % COLOURS.length]);
