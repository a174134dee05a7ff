// Clippy's front end, in short. BUILD comes from the build, which the demo makes anew to bring faults about.
"use strict";
if (BUILD.broken) throw new Error("clippy.assistant is undefined");

const storage = {
  get(key) {
    try { return JSON.parse(localStorage.getItem(`clippy_${key}`)); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(`clippy_${key}`, JSON.stringify(value)); return true; } catch { return false; }
  },
};

const settings = storage.get("settings") || { theme: "classic", voice: false, version: "1.0.0" };
const saved = storage.set("settings", settings);
if (BUILD.fill) storage.set("conversations", "x".repeat(BUILD.fill));

function Chat() {
  if (BUILD.throws) throw new TypeError("messages.map is not a function");
  const messages = ["It looks like you are running a service.", "Would you like help with watching it?"];
  return h("ul", { class: "messages" }, messages.map((text) => h("li", null, text)));
}
function Settings() {
  return h("p", null, saved ? `Theme: ${settings.theme}` : "Settings cannot be kept in this browser.");
}
function App() {
  return h("main", { class: "app" },
    h("h1", null, `Clippy ${BUILD.version}`),
    h(Guarded, { name: "chat" }, Chat),
    h(Guarded, { name: "settings" }, Settings),
    h("img", { src: "/static/clippy.svg", alt: "A paper clip with eyes", width: "64" }));
}
createRoot(document.getElementById("root")).render(h(App));

// What is slow in the browser itself: one long task after the other, from the page's load on.
function work(until) {
  const began = performance.now();
  while (performance.now() - began < 150) Math.sqrt(began);
  if (performance.now() < until) setTimeout(() => work(until), 10);
}
if (BUILD.busy) addEventListener("load", () => setTimeout(() => work(performance.now() + BUILD.busy), 20));
