/**
 * Replies that the server has not accepted yet, of all conversations. Each has a key with which a repeated attempt
 * cannot send it twice. They outlive the open conversation and a reload of the page, so that none is lost.
 */

import { texts } from "./texts.js";
import { effect, signal } from "./vendor/signals.js";

/** @import { AttachedFile } from "./drafts.js" */

/**
 * @typedef {object} Outgoing
 * @property {string} conversationId
 * @property {string} key the idempotency key
 * @property {Record<string, unknown> & { text: string, lockToken?: number }} body
 * @property {AttachedFile[]} files
 * @property {number} firstTriedAt milliseconds since 1970
 * @property {"sending" | "failed"} state
 * @property {string} detail why it failed
 */

const STORED = "outgoing";
/** The server remembers keys for a day. */
const REPEATABLE_MS = 23 * 3_600_000;

/** @type {import("./vendor/signals.js").Signal<Outgoing[]>} */
export const outgoing = signal(stored());

/** The attempts that wait for an answer, by key. @type {Map<string, Promise<unknown>>} */
const attempts = new Map();

/** @returns {Outgoing[]} what the page had before it was loaded again */
function stored() {
  /** @type {Outgoing[]} */
  const replies = JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
  return replies.map((reply) => (reply.state === "sending" ? { ...reply, state: "failed", detail: texts.conversation.interrupted } : reply));
}

effect(() => {
  if (outgoing.value.length) sessionStorage.setItem(STORED, JSON.stringify(outgoing.value));
  else sessionStorage.removeItem(STORED);
});

/** Shows a reply, or its new state. @param {Outgoing} reply */
export function keepOutgoing(reply) {
  const others = outgoing.peek();
  const isKnown = others.some((other) => other.key === reply.key);
  outgoing.value = isKnown ? others.map((other) => (other.key === reply.key ? reply : other)) : [...others, reply];
}

/** @param {string} key */
export function removeOutgoing(key) {
  outgoing.value = outgoing.peek().filter((reply) => reply.key !== key);
}

/** Whether a repeated attempt cannot send the reply twice. @param {Outgoing} reply */
export function isRepeatable(reply) {
  return Date.now() - reply.firstTriedAt < REPEATABLE_MS;
}

/** Removes all replies, because another person may sign in. */
export function forgetOutgoing() {
  outgoing.value = [];
}

/**
 * Notes an attempt until it is over.
 * @param {string} key
 * @param {Promise<unknown>} attempt
 */
export function noteAttempt(key, attempt) {
  attempts.set(key, attempt);
  return attempt.finally(() => attempts.delete(key));
}

/**
 * The attempts of a conversation that wait for an answer. They need its lock.
 * @param {string} conversationId
 */
export function attemptsOf(conversationId) {
  const replies = outgoing.peek().filter((reply) => reply.conversationId === conversationId);
  return replies.flatMap((reply) => attempts.get(reply.key) ?? []);
}

// Closing the tab would lose them.
addEventListener("beforeunload", (event) => outgoing.peek().length && event.preventDefault());
