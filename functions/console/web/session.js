/** The signed-in user's token, in memory. The refresh token is in a cookie that scripts cannot read. */

import { texts } from "./texts.js";
import { signal } from "./vendor/signals.js";

/** This module is at `{console}/assets/{digest}/session.js`. */
const ROUTES = new URL("../../session/", import.meta.url);
/** A token that expires sooner is renewed before it is used. */
const MARGIN_MS = 60_000;
/** A little longer than the function may take. */
const TIMEOUT_MS = 35_000;

/** @type {import("./vendor/signals.js").Signal<"starting" | "signedOut" | "signedIn">} */
export const session = signal("starting");

/**
 * Where users sign in: the user pool of the stack with this page's form, another identity provider with its own pages,
 * or `none` if the operator has not set its client.
 * @type {string | undefined}
 */
export const signInKind = document.querySelector("meta[name=sign-in]")?.getAttribute("content") ?? undefined;

/** Run before the user signs out, while the token is still valid. A session that only expires does not run them. @type {Set<() => unknown>} */
export const beforeSignOut = new Set();

/** @typedef {"signOut" | "expired" | "otherUser"} End */

/** Why the session ended: the user signed out, here or on another screen, it expired, or another user signed in. */
export const endedBy = signal(/** @type {End | null} */ (null));

/** Why it is not known yet whether there is a session. */
export const resumeError = signal("");

let token = "";
let expiresAt = 0;
/** Whose token it is, and whose session it was last. `null` before the first one. @type {string | null} */
let user = null;
/** @type {Promise<boolean> | null} */
let renewal = null;
/** How often this tab has signed out. What was requested before that is ignored. */
let signOuts = 0;

/** A sign-in that failed. `status` is 0 without a response. */
export class SignInError extends Error {
  /**
   * @param {string} message
   * @param {number} [status]
   */
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Statuses with which the server says that there is no session. */
const REFUSALS = [400, 401];
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

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
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new SignInError(texts.offline);
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new SignInError(answer.detail ?? texts.signIn.unavailable, response.status);
  return answer;
}

/**
 * The user of a token. Whether a token is valid, only the API decides.
 * @param {string} token
 */
function userOf(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return String(JSON.parse(atob(claims)).sub ?? "");
  } catch {
    return "";
  }
}

/**
 * Begins a session, or returns the challenge before it. After another session in the same page, the page is loaded
 * again: what that one began may still be on its way, and would go on as the new user.
 * @param {any} answer
 * @returns {Promise<Challenge | null>}
 */
function begin(answer) {
  if (answer.challenge) return Promise.resolve(answer);
  if (user === null) return Promise.resolve(accept(answer));
  location.reload(); // the cookie has the session
  return new Promise(() => {});
}

/** Takes the token of a response. @param {any} answer */
function accept(answer) {
  token = answer.token;
  user = userOf(token);
  expiresAt = Date.now() + answer.expiresInSeconds * 1000;
  signInError.value = "";
  resumeError.value = "";
  endedBy.value = null;
  session.value = "signedIn";
  return null;
}

/**
 * @param {string} email
 * @param {string} password
 */
export async function signIn(email, password) {
  return begin(await call("sign-in", { email, password }));
}

/**
 * Answers a challenge.
 * @param {Challenge} challenge
 * @param {string} email
 * @param {string} answer the new password or the code
 */
