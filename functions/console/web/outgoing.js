/**
 * Replies that the server has not accepted yet, of all conversations. Each has a key with which a repeated attempt
 * cannot send it twice. They outlive the open conversation and a reload of the page, so that none is lost.
 */

import { serverNow } from "./clock.js";
import { keep } from "./drafts.js";
import { session } from "./session.js";
import { texts } from "./texts.js";
import { effect, signal } from "./vendor/signals.js";

/** @import { AttachedFile } from "./drafts.js" */

/**
 * @typedef {object} Outgoing
 * @property {string} conversationId
 * @property {string} key the idempotency key
 * @property {Record<string, unknown> & { text: string, lockToken?: number }} body
 * @property {AttachedFile[]} files
 * @property {number} firstTriedAt by the server's clock, in milliseconds since 1970
 * @property {"sending" | "failed" | "unseen"} state `unseen`: refused because of a message that the user has not seen
 * @property {string} detail why it failed, or the message
 * @property {boolean} isRefused whether the server has certainly not accepted it
 */

const STORED = "outgoing";
/** The server remembers keys for a day. */
const REPEATABLE_MS = 23 * 3_600_000;

/** @type {import("./vendor/signals.js").Signal<Outgoing[]>} */
export const outgoing = signal(stored());

/** The attempts that wait for an answer, by key. @type {Map<string, Promise<boolean>>} */
const attempts = new Map();

/** @returns {Outgoing[]} what the page had before it was loaded again */
function stored() {
  /** @type {Outgoing[]} */
  let replies = [];
  try {
    replies = JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
  } catch (error) {
    console.warn(error);
  }
  return replies.map((reply) => (reply.state === "sending" ? { ...reply, state: "failed", detail: texts.conversation.interrupted } : reply));
}

effect(() => keep(STORED, outgoing.value.length ? outgoing.value : null));

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

/** Whether a repeated attempt cannot send it twice. @param {{ firstTriedAt: number }} reply */
export function isRepeatable(reply) {
  const age = serverNow() - reply.firstTriedAt;
  return age >= 0 && age < REPEATABLE_MS;
}

/** Whether an answer is on its way. */
export function isSending() {
  return attempts.size > 0;
}

/** Waits until no answer is on its way. */
export async function whenAnswered() {
  while (attempts.size) await Promise.allSettled(attempts.values());
}

/** Removes all replies, because another person may sign in. */
export function forgetOutgoing() {
  outgoing.value = [];
}

/**
 * Notes an attempt until it is over.
 * @param {string} key
 * @param {Promise<boolean>} attempt whether the reply was accepted
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

// Closing the tab would lose them. A page that is loaded again for a sign-in keeps them.
addEventListener("beforeunload", (event) => session.peek() === "signedIn" && outgoing.peek().length && event.preventDefault());
