/** Calls of the public API. */

import { readServerTime } from "./clock.js";
import { isConnected } from "./connection.js";
import { bearerToken, renewSession, session } from "./session.js";
import { texts } from "./texts.js";

/** @import { FieldError, Page } from "./types.d.ts" */

/** This module is at `{api}/console/assets/{digest}/api.js`. */
const API = new URL("../../../", import.meta.url);
const TIMEOUT_MS = 20_000;

/** An error that the API returned, or `offline` if there was no response. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} body
   */
  constructor(status, body) {
    super(body.detail ?? body.message ?? texts.requestFailed);
    this.status = status;
    /** @type {string} */
    this.code = body.code ?? "";
    this.body = body;
  }

  /** @returns {FieldError[]} */
  get fields() {
    return this.body.errors ?? [];
  }
}

/** @returns {string} a key that makes a repeated request harmless */
export function newKey() {
  return crypto.randomUUID();
}

/**
 * @typedef {object} Options
 * @property {unknown} [body] sent as JSON
 * @property {Blob} [file] sent as CSV instead of a body
 * @property {Record<string, string | number | boolean | undefined>} [query] empty values are left out
 * @property {string} [key] the idempotency key
 * @property {string} [tag] of the version that is changed: another one is refused
 */

/**
 * Sends a request. Throws a `Problem` if it is refused or there is no response.
 *
 * @template [T=any]
 * @param {string} method
 * @param {string} path below the API's URL, without a leading slash
 * @param {Options} [options]
 * @returns {Promise<T>}
 */
export async function request(method, path, options = {}) {
  return (await send(method, path, options)).answer;
}

/**
 * Reads something with the tag of its version, to change it.
 *
 * @template [T=any]
 * @param {string} path
 * @returns {Promise<{ value: T, tag: string | undefined }>}
 */
export async function readTagged(path) {
  const { answer, response } = await send("GET", path, {});
  return { value: answer, tag: response.headers.get("etag") ?? undefined };
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 */
async function send(method, path, { body, file, query = {}, key, tag }) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  /** @type {Record<string, string>} */
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (file) headers["content-type"] = "text/csv";
  if (key) headers["idempotency-key"] = key;
  if (tag) headers["if-match"] = tag;
  const content = file ?? (body === undefined ? undefined : JSON.stringify(body));

  let response = await exchange(url, method, headers, content);
  if (response.status === 401) {
    if (await renewSession()) response = await exchange(url, method, headers, content);
    // The session may still be there.
    else if (session.peek() === "signedIn") throw new Problem(0, { code: "offline", detail: texts.offline });
    else throw new Problem(401, { code: "signed_out", detail: texts.signIn.ended });
  }
  if (response.status === 204) return { answer: undefined, response };
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, answer);
  return { answer, response };
}

/**
 * @param {URL} url
 * @param {string} method
 * @param {Record<string, string>} headers
 * @param {BodyInit | undefined} body
 */
async function exchange(url, method, headers, body) {
  const authorization = `Bearer ${await bearerToken()}`;
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers, authorization },
      body,
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    readServerTime(response);
    isConnected.value = true;
    return response;
  } catch {
    isConnected.value = false;
    throw new Problem(0, { code: "offline", detail: texts.offline });
  }
}

/**
 * Saves a list as a CSV file.
 * @param {string} path
 * @param {string} name of the file
 * @param {Record<string, string | undefined>} query
 */
export async function download(path, name, query) {
  const rows = [];
  /** @type {string | undefined} */
  let cursor;
  do {
    const url = new URL(path, API);
    for (const [key, value] of Object.entries({ ...query, cursor, limit: "100" })) if (value) url.searchParams.set(key, value);
    const response = await exchange(url, "GET", { accept: "text/csv" }, undefined);
    if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
    const text = await response.text();
    rows.push(cursor ? text.slice(text.indexOf("\n") + 1) : text); // each page repeats the header
    cursor = response.headers.get("x-next-cursor") ?? undefined;
  } while (cursor);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(rows, { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Sends a request that outlives the page. Its outcome is unknown.
 *
 * @param {string} method
 * @param {string} path
 * @param {Record<string, string | number>} query
 */
export function requestOnLeave(method, path, query) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  const token = bearerToken.current();
  fetch(url, { method, headers: { authorization: `Bearer ${token}` }, keepalive: true }).catch(() => {});
}

/**
 * Reads all pages of a list that is known to be short.
 *
 * @template T
 * @param {string} path
 * @param {Record<string, string | number | undefined>} [query]
 * @returns {Promise<T[]>}
 */
export async function listAll(path, query = {}) {
  const all = [];
  /** @type {string | undefined} */
  let cursor;
  do {
    /** @type {Page<T>} */
    const page = await request("GET", path, { query: { ...query, cursor } });
    all.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor);
  return all;
}
