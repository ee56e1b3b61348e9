/** Short confirmations at the bottom of the page. */

import { html } from "./html.js";
import { signal } from "./vendor/signals.js";

const SHOWN_MS = 5_000;

/** @type {import("./vendor/signals.js").Signal<{ text: string, isError: boolean } | null>} */
const toast = signal(null);
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * @param {string} text
 * @param {{ isError?: boolean }} [options]
 */
export function showToast(text, { isError = false } = {}) {
  toast.value = { text, isError };
  clearTimeout(timer);
  timer = setTimeout(() => (toast.value = null), SHOWN_MS);
}

/**
 * Runs a task, and shows its error.
 * @param {() => Promise<unknown>} task
 * @param {string} [success]
 */
export async function attempt(task, success) {
  try {
    await task();
    if (success) showToast(success);
  } catch (error) {
    showToast(/** @type {Error} */ (error).message, { isError: true });
  }
}

export function Toast() {
  return html`<div class="toasts" role="status">${
    toast.value && html`<p class=${toast.value.isError ? "toast error" : "toast"}>${toast.value.text}</p>`
  }</div>`;
}
