// The page: which project is shown, when to ask again, and what is said about it.
import { winRates } from "/web/client.js";
import { draw } from "/web/draw.js";

const POLL_SECONDS = 5;
const LONGEST_WAIT_SECONDS = 60;
const part = (id) => document.getElementById(id);
const state = { running: null, shownAt: null, document: null };

/** Project and token from the address (#project=...&token=..., which is then cleared) or from this tab's memory. */
function remembered() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of ["project", "token"]) if (given.get(name)) sessionStorage.setItem(name, given.get(name));
  if (given.has("token")) history.replaceState(null, "", location.pathname + location.search);
  return { project: sessionStorage.getItem("project"), token: sessionStorage.getItem("token") };
}

function say(message) {
  part("trouble").textContent = message || "";
  part("trouble").hidden = !message;
}

function clock(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function showDoor(project) {
  stop();
  state.document = null;
  part("door").hidden = false;
  part("report").hidden = part("where").hidden = part("leave").hidden = true;
  part("status").textContent = "";
  document.title = "egalign";
  part("project").value = project || "";
  part(project ? "token" : "project").focus();
}

function show(document_) {
  state.document = document_;
  draw(part("report"), document_);
  part("report").hidden = false;
}

function stop() {
  state.running?.abort();
  state.running = null;
}

/** Waits, or until the page comes into view again; rejects when `signal` is aborted. */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      signal.removeEventListener("abort", stopped);
    };
    const stopped = () => (done(), reject(signal.reason));
    const seen = () => document.hidden || (done(), resolve());
    const timer = setTimeout(() => (done(), resolve()), seconds * 1000);
    document.addEventListener("visibilitychange", seen);
    signal.addEventListener("abort", stopped);
  });
}

async function watch(project, token) {
  stop();
  const running = (state.running = new AbortController());
  const source = winRates(project, token);
  let failures = 0;
  part("door").hidden = true;
  part("where").hidden = part("leave").hidden = false;
  part("where").textContent = project;
  document.title = `${project} · egalign`;
  part("status").textContent = "Asking the service …";
  while (!running.signal.aborted) {
    let wait = document.hidden ? LONGEST_WAIT_SECONDS : POLL_SECONDS;
    try {
      const news = await source.next(running.signal);
      if (news) show(news);
      failures = 0;
      say("");
      part("status").textContent = `Up to date at ${clock(new Date())}; new results appear by themselves.`;
    } catch (trouble) {
      if (running.signal.aborted) return;
      if (!("retry" in trouble)) throw trouble;
      say(trouble.message);
      if (trouble.retry === null) {
        showDoor(project);
        return;
      }
      part("status").textContent = state.document ? "The figures below are the last that were received." : "";
      wait = Math.min(LONGEST_WAIT_SECONDS, trouble.retry * 2 ** Math.min(failures++, 4));
    }
    await pause(wait, running.signal).catch(() => {});
  }
}

function start() {
  const { project, token } = remembered();
  if (project && token) watch(project, token);
  else showDoor(project);
}

part("door").addEventListener("submit", (event) => {
  event.preventDefault();
  say("");
  sessionStorage.setItem("project", part("project").value.trim());
  sessionStorage.setItem("token", part("token").value.trim());
  part("token").value = "";
  start();
});
part("leave").addEventListener("click", () => {
  sessionStorage.clear();
  say("");
  showDoor("");
});
addEventListener("hashchange", start);
start();
