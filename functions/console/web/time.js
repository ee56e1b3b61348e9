/** Formats times in the browser's language. */

import { halfMinute, serverNow } from "./clock.js";
import { html } from "./html.js";
import { texts } from "./texts.js";

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", month: "long", day: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @param {Date} at */
function shortTime(at) {
  const age = serverNow() - at.getTime();
  if (age < MINUTE) return texts.now;
  if (age < HOUR) return relative.format(-Math.floor(age / MINUTE), "minute");
  const isToday = new Date(serverNow()).toDateString() === at.toDateString();
  if (isToday) return clock.format(at);
  if (age < 6 * DAY) return weekday.format(at);
  return (age < 300 * DAY ? day : dayAndYear).format(at);
}

/**
 * A short time, with the exact one on hover.
 * @param {{ at: string, withClock?: boolean }} properties
 */
export function Time({ at, withClock = false }) {
  halfMinute.value; // draws again
  const date = new Date(at);
  return html`<time datetime=${at} title=${exact.format(date)}>${withClock ? clock.format(date) : shortTime(date)}</time>`;
}

/**
 * The time of a field of date and time, in UTC. Empty if it is not a time with a year of up to four digits.
 * @param {string} local such as `2026-11-29T14:00`, in the browser's time zone
 */
export function isoTime(local) {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) || Math.abs(at.getUTCFullYear()) > 9999 ? "" : at.toISOString();
}

/** @param {string} at */
export function dayTitle(at) {
  const date = new Date(at);
  const today = new Date(serverNow());
  if (date.toDateString() === today.toDateString()) return texts.today;
  if (new Date(today.getTime() - DAY).toDateString() === date.toDateString()) return texts.yesterday;
  return (today.getTime() - date.getTime() < 300 * DAY ? longDay : dayAndYear).format(date);
}

/** @param {string} at */
export function dateAndTime(at) {
  return `${dayAndYear.format(new Date(at))}, ${clock.format(new Date(at))}`;
}
