/** The messages of a conversation, oldest first. */

import { serverNow } from "./clock.js";
import { contactName } from "./contact.js";
import { OpenConversation } from "./conversation.js";
import { html } from "./html.js";
import { isRepeatable } from "./outgoing.js";
import { texts } from "./texts.js";
import { Time, dayTitle } from "./time.js";
import { attempt } from "./toast.js";
import { useLayoutEffect, useRef, useState } from "./vendor/hooks.js";

/** @import { Media, Message } from "./types.d.ts" */
/** @import { Outgoing } from "./outgoing.js" */

const t = texts.conversation;
/** A log that is scrolled up by more than this stays where it is. */
const NEAR_END_PX = 120;
const FAILED = ["failed", "undelivered"];

/** @param {{ current: OpenConversation }} properties */
export function MessageLog({ current }) {
  const messages = current.messages.value;
  const outgoing = current.outgoing.value;
  const conversation = current.conversation.value;
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  const wasNearEnd = useRef(true);
  const heightBefore = useRef(0);
  const count = (messages?.length ?? 0) + outgoing.length;
  useLayoutEffect(() => {
    const log = element.current;
    if (log && wasNearEnd.current) log.scrollTop = log.scrollHeight;
  }, [count]);
  const readOlder = () => attempt(async () => {
    heightBefore.current = element.current?.scrollHeight ?? 0;
    await current.readOlder();
    requestAnimationFrame(() => {
      const log = element.current;
      if (log) log.scrollTop += log.scrollHeight - heightBefore.current;
    });
  });
  /** @param {Event} event */
  const onScroll = (event) => {
    const log = /** @type {HTMLElement} */ (event.target);
    wasNearEnd.current = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
  };
  const name = conversation ? contactName(conversation.contact) : "";
  return html`
    <div class="log" role="log" aria-label=${t.messages} aria-live="polite" tabindex="0" ref=${element} onScroll=${onScroll}
      aria-busy=${messages === null}>
      ${current.olderCursor.value && html`<button type="button" class="older" onClick=${readOlder}>${t.older}</button>`}
      ${messages === null && !current.error.value && html`<p class="empty">${texts.loading}</p>`}
      ${(messages ?? []).map((message, index) => html`
        ${isNewDay(messages?.[index - 1], message) && html`<p class="day" key=${`day ${message.messageId}`}>${dayTitle(message.createdAt)}</p>`}
        <${Bubble} key=${message.messageId} message=${message} contact=${name} current=${current} />`)}
      ${outgoing.map((reply) => html`<${OutgoingBubble} key=${reply.key} reply=${reply} current=${current} />`)}
    </div>`;
}

/**
 * @param {Message | undefined} previous
 * @param {Message} message
 */
function isNewDay(previous, message) {
  return !previous || new Date(previous.createdAt).toDateString() !== new Date(message.createdAt).toDateString();
}

/** @param {{ message: Message, contact: string, current: OpenConversation }} properties */
function Bubble({ message, contact, current }) {
  const isInbound = message.direction === "inbound";
  const sender = isInbound ? contact : message.sender?.name ?? (message.automatic ? t.automatic : current.account.name);
  const readAgain = () => current.readMessage(message.messageId);
  const failed = FAILED.includes(message.state);
  const reason = failed ? message.states.findLast((step) => step.detail)?.detail : "";
  return html`
    <article class=${`message ${message.direction}${message.automatic ? " automatic" : ""}`}>
      <header><span class="sender" dir="auto">${sender}</span> <${Time} at=${message.createdAt} withClock /></header>
      ${message.media.map((file) => html`<${Attachment} key=${file.mediaId} file=${file} readAgain=${readAgain} />`)}
      ${message.text && html`<p class="text" dir="auto">${message.text}</p>`}
      ${!isInbound && html`<p class=${`state ${message.state}`}>${t.states[message.state] ?? message.state}${reason ? `: ${reason}` : ""}</p>`}
    </article>`;
}

/**
 * A reply that may have been accepted cannot be edited: it would be sent again with another key.
 * @param {{ reply: Outgoing, current: OpenConversation }} properties
 */
function OutgoingBubble({ reply, current }) {
  const isFailed = reply.state === "failed";
  const state = { sending: t.states.outgoing, failed: `${t.states.failed}: ${reply.detail}`, unseen: t.states.failed }[reply.state];
  const mayRepeat = isRepeatable(reply);
  return html`
    <article class="message outbound pending">
      ${reply.files.map((file) => html`<p class="attachment" key=${file.mediaId}>${file.name}</p>`)}
      ${reply.body.text && html`<p class="text" dir="auto">${reply.body.text}</p>`}
      <p class=${`state ${reply.state === "sending" ? "sending" : "failed"}`}>${state}</p>
      ${isFailed && !reply.isRefused && html`<p class="hint">${t.unconfirmed}</p>`}
      ${isFailed && html`
        <div class="actions">
          ${mayRepeat && html`<button type="button" onClick=${() => current.deliver(reply)}>${texts.retry}</button>`}
          ${(reply.isRefused || !mayRepeat) && html`<button type="button" onClick=${() => current.edit(reply)}>${t.edit}</button>`}
        </div>`}
    </article>`;
}

/** @param {{ file: Media, readAgain: () => Promise<Message> }} properties */
function Attachment({ file, readAgain }) {
  const [isGone, setGone] = useState(false);
  const type = file.contentType ?? "";
  if (isGone) return html`<p class="attachment">${t.mediaGone}</p>`;
  if (file.state === "pending") return html`<p class="attachment">${t.mediaPending}</p>`;
  if (file.state === "refused" || !file.url) return html`<p class="attachment">${t.mediaRefused}</p>`;
  const isExpired = () => file.expiresAt !== null && Date.parse(file.expiresAt) < serverNow();
  const fail = () => (isExpired() ? readAgain().catch(() => setGone(true)) : setGone(true));
  /** @param {Event} event */
  const open = (event) => {
    if (!isExpired()) return;
    event.preventDefault();
    attempt(async () => {
      const { media } = await readAgain();
      window.open(media.find((fresh) => fresh.mediaId === file.mediaId)?.url ?? "", "_blank", "noopener");
    });
  };
  if (file.state === "stored" && type.startsWith("image/")) {
    return html`<a class="attachment image" href=${file.url} target="_blank" rel="noopener" onClick=${open}><img src=${file.url} alt=${t.attachment} loading="lazy" onError=${fail} /></a>`;
  }
  if (file.state === "stored" && type.startsWith("video/")) return html`<video class="attachment" controls src=${file.url} onError=${fail} />`;
  if (file.state === "stored" && type.startsWith("audio/")) return html`<audio class="attachment" controls src=${file.url} onError=${fail} />`;
  const isSafe = /^https?:/i.test(file.url);
  return isSafe ? html`<a class="attachment file" href=${file.url} target="_blank" rel="noopener noreferrer" onClick=${open}>${t.attachment}${type && ` (${type})`}</a>` : null;
}
