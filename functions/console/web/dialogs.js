/** The dialog that is open, if it can be opened from every page. */

import { session } from "./session.js";
import { effect, signal } from "./vendor/signals.js";

/** @type {import("./vendor/signals.js").Signal<"compose" | "keys" | "menu" | "team" | null>} */
export const dialog = signal(null);

/** @param {"compose" | "keys" | "menu" | "team"} name */
export function openDialog(name) {
  dialog.value = name;
}

export function closeDialog() {
  dialog.value = null;
}

// The next user does not find it, and the browser's Back leaves it with its page.
effect(() => {
  if (session.value === "signedOut") closeDialog();
});
addEventListener("popstate", closeDialog);
