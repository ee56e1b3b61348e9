/** The server's clock. A browser's clock can be off by hours, and locks expire by the server's. */

import { signal } from "./vendor/signals.js";

let offset = 0;

/**
 * Reads the server's time from a response.
 * @param {Response} response
 */
export function readServerTime(response) {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(date)) {
    const difference = date - Date.now();
    // The header has whole seconds, so a smaller difference is no information.
    offset = Math.abs(difference) < 2000 ? 0 : difference;
  }
}

/** @returns {number} the server's time in milliseconds since 1970 */
export function serverNow() {
  return Date.now() + offset;
}

/** Changes every half minute, so that relative times are drawn again. */
export const halfMinute = signal(0);
setInterval(() => halfMinute.value++, 30_000);
