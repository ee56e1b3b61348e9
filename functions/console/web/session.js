/** The signed-in user's token, in memory. The refresh token is in a cookie that scripts cannot read. */

import { texts } from "./texts.js";
import { signal } from "./vendor/signals.js";

/** This module is at `{console}/assets/{digest}/session.js`. */
const ROUTES = new URL("../../session/", import.meta.url);
/** A token that expires sooner is renewed before it is used. */
const MARGIN_MS = 60_000;

/** @type {import("./vendor/signals.js").Signal<"starting" | "signedOut" | "signedIn">} */
export const session = signal("starting");

/** Run before the session ends, while the token is still valid. @type {Set<() => unknown>} */
export const beforeSignOut = new Set();

let token = "";
let expiresAt = 0;
/** @type {Promise<boolean> | null} */
let renewal = null;

/** A refused sign-in. */
export class SignInError extends Error {}

/**
 * @typedef {{ challenge: "new_password" | "code", session: string }} Challenge
 */

/**
 * @param {string} route
 * @param {Record<string, string>} [body]
 * @returns {Promise<any>} `null` if the response has no body
 */
async function call(route, body = {}) {
  let response;
  try {
    response = await fetch(new URL(route, ROUTES), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new SignInError(texts.offline);
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new SignInError(answer.detail ?? texts.signIn.unavailable);
  return answer;
}

/**
 * Takes the token of a response. Returns the challenge if there is one.
 * @param {any} answer
 * @returns {Challenge | null}
 */
function accept(answer) {
  if (answer.challenge) return answer;
  token = answer.token;
  expiresAt = Date.now() + answer.expiresInSeconds * 1000;
  session.value = "signedIn";
  return null;
}

/**
 * @param {string} email
 * @param {string} password
 */
export async function signIn(email, password) {
  return accept(await call("sign-in", { email, password }));
}

/**
 * Answers a challenge.
 * @param {Challenge} challenge
 * @param {string} email
 * @param {string} answer the new password or the code
 */
export async function answerChallenge(challenge, email, answer) {
  const [route, name] = challenge.challenge === "code" ? ["code", "code"] : ["new-password", "password"];
  return accept(await call(route, { email, session: challenge.session, [name]: answer }));
}

/** @param {string} email */
export async function requestPasswordCode(email) {
  await call("forgot-password", { email });
}

/**
 * @param {string} email
 * @param {string} code
 * @param {string} password
 */
export async function resetPassword(email, code, password) {
  await call("reset-password", { email, code, password });
}

/**
 * Gets a new token with the cookie. Returns `false` and ends the session if that is refused.
 * @returns {Promise<boolean>}
 */
export function renewSession() {
  renewal ??= renew().finally(() => (renewal = null));
  return renewal;
}

async function renew() {
  try {
    const answer = await call("refresh");
    if (answer) {
      accept(answer);
      return true;
    }
  } catch {
    if (session.value === "signedIn") return false; // no response; the next request tries again
  }
  token = "";
  session.value = "signedOut";
  return false;
}

/** @returns {Promise<string>} a token that is valid for another minute, if there is one */
export async function bearerToken() {
  if (token && expiresAt - Date.now() < MARGIN_MS) await renewSession();
  return token;
}

/** The token as it is now. */
bearerToken.current = () => token;

export async function signOut() {
  await Promise.allSettled([...beforeSignOut].map((task) => task()));
  await call("sign-out").catch(() => {});
  token = "";
  session.value = "signedOut";
}
