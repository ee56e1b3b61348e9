/**
 * Finds changes. Until the API has an event feed, this module calls all registered readers every few seconds,
 * and less often in the background. No other module depends on how changes are found.
 */

import { Problem } from "./api.js";
import { session } from "./session.js";
import { effect } from "./vendor/signals.js";

const VISIBLE_MS = 3_000;
const HIDDEN_MS = 30_000;
const MAX_BACKOFF_MS = 30_000;

/** @type {Set<() => Promise<unknown>>} */
const readers = new Set();

/**
 * Registers a function that reads what may have changed. Returns a function that removes it.
 * @param {() => Promise<unknown>} reader
 */
export function onChange(reader) {
  readers.add(reader);
  return () => readers.delete(reader);
}

let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

function schedule() {
  clearTimeout(timer);
  if (session.value !== "signedIn") return;
  const pause = document.hidden ? HIDDEN_MS : VISIBLE_MS;
  timer = setTimeout(readAll, Math.min(pause * 2 ** failures, Math.max(pause, MAX_BACKOFF_MS)));
}

/** @param {number} status 0 without a response */
function isOverload(status) {
  return status === 0 || status === 429 || status >= 500;
}

async function readAll() {
  const outcomes = await Promise.allSettled([...readers].map((reader) => reader()));
  const isFailing = outcomes.some(
    (outcome) => outcome.status === "rejected" && outcome.reason instanceof Problem && isOverload(outcome.reason.status),
  );
  failures = isFailing ? Math.min(failures + 1, 4) : 0;
  schedule();
}

/** Reads everything now, for example after the connection was restored. */
export function readNow() {
  failures = 0;
  clearTimeout(timer);
  return readAll();
}

effect(() => {
  if (session.value === "signedIn") schedule();
  else clearTimeout(timer);
});
addEventListener("online", () => session.value === "signedIn" && readNow());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && session.value === "signedIn") readNow();
});
