/** When an inbox answers automatically, and with which text. */

import { readTagged } from "../api.js";
import { FormError, SelectField, TextField, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { showToast } from "../toast.js";
import { useLayoutEffect, useRef, useState } from "../vendor/hooks.js";
import { Pending, saveVersion, useLoaded } from "./resource.js";

/** @import { OutOfOffice } from "../types.d.ts" */

const t = texts.outOfOffice;
const RANGE = /^(\d{1,2})(:\d{2})?\s*[-–]\s*(\d{1,2})(:\d{2})?$/;

/** @param {[string, string][] | undefined} ranges */
function formatRanges(ranges) {
  return (ranges ?? []).map((range) => range.join("-")).join(", ");
}

/**
 * @param {string} text such as `09:00-12:00, 13:00-17:00` or `9-12, 13-17`
 * @returns {[string, string][] | null} `null` if it cannot be read
 */
function parseRanges(text) {
  const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
  const ranges = parts.map((part) => RANGE.exec(part));
  if (ranges.some((range) => !range)) return null;
  /** @param {string | undefined} hour @param {string} [minutes] */
  const time = (hour = "", minutes = ":00") => hour.padStart(2, "0") + minutes;
  return ranges.map((range) => [time(range?.[1], range?.[2]), time(range?.[3], range?.[4])]);
}

/** @param {{ path: string }} properties */
export function OutOfOfficeForm({ path }) {
  const { value: read, error: failure, reload } = useLoaded(() => /** @type {ReturnType<typeof readTagged<OutOfOffice>>} */ (readTagged(path)), path);
  /** The version that the next save replaces. @type {{ current: string | undefined }} */
  const tag = useRef(undefined);
  const [mode, setMode] = useState("off");
  const [message, setMessage] = useState("");
  const [timeZone, setTimeZone] = useState("");
  const [hours, setHours] = useState(/** @type {Record<string, string>} */ ({}));
  const [holidays, setHolidays] = useState("");
  const { isBusy, error, fields, setFields, submit } = useSubmission();
  // Before anybody can type into the fields.
  useLayoutEffect(() => {
    if (!read) return;
    const { value } = read;
    tag.current = read.tag;
    setMode(value.mode);
    setMessage(value.message);
    setTimeZone(value.timeZone || Intl.DateTimeFormat().resolvedOptions().timeZone);
    setHours(Object.fromEntries(t.days.map(([day]) => [day, formatRanges(value.hours[day])])));
    setHolidays(value.holidays.join("\n"));
  }, [read]);
  if (!read) return html`<${Pending} error=${failure} onRetry=${reload} />`;
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const parsed = t.days.map(([day]) => /** @type {const} */ ([day, parseRanges(hours[day] ?? "")]));
    const invalid = parsed.filter(([, ranges]) => ranges === null).map(([day]) => [`/hours/${day}`, t.badHours]);
    if (invalid.length) return setFields(Object.fromEntries(invalid));
    const body = {
      mode, message, timeZone,
      hours: Object.fromEntries(parsed.filter(([, ranges]) => ranges?.length)),
      holidays: holidays.split(/\s+/).filter(Boolean),
    };
    const isSaved = await submit(() => saveVersion("PUT", path, body, tag));
    if (!isSaved) return;
    showToast(texts.saved);
    await reload();
  };
  const hasHours = mode === "auto" || Object.keys(fields).some((pointer) => pointer.startsWith("/hours")); // an error is shown
  const holidayError = Object.entries(fields).find(([pointer]) => pointer.startsWith("/holidays"))?.[1];
  return html`
    <form onSubmit=${save} noValidate>
      <${FormError} text=${error} />
      <${SelectField} label=${t.mode} value=${mode} options=${t.modes} onInput=${setMode} error=${fields["/mode"]} />
      <${TextField} label=${t.message} rows=${4} value=${message} onInput=${setMessage} error=${fields["/message"]} hint=${t.messageHint} limit=${480} isLiteral more=${{ dir: "auto" }} />
      ${hasHours && html`
        <${TextField} label=${t.timeZone} value=${timeZone} onInput=${setTimeZone} error=${fields["/timeZone"]} />
        <fieldset class="hours"><legend>${t.hours}</legend><p class="hint">${t.hoursHint}</p>
          ${t.days.map(([day, name]) => html`<${TextField} key=${day} label=${name} value=${hours[day] ?? ""} onInput=${(/** @type {string} */ text) => setHours({ ...hours, [day]: text })}
            error=${Object.entries(fields).find(([pointer]) => pointer.startsWith(`/hours/${day}`))?.[1]} />`)}
        </fieldset>
        <${TextField} label=${t.holidays} rows=${3} value=${holidays} onInput=${setHolidays} error=${holidayError} hint=${t.holidaysHint} />`}
      <div class="actions"><button class="primary" disabled=${isBusy}>${texts.save}</button></div>
    </form>`;
}
