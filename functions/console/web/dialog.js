/** Dialogs. The browser traps the focus inside an open dialog. */

import { html } from "./html.js";
import { texts } from "./texts.js";
import { useEffect, useId, useRef, useState } from "./vendor/hooks.js";

/** What the controls of a dialog have. @param {HTMLDialogElement | null} dialog */
function contentOf(dialog) {
  const controls = /** @type {HTMLInputElement[]} */ ([...dialog?.querySelectorAll("input, textarea, select") ?? []]);
  return JSON.stringify(controls.map((control) => (/^(checkbox|radio)$/.test(control.type) ? control.checked : control.value)));
}

/**
 * @param {object} properties
 * @param {string} properties.title
 * @param {"dialog" | "alertdialog"} [properties.role]
 * @param {boolean} [properties.isKept] Closing loses nothing. Otherwise it is asked first if the user has written something.
 * @param {"small" | "wide" | "wider" | "top"} [properties.size]
 * @param {() => void} [properties.onClose] for Escape and the close button; without it, there is none
 * @param {import("./vendor/preact.js").ComponentChildren} properties.children
 */
export function Dialog({ title, role = "dialog", isKept = role === "alertdialog", size = "small", onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  /** What it had when it was opened, and whether the user has written since. */
  const written = useRef({ before: "", isEdited: false });
  const [isAsking, setAsking] = useState(false);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    const focused = document.activeElement;
    dialog?.showModal();
    written.current.before = contentOf(dialog);
    return () => {
      dialog?.close();
      if (focused instanceof HTMLElement && focused.isConnected) focused.focus();
    };
  }, []);
  /** @param {Event} event */
  const cancel = (event) => {
    event.preventDefault();
    if (event.target === element.current) close(); // a dialog inside has its own
  };
  const close = () => {
    const { before, isEdited } = written.current;
    if (onClose && !isKept && isEdited && contentOf(element.current) !== before) setAsking(true);
    else onClose?.();
  };
  return html`
    <dialog ref=${element} onInput=${() => (written.current.isEdited = true)} role=${role} class=${`dialog ${size}`} aria-labelledby=${id} onCancel=${cancel}
      aria-describedby=${role === "alertdialog" ? `${id}-body` : undefined}>
      <header>
        <h2 id=${id}>${title}</h2>
        ${onClose && html`<button type="button" class="icon" aria-label=${texts.close} onClick=${close}>×</button>`}
      </header>
      <div id=${`${id}-body`} class="body">${children}</div>
      ${isAsking && onClose && html`<${ConfirmDialog} title=${texts.discardTitle} hint=${texts.discardHint} action=${texts.discard} onConfirm=${onClose} onClose=${() => setAsking(false)} />`}
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
