import { byId, within } from "./dom.js";
import { say, speak } from "./words.js";

speak();
byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const tell = (words) => { byId("login-answer").textContent = words; };
  try {
    const body = byId("token").value;
    const answer = await within((signal) => fetch("/login", { method: "POST", body, signal }));
    if (answer.ok) return location.replace("/");
    const wrong = { 401: "wrongToken", 429: "tooMany" }[answer.status];
    tell(wrong ? say(wrong) : await answer.text());
  } catch {
    tell(say("noAnswer"));
  }
  byId("token").select();
});
