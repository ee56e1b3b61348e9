/** The optional parts of a broadcast: a question with the texts that answers get, and a repetition. */

import { SelectField, TextField } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { isoTime } from "../time.js";

/** @import { Broadcast, Question, Recurrence } from "../types.d.ts" */

const t = texts.broadcasts;
const FOLLOW_UP_LIMIT = 306;
const CHOICE_LIMIT = 8;

/**
 * What the form has of a question.
 * @typedef {{ kind: string, choices: string, followUps: Record<string, string> }} QuestionDraft
 */

/**
 * What the form has of a repetition.
 * @typedef {{ frequency: string, days: string[], ends: "never" | "count" | "until", count: string, until: string, timeZone?: string | null }} RecurrenceDraft
 */

/** @param {Broadcast | null} broadcast @returns {QuestionDraft} */
export function questionDraft(broadcast) {
  const { kind = "", choices = [], followUps = {} } = broadcast?.question ?? {};
  return { kind, choices: choices.join("\n"), followUps };
}

/** @param {Broadcast | null} broadcast @returns {RecurrenceDraft} */
export function recurrenceDraft(broadcast) {
  const { frequency = "", days = [], count, until, timeZone } = /** @type {Partial<Recurrence>} */ (broadcast?.recurrence ?? {});
  return { frequency, days, ends: count ? "count" : until ? "until" : "never", count: String(count ?? 10), until: until ? localDate(until) : "", timeZone };
}

