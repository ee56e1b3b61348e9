/** Shows the state of the lock, and asks idle users whether they are still working. */

import { serverNow } from "./clock.js";
import { contactName } from "./contact.js";
import { OpenConversation } from "./conversation.js";
import { Dialog } from "./dialog.js";
import { html } from "./html.js";
import { Lock } from "./lock.js";
import { texts } from "./texts.js";
import { useEffect, useState } from "./vendor/hooks.js";

const t = texts.lock;

/** The countdown is spoken at these numbers of seconds. */
const SPOKEN_AT = [60, 30, 10];

/** @param {{ current: OpenConversation }} properties */
export function LockBanner({ current }) {
  const state = current.lock.state.value;
  const contact = current.conversation.value?.contact;
  const respond = html`<button type="button" onClick=${() => current.acquire()}>${texts.conversation.respond}</button>`;
  const draftKept = current.draft.value.text ? ` ${t.draftKept}` : "";
  let banner = null;
  if (contact?.optedOut) banner = html`<strong>${t.optedOut(contactName(contact))}</strong><span>${t.optedOutHint}</span>`;
  else if (contact?.blocked) banner = html`<strong>${t.blocked(contactName(contact))}</strong><span>${t.optedOutHint}</span>`;
  else if (state.kind === "other") banner = html`<strong>${t.other(state.holder.name)}</strong><span>${t.otherHint}</span>`;
  else if (state.kind === "free") banner = html`<span>${t.free}</span>${respond}`;
  else if (state.kind === "lost") banner = html`<span>${state.detail}${draftKept}</span>${respond}`;
  else if (state.kind === "refused") banner = html`<span>${state.detail}</span>${respond}`;
  const kind = contact?.optedOut || contact?.blocked ? "other" : state.kind;
  return html`<div role="status" class=${`lock ${kind}`}>${banner && html`<div class="banner">${banner}</div>`}</div>`;
}

/** @param {{ lock: Lock }} properties */
export function IdleDialog({ lock }) {
  const state = lock.state.value;
  if (state.kind !== "held" || !state.lock.idlePrompt) return null;
  return html`<${Question} lock=${lock} releaseAt=${state.lock.idleReleaseAt} />`;
}

/** @param {{ lock: Lock, releaseAt: string }} properties */
function Question({ lock, releaseAt }) {
  const left = () => Math.max(0, Math.ceil((Date.parse(releaseAt) - serverNow()) / 1000));
  const [seconds, setSeconds] = useState(left);
  const [spoken, setSpoken] = useState(left);
  useEffect(() => {
    const timer = setInterval(() => {
      const now = left();
      setSeconds(now);
      if (SPOKEN_AT.includes(now)) setSpoken(now);
    }, 1000);
    return () => clearInterval(timer);
  }, [releaseAt]);
  return html`
    <${Dialog} role="alertdialog" title=${t.idleTitle}>
      <p aria-hidden="true">${t.idleHint(t.seconds(seconds))}</p>
      <p class="hidden" role="timer" aria-live="polite">${t.idleHint(t.seconds(spoken))}</p>
      <div class="actions">
        <button type="button" class="primary" autofocus onClick=${() => lock.stillHere()}>${t.stillHere}</button>
      </div>
    </${Dialog}>`;
}
