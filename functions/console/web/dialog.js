/** Dialogs. The browser traps the focus inside an open dialog. */

import { html } from "./html.js";
import { texts } from "./texts.js";
import { useEffect, useId, useRef } from "./vendor/hooks.js";

/**
 * @param {object} properties
 * @param {string} properties.title
 * @param {"dialog" | "alertdialog"} [properties.role]
 * @param {"small" | "wide" | "wider" | "top"} [properties.size]
 * @param {() => void} [properties.onClose] for Escape and the close button; without it, there is none
 * @param {import("./vendor/preact.js").ComponentChildren} properties.children
 */
export function Dialog({ title, role = "dialog", size = "small", onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    const focused = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (focused instanceof HTMLElement && focused.isConnected) focused.focus();
    };
  }, []);
  /** @param {Event} event */
  const cancel = (event) => {
    event.preventDefault();
    onClose?.();
  };
  return html`
    <dialog ref=${element} role=${role} class=${`dialog ${size}`} aria-labelledby=${id} onCancel=${cancel}
      aria-describedby=${role === "alertdialog" ? `${id}-body` : undefined}>
      <header>
        <h2 id=${id}>${title}</h2>
        ${onClose && html`<button type="button" class="icon" aria-label=${texts.close} onClick=${onClose}>×</button>`}
      </header>
      <div id=${`${id}-body`} class="body">${children}</div>
    </dialog>`;
}

/**
 * Asks before something that cannot be undone.
 * @param {object} properties
 * @param {string} properties.title
 * @param {string} properties.hint
 * @param {string} properties.action
 * @param {"danger" | "primary"} [properties.tone]
 * @param {() => unknown} properties.onConfirm
 * @param {() => void} properties.onClose
 */
export function ConfirmDialog({ title, hint, action, tone = "danger", onConfirm, onClose }) {
  const confirm = () => {
    onClose();
    onConfirm();
  };
  return html`
    <${Dialog} role="alertdialog" title=${title} onClose=${onClose}>
      <p>${hint}</p>
      <div class="actions">
        <button type="button" autofocus onClick=${onClose}>${texts.cancel}</button>
        <button type="button" class=${tone} onClick=${confirm}>${action}</button>
      </div>
    </${Dialog}>`;
}
