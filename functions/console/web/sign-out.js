/** Signing out. It asks first if that would lose messages. */

import { ConfirmDialog } from "./dialog.js";
import { draftCount } from "./drafts.js";
import { html } from "./html.js";
import { isSending, outgoing, whenAnswered } from "./outgoing.js";
import { session, signOut, signOutEverywhere } from "./session.js";
import { texts } from "./texts.js";
import { attempt, showToast } from "./toast.js";
import { effect, signal } from "./vendor/signals.js";

/** What the user wants, while it is asked. @type {import("./vendor/signals.js").Signal<(() => Promise<void>) | null>} */
const asked = signal(null);
let isWaiting = false;

/** What is written or sent, and not accepted. */
const unsent = () => outgoing.value.length + draftCount();

/** @param {() => Promise<void>} end */
async function ask(end) {
  if (isWaiting) return;
  isWaiting = true;
  if (isSending()) showToast(texts.navigation.waitsForAnswers);
  await whenAnswered();
  isWaiting = false;
  if (session.peek() !== "signedIn") return;
  if (unsent()) asked.value = end;
  else attempt(end);
}

export const askToSignOut = () => ask(signOut);
export const askToSignOutEverywhere = () => ask(signOutEverywhere);

effect(() => {
  if (session.value === "signedOut") asked.value = null;
});

export function SignOutDialog() {
  const end = asked.value;
  if (!end) return null;
  const { signOut: action, unsentTitle, unsentHint } = texts.navigation;
  return html`<${ConfirmDialog} title=${unsentTitle} hint=${unsentHint(unsent())} action=${action}
    onConfirm=${() => attempt(end)} onClose=${() => (asked.value = null)} />`;
}
