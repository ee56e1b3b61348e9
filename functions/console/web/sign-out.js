/** Signing out. It asks first if that would lose replies. */

import { ConfirmDialog } from "./dialog.js";
import { html } from "./html.js";
import { outgoing } from "./outgoing.js";
import { signOut, signOutEverywhere } from "./session.js";
import { texts } from "./texts.js";
import { attempt } from "./toast.js";
import { signal } from "./vendor/signals.js";

/** What the user wants, while it is asked. @type {import("./vendor/signals.js").Signal<(() => Promise<void>) | null>} */
const asked = signal(null);

/** @param {() => Promise<void>} end */
function ask(end) {
  if (outgoing.peek().length) asked.value = end;
  else attempt(end);
}

export const askToSignOut = () => ask(signOut);
export const askToSignOutEverywhere = () => ask(signOutEverywhere);

export function SignOutDialog() {
  const end = asked.value;
  if (!end) return null;
  const { signOut: action, unsentTitle, unsentHint } = texts.navigation;
  return html`<${ConfirmDialog} title=${unsentTitle} hint=${unsentHint(outgoing.value.length)} action=${action}
    onConfirm=${() => attempt(end)} onClose=${() => (asked.value = null)} />`;
}