export async function answerChallenge(challenge, email, answer) {
  const [route, name] = challenge.challenge === "code" ? ["code", "code"] : ["new-password", "password"];
  return begin(await call(route, { email, session: challenge.session, [name]: answer }));
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

/** @param {Uint8Array<ArrayBuffer>} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Holds a sign-in with another identity provider while the browser is there. */
const PENDING = "sign-in";

/** Sends the user to the identity provider, which comes back to the page `callback`. */
export async function startSignIn() {
  const [state, nonce, verifier] = [0, 1, 2].map(() => base64url(crypto.getRandomValues(new Uint8Array(32))));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const { url } = await call("authorize", { state, nonce, challenge: base64url(new Uint8Array(digest)) });
  sessionStorage.setItem(PENDING, JSON.stringify({ state, nonce, verifier, path: location.pathname + location.search }));
  location.assign(url);
}

/** Why the last sign-in with another identity provider failed, or the last sign-out. */
export const signInError = signal("");

/**
 * Completes a sign-in if this is the page to which the identity provider comes back. Returns the path at which it was
 * started. A response that this tab does not wait for changes nothing, whoever sent it.
 * @returns {Promise<string | null>}
 */
export async function finishSignIn() {
  const root = new URL("../../", import.meta.url).pathname;
  const answer = new URLSearchParams(location.search);
  if (signInKind !== "issuer" || location.pathname !== `${root}callback`) return null;
  const stored = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", root); // the code is not kept in the history
  const pending = stored ? JSON.parse(stored) : null;
  try {
    if (!pending || answer.get("state") !== pending.state) throw new SignInError(texts.signIn.unknownAnswer);
    const code = answer.get("code");
    if (!code) throw new SignInError(answer.get("error") === "access_denied" ? texts.signIn.denied : texts.signIn.failed);
    accept(await call("redeem", { code, nonce: pending.nonce, verifier: pending.verifier }));
  } catch (error) {
    signInError.value = /** @type {Error} */ (error).message;
  }
  return pending?.path ?? null;
}

/**
 * Gets a new token with the cookie. Returns `false` if that failed. The session ends only if the server refuses it: a
 * loss of the connection, too many requests, or a fault of the server say nothing about the session.
 * @returns {Promise<boolean>}
 */
export function renewSession() {
  // A late 401 of something that was open does not begin a session again.
  if (session.peek() === "signedOut") return Promise.resolve(false);
  renewal ??= renew().finally(() => (renewal = null));
  return renewal;
}

/**
 * One tab at a time: an identity provider may accept a refresh token only once, and the others then use the next. And a
 * sign-out ends the token that the cookie has, not one that another tab is just replacing.
 * @param {string} route
 */
function callAlone(route) {
  return navigator.locks.request("session", () => call(route));
}

/**
 * Asks for a new token. Returns `null` if the server says that there is no session, and throws if that is not known.
 * @returns {Promise<any>}
 */
async function refresh() {
  try {
    return await callAlone("refresh");
  } catch (error) {
    if (error instanceof SignInError && REFUSALS.includes(error.status)) return null;
    throw error;
  }
}

async function renew() {
  const before = signOuts;
  try {
    const answer = await refresh();
    if (signOuts !== before) return false;
    return takeRenewed(answer);
  } catch (error) {
    const isOffline = error instanceof SignInError && error.status === 0;
    resumeError.value = isOffline ? texts.offline : texts.signIn.unchecked;
    return false; // the next request tries again
  }
}

/**
 * Takes a renewed token. The cookie is that of the browser: if another user has signed in since, what this tab shows
 * and repeats is still the first user's, so its session ends.
 * @param {any} answer `null` if there is no session
 * @returns {boolean} whether the session goes on
 */
function takeRenewed(answer) {
  const isOther = answer && session.peek() === "signedIn" && userOf(answer.token) !== user;
  if (answer && !isOther) accept(answer);
  else end(isOther ? "otherUser" : "expired");
  return session.peek() === "signedIn";
}

/** @type {() => void} */
let stopWaiting = () => {};
addEventListener("online", () => stopWaiting());

/** Continues the session of the cookie when the page is loaded, and tries until it is known whether there is one. */
export async function resumeSession() {
  for (let pause = MIN_PAUSE_MS; ; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
    await renewSession();
    if (session.value !== "starting") return;
    await new Promise((resolve) => {
      stopWaiting = () => resolve(undefined);
      setTimeout(resolve, pause * (0.75 + Math.random() / 2));
    });
  }
}

/** Does not wait for the next attempt to continue the session. */
export function resumeNow() {
  stopWaiting();
}

/** @param {End} reason */
function end(reason) {
  signOuts += 1;
  token = "";
  // Without a session before, there is nothing to say.
  endedBy.value = session.value === "signedIn" ? reason : null;
  session.value = "signedOut";
}

/** @returns {Promise<string>} a token that is valid for another minute, if there is one */
export async function bearerToken() {
  if (token && expiresAt - Date.now() < MARGIN_MS) await renewSession();
  return token;
}

/** The token as it is now. */
bearerToken.current = () => token;

/** Runs what needs the token for the last time. */
function leave() {
  return Promise.allSettled([...beforeSignOut].map((task) => task()));
}

/**
 * Whether the cookie still has the session of this tab. Signing out would end another user's.
 * @returns {Promise<boolean>}
 */
async function ownsCookie() {
  const answer = await refresh();
  return answer && userOf(answer.token) === user;
}

export async function signOut() {
  await leave();
  try {
    if (await ownsCookie()) await callAlone("sign-out");
  } catch {
    signInError.value = texts.signIn.notSignedOut;
  }
  end("signOut");
}

/** Ends the sessions of all devices. Throws if that failed, and nothing has changed then. */
export async function signOutEverywhere() {
  if (await ownsCookie()) await callAlone("sign-out-everywhere");
  await leave(); // the token remains valid until it expires
  end("signOut");
}

/** Looks whether the session has ended elsewhere, and leaves what is open if it has. */
export async function checkSession() {
  const before = signOuts;
  const answer = await refresh().catch(() => undefined);
  if (answer === undefined || signOuts !== before) return;
  if (!answer) await leave();
  if (signOuts === before) takeRenewed(answer);
}
