/** Data that a page loads. */

import { Problem, readTagged, request } from "../api.js";
import { html } from "../html.js";
import { onChange } from "../live.js";
import { texts } from "../texts.js";
import { useCallback, useEffect, useRef, useState } from "../vendor/hooks.js";
import { signal } from "../vendor/signals.js";

/** What is shown and could not be read again, by the function that reads it. @type {import("../vendor/signals.js").Signal<Map<() => unknown, Problem>>} */
const outdated = signal(new Map());

/** @param {() => unknown} reload @param {Problem} [problem] */
function noteOutdated(reload, problem) {
  if (!problem && !outdated.peek().has(reload)) return;
  const others = [...outdated.peek()].filter(([other]) => other !== reload);
  outdated.value = new Map(problem ? [...others, [reload, problem]] : others);
}

/**
 * Loads data when the component appears and whenever `key` changes. What is shown stays if it cannot be read again, and
 * `Outdated` says so: it may be in a form that the user is filling in.
 *
 * @template T
 * @param {() => Promise<T>} load
 * @param {string} key
 */
export function useLoaded(load, key) {
  const [loaded, setLoaded] = useState(/** @type {{ key: string, value?: T, error?: Problem }} */ ({ key: "" }));
  const shown = useRef(loaded);
  /** How many requests were started. The answer of any but the newest is ignored. */
  const started = useRef(0);
  const reload = useCallback(async () => {
    const turn = ++started.current;
    /** @type {typeof loaded} */
    let next;
    try {
      next = { key, value: await load() };
    } catch (error) {
      next = { key, error: /** @type {Problem} */ (error) };
    }
    if (turn !== started.current) return;
    const isKept = next.error && shown.current.key === key && shown.current.value !== undefined;
    noteOutdated(reload, isKept ? next.error : undefined);
    if (isKept) return;
    shown.current = next;
    setLoaded(next);
  }, [key]);
  useEffect(() => {
    reload();
    return () => {
      started.current++;
      noteOutdated(reload);
    };
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

/** Says that what is shown could not be read again. A lost connection is shown above all pages. */
export function Outdated() {
  const problem = [...outdated.value.values()].find(({ status }) => status !== 0);
  if (!problem) return null;
  const retry = () => [...outdated.peek().keys()].forEach((reload) => reload());
  return html`<p class="banner warning" role="alert"><span>${texts.outdated} ${problem.message}</span> <button type="button" onClick=${retry}>${texts.retry}</button></p>`;
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
 * Throws once if somebody else changed what a form was opened with, where the API has no versions: what the user wrote
 * stays in the form, and a second save replaces it.
 * @param {{ current: string }} seen what the user saw, as JSON
 * @param {() => Promise<unknown>} read
 */
export async function expectUnchanged(seen, read) {
  const current = JSON.stringify(await read());
  if (current === seen.current) return;
  seen.current = current;
  throw new Error(texts.team.changedMeanwhile);
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
