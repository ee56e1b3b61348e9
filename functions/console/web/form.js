/** Fields of forms, with their errors. */

import { newKey, Problem } from "./api.js";
import { html } from "./html.js";
import { texts } from "./texts.js";
import { useEffect, useId, useRef, useState } from "./vendor/hooks.js";
import { signal } from "./vendor/signals.js";

/** @import { ComponentChildren } from "./vendor/preact.js" */

/** How often forms got errors. */
const refusals = signal(0);

/**
 * A labeled control. `children` gets the attributes that connect it with its label, hint and error.
 *
 * @param {object} properties
 * @param {string} properties.label
 * @param {string} [properties.hint]
 * @param {unknown} [properties.value] If it is not the one that was submitted, the error goes away.
 * @param {string} [properties.error] of the last submission
 * @param {string} [properties.fault] of the value as it is now. The form is not submitted with it.
 * @param {(attributes: Record<string, unknown>) => ComponentChildren} properties.children
 */
export function Field({ label, hint, value, error: found, fault, children }) {
  const id = useId();
  const refused = useRef({ turn: 0, value });
  if (refused.current.turn !== refusals.value) refused.current = { turn: refusals.value, value };
  const error = fault || (refused.current.value === value ? found : "");
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const attributes = {
    id,
    "aria-invalid": error ? "true" : undefined,
    "data-fault": fault ? "" : undefined,
    "aria-describedby": described || undefined,
  };
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${children(attributes)}
      ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
      ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
    </div>`;
}

/**
 * @param {object} properties
 * @param {string} properties.label
 * @param {string} properties.value
 * @param {(value: string) => void} properties.onInput
 * @param {string} [properties.hint]
 * @param {string} [properties.error]
 * @param {string} [properties.type]
 * @param {number} [properties.rows] makes a box of several lines
 * @param {number} [properties.limit] of characters. A longer text is not cut, but marked.
 * @param {boolean} [properties.isLiteral] whether the text is sent as it is written, without merge fields
 * @param {Record<string, unknown>} [properties.more] other attributes
 */
export function TextField({ label, value, onInput, hint, error, type = "text", rows, limit, isLiteral = false, more = {} }) {
  /** @param {Event} event */
  const input = (event) => onInput(/** @type {HTMLInputElement} */ (event.target).value);
  const length = lengthOf(isLiteral ? value.trim() : value);
  const count = limit ? texts.characters(length, limit) : "";
  const fault = limit && length > limit ? texts.tooLong(length - limit)
    : isLiteral && value.includes("{{") ? texts.noMergeFields
    : "";
  return html`<${Field} label=${label} hint=${[hint, count].filter(Boolean).join(" ")} value=${value} error=${error} fault=${fault}>${
    (/** @type {Record<string, unknown>} */ attributes) =>
      rows
        ? html`<textarea ...${attributes} ...${more} rows=${rows} value=${value} onInput=${input} />`
        : html`<input ...${attributes} ...${more} type=${type} value=${value} onInput=${input} />`
  }</${Field}>`;
}

/**
 * @param {object} properties
 * @param {string} properties.label
 * @param {string} properties.value
 * @param {[string, string][]} properties.options value and text
 * @param {(value: string) => void} properties.onInput
 * @param {string} [properties.hint]
 * @param {string} [properties.error]
 */
export function SelectField({ label, value, options, onInput, hint, error }) {
  /** @param {Event} event */
  const input = (event) => onInput(/** @type {HTMLSelectElement} */ (event.target).value);
  return html`<${Field} label=${label} hint=${hint} value=${value} error=${error}>${
    (/** @type {Record<string, unknown>} */ attributes) => html`
      <select ...${attributes} value=${value} onChange=${input}>
        ${options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
      </select>`
  }</${Field}>`;
}

/**
 * How many characters a text has, as the API counts them.
 * @param {string} text
 */
export function lengthOf(text) {
  return [...text].length;
}

/** The form that was submitted last, and where the focus was. @type {{ form: Element | null, focus: Element | null }} */
let submitted = { form: null, focus: null };

document.addEventListener("submit", (event) => {
  const form = /** @type {Element} */ (event.target);
  submitted = { form, focus: document.activeElement };
  const field = form.querySelector("[data-fault]");
  if (!(field instanceof HTMLElement)) return;
  event.preventDefault();
  event.stopPropagation();
  field.focus();
}, { capture: true });

/** Puts the focus on the first field with an error, unless the user has gone on elsewhere. */
function focusFirstError() {
  const { form, focus } = submitted;
  const active = document.activeElement;
  if (!form?.isConnected || (active !== focus && active !== document.body)) return;
  const field = form.querySelector(":is(input, select, textarea)[aria-invalid=true]");
  if (field instanceof HTMLElement) field.focus();
}

/**
 * The state of a form that is sent: whether it is on its way, its error, and the errors of its fields.
 */
export function useSubmission() {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const [fields, setErrors] = useState(/** @type {Record<string, string>} */ ({}));
  /** @param {Record<string, string>} next */
  const setFields = (next) => {
    if (Object.keys(next).length) refusals.value++;
    setErrors(next);
  };
  useEffect(() => {
    if (Object.keys(fields).length) requestAnimationFrame(focusFirstError);
  }, [fields]);
  /**
   * Runs the task and stores its error. Returns whether it succeeded.
   * @param {() => Promise<unknown>} task
   */
  const submit = async (task) => {
    setBusy(true);
    setError("");
    setFields({});
    try {
      await task();
      return true;
    } catch (caught) {
      const problem = /** @type {Problem} */ (caught);
      const invalid = problem instanceof Problem ? problem.fields : [];
      setFields(Object.fromEntries(invalid.map(({ pointer, detail }) => [pointer, sentence(detail)])));
      setError(invalid.length ? "" : problem.message);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, error, fields, setError, setFields, submit };
}

/**
 * Returns a function that gives the idempotency key of what a form sends. A repeated attempt with the same content has
 * the same key, so that it is not carried out twice if only the response of the first was lost.
 */
export function useKey() {
  const attempted = useRef({ key: "", content: "" });
  return (/** @type {unknown} */ body) => {
    const content = JSON.stringify(body);
    if (content !== attempted.current.content) attempted.current = { key: newKey(), content };
    return attempted.current.key;
  };
}

/**
 * Makes a sentence of what the API expects of a field, such as `a phone number`, or of what is wrong with it, such as
 * `already in use`.
 * @param {string} detail
 */
function sentence(detail) {
  if (/^(already|not|no|closing) /.test(detail)) return detail[0].toUpperCase() + detail.slice(1) + (detail.endsWith(".") ? "" : ".");
  return detail.endsWith(".") ? detail : `Expected: ${detail}.`;
}

/** @param {{ text: string }} properties */
export function FormError({ text }) {
  return text ? html`<p class="banner error" role="alert">${text}</p>` : null;
}
