import { byId } from "./dom.js";
import { say, speak } from "./words.js";

speak();
byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const tell = (words) => { byId("login-answer").textContent = words; };
  try {
    const answer = await fetch("/login", { method: "POST", body: byId("token").value });
    if (answer.ok) return location.replace("/");
    const wrong = { 401: "wrongToken", 429: "tooMany" }[answer.status];
    tell(wrong ? say(wrong) : await answer.text());
  } catch {
    tell(say("noAnswer"));
  }
  byId("token").select();
});
