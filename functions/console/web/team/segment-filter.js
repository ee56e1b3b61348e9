/** The conditions of a segment: the filter of the API as rows of field, operator and value. */

import { html } from "../html.js";
import { texts } from "../texts.js";
import { isoTime } from "../time.js";

/** @import { Broadcast, SegmentFilter, TeamMember } from "../types.d.ts" */

const t = texts.segments;

/**
 * A row. `name` is the rest of the fields `custom` and `broadcast`: the name of the custom field, or the ID of the
 * broadcast.
 * @typedef {{ field: string, name: string, op: string, value: string }} Condition
 * @typedef {{ match: "all" | "any", conditions: Condition[] }} Rows
 */

/** @typedef {"text" | "member" | "flag" | "time" | "state" | "answer"} Kind */

/** @type {Record<string, Kind>} */
export const FIELDS = {
  firstName: "text", lastName: "text", externalId: "text", tag: "text", custom: "text", assignedUserId: "member",
  optedOut: "flag", blocked: "flag", provisional: "flag", createdAt: "time", lastInboundAt: "time", lastOutboundAt: "time",
  "broadcast.state": "state", "broadcast.answer": "answer",
};
/** @type {Record<Kind, string[]>} */
const OPERATORS = {
  text: ["eq", "ne", "contains", "startsWith", "in", "exists"], member: ["eq", "ne", "exists"], flag: ["eq"],
  time: ["withinDays", "before", "after", "exists"], state: ["eq", "ne", "in", "exists"], answer: ["eq", "ne", "in", "exists"],
};
const BROADCAST = /^broadcast\.(.+)\.(state|answer)$/;

/** @returns {Condition} */
export function newCondition() {
  return { field: "firstName", name: "", op: "eq", value: "" };
}

/**
 * @param {SegmentFilter | null | undefined} filter
 * @returns {Rows | null} `null` if the filter is nested, so that rows cannot show it
 */
export function rowsOf(filter) {
  if (!filter) return { match: "all", conditions: [newCondition()] };
  const match = "any" in filter ? "any" : "all";
  const list = "any" in filter ? filter.any : "all" in filter ? filter.all : [filter];
  /** @type {Condition[]} */
  const conditions = [];
  for (const one of list ?? []) {
    if (!one.field || !one.op) return null;
    const [, broadcast, part] = BROADCAST.exec(one.field) ?? [];
    const custom = one.field.startsWith("custom.") ? one.field.slice("custom.".length) : undefined;
    const field = broadcast ? `broadcast.${part}` : custom !== undefined ? "custom" : one.field;
    const kind = FIELDS[field];
    if (!kind) return null;
    // A flag that is not true is false.
    const flag = kind === "flag" ? String((one.op === "ne") !== Boolean(one.value)) : null;
    const value = flag ?? (Array.isArray(one.value) ? one.value.join(", ") : formatValue(kind, one.value));
    conditions.push({ field, name: broadcast ?? custom ?? "", op: kind === "flag" ? "eq" : one.op, value });
  }
  return { match, conditions };
}

