/** Which dialog of the whole page is open. */

import { signal } from "./vendor/signals.js";

/** @type {import("./vendor/signals.js").Signal<"compose" | "keys" | "menu" | null>} */
export const dialog = signal(null);

/** @param {"compose" | "keys" | "menu"} name */
export function openDialog(name) {
  dialog.value = name;
}

export function closeDialog() {
  dialog.value = null;
}
