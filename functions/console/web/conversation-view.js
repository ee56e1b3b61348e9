/** The open conversation on the screen. */

import { loadMe, me } from "./accounts.js";
import { Composer } from "./composer.js";
import { contactName, formatNumber, initials } from "./contact.js";
import { OpenConversation, opened } from "./conversation.js";
import { changeConversations, list, refreshList } from "./conversations.js";
import { Dialog } from "./dialog.js";
import { html } from "./html.js";
import { viewers } from "./live.js";
import { IdleDialog, LockBanner } from "./lock-view.js";
import { MessageLog } from "./message-log.js";
import { inboxPath, navigate, route } from "./router.js";
import { texts } from "./texts.js";
import { attempt } from "./toast.js";

/** @import { Conversation } from "./types.d.ts" */

const t = texts.conversation;

/** Goes back to the list, which releases the lock. The row gets the focus, unless the user has gone on elsewhere. */
export function leaveConversation() {
  const current = route.peek();
  const id = opened.peek()?.conversationId;
  if (current.page === "work") navigate(inboxPath(current.inboxId, current.folder, current.filters));
  requestAnimationFrame(() => {
    const row = document.querySelector(`[data-conversation="${CSS.escape(id ?? "")}"]`);
    // What had the focus in the conversation is gone with it.
    if (row instanceof HTMLElement && document.activeElement === document.body) row.focus();
  });
}

/**
 * Archives the open conversation, or moves it back. Without an open conversation, it changes the one that has
 * the focus in the list.
 */
export function moveConversation() {
  const conversation = conversationAtHand();
  if (!conversation) return;
  const folder = conversation.folder === "inbox" ? "archived" : "inbox";
  attempt(() => changeAndLeave(conversation, { folder }), t.moved[folder]);
}

/** Marks the conversation unread: the open one, or the one of the list that has the focus. */
export function markUnread() {
  const conversation = conversationAtHand();
  if (conversation) attempt(() => changeAndLeave(conversation, { read: false }), t.markedUnread);
}

function conversationAtHand() {
  const focused = document.activeElement?.getAttribute("data-conversation");
  return opened.peek()?.conversation.peek() ?? list.peek().items.find((item) => item.conversationId === focused);
}

/**
 * @param {Conversation} conversation
 * @param {{ folder?: Conversation["folder"], read?: boolean }} change
 */
async function changeAndLeave(conversation, change) {
  const { inboxId, conversationId } = conversation;
  const current = opened.peek()?.conversationId === conversationId ? opened.peek() : null;
  if (current && !(await current.isAnswered())) throw new Error(t.notSentTo(contactName(conversation.contact)));
  // The lock is released first: acquiring it marked the conversation read.
  await current?.leave();
  try {
    await changeConversations(inboxId, [conversationId], change);
  } catch (error) {
    if (opened.peek() === current) current?.lock.reopen();
    throw error;
  }
  // Another conversation may have been opened in between.
  if (current && opened.peek() === current) leaveConversation();
  await Promise.allSettled([refreshList(), loadMe()]);
}

export function ConversationView() {
  const current = opened.value;
  if (!current) {
    return html`<section class="conversation none"><div class="empty"><strong>${t.none}</strong><p>${t.noneHint}</p></div></section>`;
  }
  return html`<${Opened} key=${`${current.account.inboxId}/${current.conversationId}`} current=${current} />`;
}

/** @param {{ current: OpenConversation }} properties */
function Opened({ current }) {
  const conversation = current.conversation.value;
  const error = current.error.value;
  if (error && !conversation) {
    return html`<section class="conversation"><div class="empty" role="alert"><p>${error}</p>
      <button type="button" onClick=${leaveConversation}>${t.back}</button></div></section>`;
  }
  const name = conversation ? contactName(conversation.contact) : "";
  const unseen = current.outgoing.value.find((reply) => reply.state === "unseen");
  return html`
    <section class="conversation" aria-label=${name || texts.loading} style=${{ "--color": current.account.color }}
      onPointerDown=${() => current.lock.noteActivity()} onKeyDown=${() => current.lock.noteActivity()}
      onWheel=${() => current.lock.noteActivity()}>
      ${conversation && html`<${Header} conversation=${conversation} current=${current} name=${name} />`}
      <${MessageLog} current=${current} />
      <footer>
        <${LockBanner} current=${current} />
        <${Composer} current=${current} />
      </footer>
      <${IdleDialog} lock=${current.lock} />
      ${unseen && html`
        <${Dialog} key=${unseen.key} role="alertdialog" title=${t.unseenTitle} onClose=${() => current.edit(unseen)}>
          <p>${t.unseenHint(name)}</p>
          <blockquote dir="auto">${unseen.detail}</blockquote>
          <div class="actions">
            <button type="button" onClick=${() => current.edit(unseen)}>${t.editReply}</button>
            <button type="button" class="primary" onClick=${() => current.sendAnyway(unseen)}>${t.sendAnyway}</button>
          </div>
        </${Dialog}>`}
    </section>`;
}

/** @param {{ conversation: Conversation, current: OpenConversation, name: string }} properties */
function Header({ conversation, current, name }) {
  const { contact, assignedUser, folder } = conversation;
  const number = formatNumber(contact.phoneNumber);
  const facts = [
    name === number ? "" : number,
    contact.externalId ?? "",
    contact.provisional ? t.provisional : "",
    assignedUser ? texts.list.assigned(assignedUser.name) : "",
  ].filter(Boolean);
  return html`
    <header>
      <button type="button" class="back" onClick=${leaveConversation}>${t.back}</button>
      <div class="title"><h2 dir="auto">${name}</h2><p>${facts.join(" · ")}</p></div>
      <${Viewers} current=${current} />
      <div class="actions">
        <button type="button" onClick=${markUnread}>${t.markUnread}</button>
        <button type="button" onClick=${moveConversation}>${folder === "inbox" ? t.archive : t.unarchive}</button>
        ${current.account.kind === "shared" && html`<button type="button" onClick=${leaveConversation}>${t.leave}</button>`}
      </div>
    </header>`;
}

/** Who else reads the conversation at this moment. @param {{ current: OpenConversation }} properties */
function Viewers({ current }) {
  const { conversationId, viewers: all } = viewers.value;
  const others = conversationId === current.conversationId ? all.filter((viewer) => viewer.userId !== me.value?.user.userId) : [];
  const names = new Intl.ListFormat(undefined).format(others.map((viewer) => viewer.name));
  return html`
    <div class="viewers" role="status" title=${names && t.viewing(names)}>
      ${names && html`<span class="hidden">${t.viewing(names)}</span>`}
      ${others.slice(0, 4).map((viewer) => html`<span class="avatar" aria-hidden="true" key=${viewer.userId}>${initials(viewer.name)}</span>`)}
    </div>`;
}
