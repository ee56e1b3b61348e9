/** Short confirmations and errors at the top of the page. */

import { html } from "./html.js";
import { session } from "./session.js";
import { useLayoutEffect, useRef } from "./vendor/hooks.js";
import { effect, signal } from "./vendor/signals.js";

const SHOWN_MS = 5_000;
/** An error takes longer to read. */
const ERROR_SHOWN_MS = 10_000;

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
  timer = setTimeout(() => (toast.value = null), isError ? ERROR_SHOWN_MS : SHOWN_MS);
}

// The next user does not see it.
effect(() => {
  if (session.value === "signedOut") toast.value = null;
});

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
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  const shown = toast.value;
  // A popover that is opened now is above the dialogs that are open already.
  useLayoutEffect(() => {
    if (!shown) return;
    element.current?.showPopover();
    return () => element.current?.hidePopover();
  }, [shown]);
  return html`<div class="toasts" role="status" popover="manual" ref=${element}>${
    shown && html`<p class=${shown.isError ? "toast error" : "toast"}>${shown.text}</p>`
  }</div>`;
}
