/** Data that a page loads. */

import { Problem, readTagged, request } from "../api.js";
import { html } from "../html.js";
import { onChange } from "../live.js";
import { texts } from "../texts.js";
import { useCallback, useEffect, useState } from "../vendor/hooks.js";

/**
 * Loads data when the component appears and whenever `key` changes.
 *
 * @template T
 * @param {() => Promise<T>} load
 * @param {string} key
 */
export function useLoaded(load, key) {
  const [loaded, setLoaded] = useState(/** @type {{ key: string, value?: T, error?: Problem }} */ ({ key: "" }));
  const reload = useCallback(async () => {
    try {
      setLoaded({ key, value: await load() });
    } catch (error) {
      // What is shown stays during a loss of the connection.
      setLoaded((before) => (before.key === key && before.value !== undefined && /** @type {Problem} */ (error).status === 0
        ? before : { key, error: /** @type {Problem} */ (error) }));
    }
  }, [key]);
  useEffect(() => {
    reload();
  }, [reload]);
  const current = loaded.key === key ? loaded : { value: undefined, error: undefined };
  return { value: current.value, error: current.error, reload };
}

/**
 * Reads again when an event of a type comes, and after a loss of the connection.
 * @param {() => Promise<unknown>} reload
 * @param {RegExp} types
 */
export function useLive(reload, types) {
  useEffect(() => onChange(reload, types), [reload]);
}

/**
 * Shows that data is being loaded, or why it cannot be loaded.
 * @param {{ error: Problem | undefined, onRetry: () => unknown }} properties
 */
export function Pending({ error, onRetry }) {
  if (!error) return html`<p class="empty" role="status">${texts.loading}</p>`;
  return html`<div class="empty" role="alert"><p>${error.message}</p><button type="button" onClick=${onRetry}>${texts.retry}</button></div>`;
}

/** @param {{ title: string, hint?: string, children?: import("../vendor/preact.js").ComponentChildren }} properties */
export function Nothing({ title, hint, children }) {
  return html`<div class="empty"><strong>${title}</strong>${hint && html`<p>${hint}</p>`}${children}</div>`;
}

/** @param {string} teamId */
export function teamApi(teamId) {
  return `v1/teams/${encodeURIComponent(teamId)}`;
}

/**
 * Saves a change of the version that the user saw. If somebody else was faster, it throws, and `tag` becomes that of
 * their version: what the user wrote stays in the form, and a second save replaces it.
 * @param {"PATCH" | "PUT"} method
 * @param {string} path
 * @param {unknown} body
 * @param {{ current: string | undefined }} tag
 */
export async function saveVersion(method, path, body, tag) {
  try {
    return await request(method, path, { body, tag: tag.current });
  } catch (problem) {
    if (!(problem instanceof Problem && problem.code === "edit_conflict")) throw problem;
    tag.current = (await readTagged(path)).tag;
    throw new Error(texts.team.changedMeanwhile);
  }
}
