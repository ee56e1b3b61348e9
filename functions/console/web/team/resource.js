/** Data that a page loads. */

import { Problem } from "../api.js";
import { html } from "../html.js";
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
      setLoaded({ key, error: /** @type {Problem} */ (error) });
    }
  }, [key]);
  useEffect(() => {
    reload();
  }, [reload]);
  const current = loaded.key === key ? loaded : { value: undefined, error: undefined };
  return { value: current.value, error: current.error, reload };
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