/** @param {string} time @returns {string} the day as a date field has it */
function localDate(time) {
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

/** @param {string} choices */
function choicesOf(choices) {
  return choices.split("\n").map((choice) => choice.trim()).filter(Boolean);
}

/** The names of the answers with what they are called. @param {QuestionDraft} draft @returns {[string, string][]} */
function answersOf({ kind, choices }) {
  const named = /** @type {[string, string][]} */ (
    kind === "yes_no" ? [["yes", t.answers.yes], ["no", t.answers.no]]
    : kind === "scale" ? ["1", "2", "3", "4", "5"].map((grade) => [grade, grade])
    : choicesOf(choices).slice(0, CHOICE_LIMIT).map((choice, index) => [String.fromCharCode(97 + index), choice]));
  return [...named, ["other", t.answers.other]];
}

/** Texts of answers that the question no longer has are left out. @param {QuestionDraft} draft @returns {Question | null} */
export function questionOf(draft) {
  if (!draft.kind) return null;
  const written = answersOf(draft).flatMap(([answer]) => {
    const text = draft.followUps[answer]?.trim();
    return text ? [[answer, text]] : [];
  });
  return {
    kind: /** @type {Question["kind"]} */ (draft.kind),
    ...(draft.kind === "choice" ? { choices: choicesOf(draft.choices) } : {}),
    ...(written.length ? { followUps: Object.fromEntries(written) } : {}),
  };
}

/** @param {RecurrenceDraft} draft @returns {Recurrence | null} */
export function recurrenceOf({ frequency, days, ends, count, until, timeZone }) {
  if (!frequency) return null;
  return {
    frequency: /** @type {Recurrence["frequency"]} */ (frequency),
    ...(frequency === "weekly" && days.length ? { days } : {}),
    ...(ends === "count" ? { count: Number(count) } : {}),
    ...(ends === "until" && until ? { until: isoTime(`${until}T23:59:59`) } : {}),
    timeZone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}

/** @param {RecurrenceDraft} draft @returns {Record<string, string>} errors by pointer */
export function recurrenceErrors({ frequency, ends, count, until }) {
  if (frequency && ends === "count" && !/^[1-9][0-9]{0,3}$/.test(count)) return { "/recurrence/count": t.countNeeded };
  if (frequency && ends === "until" && !isoTime(until)) return { "/recurrence/until": until ? texts.badDate : texts.required };
  return {};
}

/** @param {{ draft: QuestionDraft, onInput: (draft: QuestionDraft) => void, fields: Record<string, string> }} properties */
export function QuestionFields({ draft, onInput, fields }) {
  const { kind, choices, followUps } = draft;
  const choicesError = Object.entries(fields).find(([pointer]) => pointer.startsWith("/question/choices"))?.[1];
  return html`
    <${SelectField} label=${t.question} value=${kind} options=${Object.entries(t.questionKinds)} onInput=${(/** @type {string} */ next) => onInput({ ...draft, kind: next })}
      hint=${kind ? t.questionHint : ""} error=${fields["/question"] ?? fields["/question/kind"]} />
    ${kind === "choice" && html`<${TextField} label=${t.choices} rows=${3} value=${choices} onInput=${(/** @type {string} */ text) => onInput({ ...draft, choices: text })}
      hint=${t.choicesHint} error=${choicesError} more=${{ dir: "auto" }} />`}
    ${kind && html`
      <fieldset class="card-set"><legend>${t.followUps}</legend><p class="hint">${t.followUpsHint}</p>
        ${answersOf(draft).map(([answer, name]) => html`
          <${TextField} key=${answer} label=${t.followUpOf(name)} value=${followUps[answer] ?? ""} error=${fields[`/question/followUps/${answer}`]}
            onInput=${(/** @type {string} */ text) => onInput({ ...draft, followUps: { ...followUps, [answer]: text } })} limit=${FOLLOW_UP_LIMIT} isLiteral more=${{ dir: "auto" }} />`)}
      </fieldset>`}`;
}

/** @param {{ draft: RecurrenceDraft, onInput: (draft: RecurrenceDraft) => void, fields: Record<string, string> }} properties */
export function RecurrenceFields({ draft, onInput, fields }) {
  const { frequency, days, ends, count, until } = draft;
  /** @param {string} day */
  const toggle = (day) => onInput({ ...draft, days: texts.outOfOffice.days.map(([one]) => one).filter((one) => (one === day) !== days.includes(one)) });
  const daysError = Object.entries(fields).find(([pointer]) => pointer.startsWith("/recurrence/days"))?.[1];
  return html`
    <${SelectField} label=${t.repeat} value=${frequency} options=${Object.entries(t.frequencies)} onInput=${(/** @type {string} */ next) => onInput({ ...draft, frequency: next })}
      error=${fields["/recurrence"] ?? fields["/recurrence/frequency"] ?? fields["/recurrence/timeZone"]} />
    ${frequency && html`
      <fieldset class="card-set"><legend>${t.repetition}</legend>
        ${frequency === "weekly" && html`
          <p class="hint">${t.daysHint}</p>
          <div class="days">${texts.outOfOffice.days.map(([day, name]) => html`
            <label class="check" key=${day}><input type="checkbox" checked=${days.includes(day)} onChange=${() => toggle(day)} />${name}</label>`)}</div>
          ${daysError && html`<p class="error">${daysError}</p>`}`}
        <div class="side-by-side">
          <${SelectField} label=${t.ends} value=${ends} options=${Object.entries(t.endKinds)} onInput=${(/** @type {RecurrenceDraft["ends"]} */ next) => onInput({ ...draft, ends: next })} />
          ${ends === "count" && html`<${TextField} label=${t.count} type="number" value=${count} onInput=${(/** @type {string} */ text) => onInput({ ...draft, count: text })}
            error=${fields["/recurrence/count"]} more=${{ min: 1, max: 1000 }} />`}
          ${ends === "until" && html`<${TextField} label=${t.lastDay} type="date" value=${until} onInput=${(/** @type {string} */ text) => onInput({ ...draft, until: text })}
            error=${fields["/recurrence/until"]} more=${{ max: "9999-12-31" }} />`}
        </div>
      </fieldset>`}`;
}

/** The repetition in words. @param {Recurrence} recurrence */
export function describeRecurrence({ frequency, days = [], count, until, timeZone }) {
  const names = texts.outOfOffice.days.filter(([day]) => days.includes(day)).map(([, name]) => name);
  return [t.frequencies[frequency], names.join(", "), count ? t.times(count) : until ? t.untilDay(new Date(until).toLocaleDateString()) : "", timeZone].filter(Boolean).join("\n");
}
