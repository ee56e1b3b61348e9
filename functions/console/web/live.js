/**
 * Finds changes. The API sends an event over a WebSocket when something happened, and the readers that it concerns
 * then read what may have changed. Without a connection, the feed of events is read every few seconds, and the
 * readers read only if it has something new. A lock can expire without an event, so readers name the time at which
 * they want to read again. No other module depends on how changes are found.
 */

import { Problem, request } from "./api.js";
import { serverNow } from "./clock.js";
import { checkSession, session } from "./session.js";
import { effect, signal } from "./vendor/signals.js";

const POLL_MS = 5_000;
const HIDDEN_POLL_MS = 30_000;
const MAX_BACKOFF_MS = 30_000;
/** Events that come together are one reading. */
const GATHER_MS = 150;
const PING_MS = 240_000;
/** Without a repetition, others no longer see the user after a while. */
const VIEW_MS = 30_000;
/** A handshake or a pong that takes longer has failed. */
const ANSWER_MS = 20_000;
/** The user signed out on another screen, perhaps on all, or has no access any more. */
const SIGNED_OUT = 4001;
const MIN_RECONNECT_MS = 500;
const MAX_RECONNECT_MS = 30_000;

/** @import { UserName } from "./types.d.ts" */

/** @typedef {ReturnType<typeof setTimeout> | undefined} Timer */

/** Readers with the types of events that concern them. @type {Map<() => Promise<unknown>, RegExp>} */
const readers = new Map();
/** What most readers show: a large broadcast or an import has many events, and changes none of it by itself. */
const MOST_TYPES = /^(?!broadcast\.|import\.)/;

/**
 * Registers a function that reads what may have changed. Returns a function that removes it.
 * @param {() => Promise<unknown>} reader
 * @param {RegExp} [types] of the events that concern it
 */
export function onChange(reader, types = MOST_TYPES) {
  readers.set(reader, types);
  return () => void readers.delete(reader);
}

/** The position in the feed from which it is read without a connection. `null` before the first reading. @type {string | null} */
let cursor = null;

/** @type {WebSocket | undefined} */
let socket;
let isLive = false;
let failures = 0;
/** @type {Timer} */
let timer;
/** @type {Timer} */
let gathering;
/** @type {Set<string>} */
let gathered = new Set();
/** @type {Timer} */
let waking;
let wakesAt = Infinity;
let isReading = false;

function schedule() {
  clearTimeout(timer);
  if (session.value !== "signedIn" || (isLive && failures === 0)) return;
  const pause = document.hidden ? HIDDEN_POLL_MS : POLL_MS;
  timer = setTimeout(isLive ? readAll : poll, Math.min(pause * 2 ** failures, Math.max(pause, MAX_BACKOFF_MS)));
}

/** @param {number} status 0 without a response */
function isOverload(status) {
  return status === 0 || status === 429 || status >= 500;
}

/** Types of the events that are not read yet. `null` means that anything may have happened. @type {Set<string | null>} */
let unread = new Set();

/** @param {Iterable<string | null>} types */
async function read(types) {
  for (const type of types) unread.add(type);
  if (isReading) return;
  isReading = true;
  do {
    const found = [...unread];
    unread = new Set();
    const concerned = [...readers].filter(([, types]) => found.some((type) => type === null || types.test(type)));
    const outcomes = await Promise.allSettled(concerned.map(([reader]) => reader()));
    const isFailing = outcomes.some(
      (outcome) => outcome.status === "rejected" && outcome.reason instanceof Problem && isOverload(outcome.reason.status),
    );
    failures = isFailing ? Math.min(failures + 1, 4) : 0;
  } while (unread.size && failures === 0);
  isReading = false;
  schedule();
}

const readAll = () => read([null]);

/** Reads the feed while there is no connection, and then what its events concern. */
async function poll() {
  try {
    if (cursor === null) {
      cursor = (await request("GET", "v1/events")).nextCursor;
      return await readAll();
    }
    /** @type {string[]} */
    const types = [];
    let page;
    do {
      page = await request("GET", "v1/events", { query: { cursor: cursor ?? undefined } });
      cursor = page.nextCursor;
      types.push(...page.items.map(typeOf));
    } while (page.items.length > 0);
    // Something that could not be read before is read again.
    return await read(types.length || failures === 0 ? types : [null]);
  } catch (error) {
    const { status } = /** @type {Problem} */ (error);
    cursor = null; // an old cursor is refused
    if (status === 410) return readAll();
    failures = Math.min(failures + 1, 4);
    schedule();
  }
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

/**
 * The type of an event for readers. Some read only what people wrote, so that type is `message.created.inbound`.
 * @param {{ type: string, data: any }} event
 */
function typeOf({ type, data }) {
  return type === "message.created" && data.direction === "inbound" ? `${type}.inbound` : type;
}

/** @param {string} type of the event */
function gather(type) {
  gathered.add(type);
  gathering ??= setTimeout(() => {
    gathering = undefined;
    const types = gathered;
    gathered = new Set();
    read(types);
  }, GATHER_MS);
}

/** Who else has the open conversation on the screen. @type {import("./vendor/signals.js").Signal<{ conversationId: string, viewers: UserName[] }>} */
export const viewers = signal({ conversationId: "", viewers: [] });
/** @type {string | null} */
let viewed = null;

/**
 * Shows others that the user has a conversation open.
 * @param {string | null} conversationId
 */
export function view(conversationId) {
  if (conversationId === viewed) return;
  viewed = conversationId;
  viewers.value = { conversationId: conversationId ?? "", viewers: [] };
  if (isLive) sendView();
}

function sendView() {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "view", conversationId: viewed }));
}

/** @type {Timer} */
let reconnecting;
let attempts = 0;

/** @param {{ type: string, conversationId?: string, data: any }} event */
function noteEvent({ type, conversationId, data }) {
  if (type !== "viewer.changed") return gather(typeOf({ type, data }));
  if (conversationId === viewed && viewed !== null) viewers.value = { conversationId: viewed, viewers: data.viewers };
}

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
  /** @type {Timer} */
  let views;
  opened.onmessage = async ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "event") noteEvent(frame.event);
    if (frame.type === "pong" || frame.type === "ready") clearTimeout(answer);
    if (frame.type === "ready") {
      isLive = true;
      attempts = 0;
      cursor = null;
      if (viewed !== null) sendView();
      views = setInterval(() => viewed !== null && sendView(), VIEW_MS);
      pings = setInterval(() => {
        opened.send('{"type":"ping"}');
        answer = setTimeout(() => opened.close(), ANSWER_MS);
      }, PING_MS);
      // What happened before the connection was ready came without a frame.
      readNow();
    }
    if (frame.type === "close" && frame.code === SIGNED_OUT) checkSession();
    if (frame.type === "refresh") {
      // Without a ticket, the server closes the connection, and another one is opened.
      const answer = await request("POST", "v1/realtime-tickets").catch(() => null);
      if (answer && socket === opened) opened.send(JSON.stringify({ type: "refresh", ticket: answer.ticket }));
    }
  };
  opened.onclose = () => {
    clearTimeout(answer);
    clearInterval(pings);
    clearInterval(views);
    if (socket !== opened) return;
    socket = undefined;
    isLive = false;
    viewers.value = { ...viewers.value, viewers: [] };
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
    cursor = null;
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
