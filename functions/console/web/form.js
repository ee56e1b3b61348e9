/** Fields of forms, with their errors. */

import { newKey, Problem } from "./api.js";
import { html } from "./html.js";
import { useId, useRef, useState } from "./vendor/hooks.js";

/** @import { ComponentChildren } from "./vendor/preact.js" */

/**
 * A labeled control. `children` gets the attributes that connect it with its label, hint and error.
 *
 * @param {object} properties
 * @param {string} properties.label
 * @param {string} [properties.hint]
 * @param {string} [properties.error]
 * @param {(attributes: Record<string, unknown>) => ComponentChildren} properties.children
 */
export function Field({ label, hint, error, children }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const attributes = {
    id,
    "aria-invalid": error ? "true" : undefined,
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
 * @param {Record<string, unknown>} [properties.more] other attributes
 */
export function TextField({ label, value, onInput, hint, error, type = "text", rows, more = {} }) {
  /** @param {Event} event */
  const input = (event) => onInput(/** @type {HTMLInputElement} */ (event.target).value);
  return html`<${Field} label=${label} hint=${hint} error=${error}>${
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
  return html`<${Field} label=${label} hint=${hint} error=${error}>${
    (/** @type {Record<string, unknown>} */ attributes) => html`
      <select ...${attributes} value=${value} onChange=${input}>
        ${options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
      </select>`
  }</${Field}>`;
}

/**
 * The state of a form that is sent: whether it is on its way, its error, and the errors of its fields.
 */
export function useSubmission() {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const [fields, setFields] = useState(/** @type {Record<string, string>} */ ({}));
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
 * Makes a sentence of what the API expects of a field, such as `a phone number`.
 * @param {string} detail
 */
function sentence(detail) {
  return detail.endsWith(".") ? detail : `Expected: ${detail}.`;
}

/** @param {{ text: string }} properties */
export function FormError({ text }) {
  return text ? html`<p class="banner error" role="alert">${text}</p>` : null;
}