/** @param {Kind} kind @param {unknown} value */
function formatValue(kind, value) {
  const isTime = kind === "time" && typeof value === "string";
  if (!isTime) return String(value);
  const at = new Date(value);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/**
 * @param {Rows} rows
 * @returns {SegmentFilter}
 */
export function filterOf({ match, conditions }) {
  const list = conditions.map(({ field, name, op, value }) => {
    const kind = FIELDS[field];
    const path = field === "custom" ? `custom.${name.trim()}` : field.startsWith("broadcast.") ? `broadcast.${name}.${field.slice("broadcast.".length)}` : field;
    return { field: path, op, value: parseValue(kind, op, value) };
  });
  return match === "any" ? { any: list } : { all: list };
}

/** @param {Kind} kind @param {string} op @param {string} value */
function parseValue(kind, op, value) {
  if (kind === "flag" || op === "exists") return value !== "false";
  if (op === "in") return value.split(",").map((part) => part.trim()).filter(Boolean);
  if (op === "withinDays") return Number(value);
  if (kind === "time") return isoTime(value);
  return value;
}

/** Whether each row has what it needs. @param {Rows} rows */
export function isComplete({ conditions }) {
  return conditions.every(({ field, name, op, value }) =>
    (FIELDS[field] === "flag" || op === "exists" || (/^(before|after)$/.test(op) ? isoTime(value) : value.trim()) !== "") && (!/^(custom|broadcast)/.test(field) || name.trim() !== ""));
}

/**
 * @param {object} properties
 * @param {Rows} properties.rows
 * @param {(rows: Rows) => void} properties.onInput
 * @param {Record<string, string>} properties.errors by pointer
 * @param {TeamMember[]} properties.members
 * @param {Broadcast[]} properties.broadcasts
 */
export function FilterRows({ rows, onInput, errors, members, broadcasts }) {
  /** @param {number} index @param {Partial<Condition>} change */
  const change = (index, change) =>
    onInput({ ...rows, conditions: rows.conditions.map((row, at) => (at === index ? { ...row, ...change } : row)) });
  /** @param {number} index */
  const errorAt = (index) => Object.entries(errors).find(([pointer]) => pointer.startsWith(`/filter/${rows.match}/${index}/`))?.[1];
  return html`
    <fieldset class="conditions">
      <legend>${t.who}</legend>
      <label class="inline">${t.matchBefore}
        <select aria-label=${t.match} value=${rows.match} onChange=${(/** @type {Event} */ event) => onInput({ ...rows, match: /** @type {"all" | "any"} */ (valueOf(event)) })}>
          <option value="all">${t.all}</option><option value="any">${t.any}</option></select> ${t.matchAfter}</label>
      ${rows.conditions.length === 0 && html`<p class="hint">${t.everybody}</p>`}
      ${rows.conditions.map((row, index) => html`<${ConditionRow} key=${index} row=${row} index=${index} error=${errorAt(index)} members=${members} broadcasts=${broadcasts}
        onInput=${(/** @type {Partial<Condition>} */ one) => change(index, one)}
        onRemove=${() => onInput({ ...rows, conditions: rows.conditions.filter((_, at) => at !== index) })} />`)}
      <button type="button" class="link" onClick=${() => onInput({ ...rows, conditions: [...rows.conditions, newCondition()] })}>+ ${t.addCondition}</button>
    </fieldset>`;
}

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;

/**
 * @param {object} properties
 * @param {Condition} properties.row
 * @param {number} properties.index
 * @param {string} [properties.error]
 * @param {TeamMember[]} properties.members
 * @param {Broadcast[]} properties.broadcasts
 * @param {(change: Partial<Condition>) => void} properties.onInput
 * @param {() => void} properties.onRemove
 */
function ConditionRow({ row, index, error, members, broadcasts, onInput, onRemove }) {
  const kind = FIELDS[row.field];
  /** @param {string} name */
  const label = (name) => `${name} ${index + 1}`;
  /** @param {Event} event */
  const chooseField = (event) => {
    const field = valueOf(event);
    const [op] = OPERATORS[FIELDS[field]];
    onInput({ field, name: "", op, value: FIELDS[field] === "flag" ? "true" : "" });
  };
  return html`
    <div class="condition">
      <select aria-label=${label(t.field)} value=${row.field} onChange=${chooseField}>
        ${Object.keys(FIELDS).map((field) => html`<option value=${field}>${t.fields[field]}</option>`)}</select>
      ${row.field === "custom" && html`<input type="text" aria-label=${label(t.customName)} placeholder=${t.customName} value=${row.name} maxlength="80"
        onInput=${(/** @type {Event} */ event) => onInput({ name: valueOf(event) })} />`}
      ${row.field.startsWith("broadcast.") && html`
        <select aria-label=${label(t.broadcast)} value=${row.name} onChange=${(/** @type {Event} */ event) => onInput({ name: valueOf(event) })}>
          <option value="">${t.chooseBroadcast}</option>
          ${row.name && broadcasts.every((one) => one.broadcastId !== row.name) && html`<option value=${row.name}>${row.name}</option>`}
          ${broadcasts.map((one) => html`<option value=${one.broadcastId}>${one.name}</option>`)}</select>`}
      ${kind !== "flag" && html`
        <select aria-label=${label(t.operator)} value=${row.op} onChange=${(/** @type {Event} */ event) => onInput({ op: valueOf(event), value: valueOf(event) === "exists" ? "true" : "" })}>
          ${OPERATORS[kind].map((op) => html`<option value=${op}>${t.operators[op]}</option>`)}</select>`}
      <${ValueControl} row=${row} kind=${kind} label=${label(t.value)} error=${error} members=${members} onInput=${(/** @type {string} */ value) => onInput({ value })} />
      <button type="button" class="icon" aria-label=${t.removeCondition(index + 1)} onClick=${onRemove}>×</button>
      ${error && html`<p class="error">${error}</p>`}
    </div>`;
}

/** @param {{ row: Condition, kind: Kind, label: string, error?: string, members: TeamMember[], onInput: (value: string) => void }} properties */
function ValueControl({ row, kind, label, error, members, onInput }) {
  const attributes = { "aria-label": label, "aria-invalid": error ? "true" : undefined, value: row.value };
  const input = (/** @type {Event} */ event) => onInput(valueOf(event));
  /** @param {[string, string][]} options */
  const select = (options) => html`<select ...${attributes} onChange=${input}>${options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}</select>`;
  if (kind === "flag" || row.op === "exists") return select([["true", t.yes], ["false", t.no]]);
  if (kind === "member") return select([["", t.chooseMember], .../** @type {[string, string][]} */ (members.map((member) => [member.userId, member.name]))]);
  if (kind === "state" && row.op !== "in") return select([["", "…"], .../** @type {[string, string][]} */ (Object.entries(texts.broadcasts.states))]);
  if (row.op === "withinDays") return html`<input ...${attributes} type="number" min="1" max="3650" placeholder="30" onInput=${input} />`;
  if (kind === "time") return html`<input ...${attributes} type="datetime-local" max="9999-12-31T23:59" onInput=${input} />`;
  return html`<input ...${attributes} type="text" maxlength="500" placeholder=${row.op === "in" ? t.listHint : ""} onInput=${input} />`;
}
