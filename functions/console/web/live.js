/**
 * Finds changes. The API sends an event over a WebSocket when something happened, and all registered readers then
 * read what may have changed. Without a connection they read every few seconds. A lock can expire without an event,
 * so readers name the time at which they want to read again. No other module depends on how changes are found.
 */

import { Problem, request } from "./api.js";
import { serverNow } from "./clock.js";
import { session } from "./session.js";
import { effect } from "./vendor/signals.js";

const POLL_MS = 5_000;
const HIDDEN_POLL_MS = 30_000;
const MAX_BACKOFF_MS = 30_000;
/** Events that come together are one reading. */
const GATHER_MS = 150;
const PING_MS = 240_000;
/** A handshake or a pong that takes longer has failed. */
const ANSWER_MS = 20_000;
const MIN_RECONNECT_MS = 500;
const MAX_RECONNECT_MS = 30_000;

/** @typedef {ReturnType<typeof setTimeout> | undefined} Timer */

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

/** @type {WebSocket | undefined} */
let socket;
let isLive = false;
let failures = 0;
/** @type {Timer} */
let timer;
/** @type {Timer} */
let gathering;
/** @type {Timer} */
let waking;
let wakesAt = Infinity;
let isReading = false;
let isOutdated = false;

function schedule() {
  clearTimeout(timer);
  if (session.value !== "signedIn" || (isLive && failures === 0)) return;
  const pause = document.hidden ? HIDDEN_POLL_MS : POLL_MS;
  timer = setTimeout(readAll, Math.min(pause * 2 ** failures, Math.max(pause, MAX_BACKOFF_MS)));
}

/** @param {number} status 0 without a response */
function isOverload(status) {
  return status === 0 || status === 429 || status >= 500;
}

async function readAll() {
  if (isReading) {
    isOutdated = true;
    return;
  }
  isReading = true;
  do {
    isOutdated = false;
    const outcomes = await Promise.allSettled([...readers].map((reader) => reader()));
    const isFailing = outcomes.some(
      (outcome) => outcome.status === "rejected" && outcome.reason instanceof Problem && isOverload(outcome.reason.status),
    );
    failures = isFailing ? Math.min(failures + 1, 4) : 0;
  } while (isOutdated && failures === 0);
  isReading = false;
  schedule();
}

/** Reads everything now, for example after the connection was restored. */
export function readNow() {
  failures = 0;
  clearTimeout(timer);
  if (!socket) connect();
  return readAll();
}

/**
 * Reads everything at a time of the server, such as the expiry of a lock.
 * @param {string | null | undefined} time
 */
export function readAt(time) {
  const at = time ? Date.parse(time) : Infinity;
  if (!(at < wakesAt) || at < serverNow()) return;
  wakesAt = at;
  clearTimeout(waking);
  waking = setTimeout(() => {
    wakesAt = Infinity;
    if (session.value === "signedIn") readAll();
  }, at - serverNow() + 500);
}

function gather() {
  gathering ??= setTimeout(() => {
    gathering = undefined;
    readAll();
  }, GATHER_MS);
}

/** @type {Timer} */
let reconnecting;
let attempts = 0;

/** Opens the connection, and again after each loss. */
async function connect() {
  clearTimeout(reconnecting);
  if (socket || session.value !== "signedIn") return;
  /** @type {{ url: string, ticket: string }} */
  let opening;
  try {
    opening = await request("POST", "v1/realtime-tickets");
  } catch {
    return reconnect();
  }
  if (socket || session.peek() !== "signedIn") return;
  const opened = new WebSocket(`${opening.url}?ticket=${encodeURIComponent(opening.ticket)}`);
  socket = opened;
  /** @type {Timer} */
  let answer = setTimeout(() => opened.close(), ANSWER_MS);
  /** @type {Timer} */
  let pings;
  opened.onmessage = async ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "event" && frame.event.type !== "viewer.changed") gather();
    if (frame.type === "pong" || frame.type === "ready") clearTimeout(answer);
    if (frame.type === "ready") {
      isLive = true;
      attempts = 0;
      pings = setInterval(() => {
        opened.send('{"type":"ping"}');
        answer = setTimeout(() => opened.close(), ANSWER_MS);
      }, PING_MS);
      // What happened before the connection was ready came without a frame.
      readNow();
    }
    if (frame.type === "refresh") {
      const { ticket } = await request("POST", "v1/realtime-tickets");
      opened.send(JSON.stringify({ type: "refresh", ticket }));
    }
  };
  opened.onclose = () => {
    clearTimeout(answer);
    clearInterval(pings);
    if (socket !== opened) return;
    socket = undefined;
    isLive = false;
    reconnect();
  };
}

function reconnect() {
  if (session.peek() !== "signedIn") return;
  const longest = Math.min(MAX_RECONNECT_MS, MIN_RECONNECT_MS * 2 ** ++attempts);
  reconnecting = setTimeout(connect, MIN_RECONNECT_MS + Math.random() * longest);
  schedule();
}

effect(() => {
  if (session.value === "signedIn") {
    schedule();
    connect();
  } else {
    clearTimeout(timer);
    clearTimeout(reconnecting);
    const ended = socket;
    socket = undefined;
    isLive = false;
    ended?.close();
  }
});
addEventListener("online", () => session.value === "signedIn" && readNow());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && session.value === "signedIn" && !isLive) readNow();
});
