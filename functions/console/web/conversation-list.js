/** The list of conversations with its search and filters. */

import { me } from "./accounts.js";
import { listAll } from "./api.js";
import { contactName } from "./contact.js";
import { changeConversations, isPointerOver, list, loadMore, refreshList, showWaiting, waitingCount } from "./conversations.js";
import { html } from "./html.js";
import { outgoing } from "./outgoing.js";
import { inboxPath, navigate, route } from "./router.js";
import { texts } from "./texts.js";
import { Time } from "./time.js";
import { attempt } from "./toast.js";
import { useEffect, useLayoutEffect, useState } from "./vendor/hooks.js";
import { effect, signal } from "./vendor/signals.js";

/** @import { Account, Conversation, Filters, Folder, UserName } from "./types.d.ts" */

const t = texts.list;
const SEARCH_PAUSE_MS = 250;

/** IDs of the conversations that are selected for a change. @type {import("./vendor/signals.js").Signal<Set<string>>} */
const selected = signal(new Set());

// Another folder or filter has another list, and others may have moved or archived some: nobody changes what they do not
// see.
effect(() => {
  const shown = new Set(list.value.items.map(({ conversationId }) => conversationId));
  const kept = [...selected.peek()].filter((id) => shown.has(id));
  if (kept.length < selected.peek().size) selected.value = new Set(kept);
});

/** @typedef {{ account: Account, folder: Folder, filters: Filters, conversationId: string | null }} ListProperties */

/** @param {ListProperties} properties */
export function ConversationList({ account, folder, filters, conversationId }) {
  const { items, nextCursor, isLoading, error } = list.value;
  const place = `${account.inboxId}/${folder}`;
  const ids = items.flatMap(({ conversationId }) => (selected.value.has(conversationId) ? [conversationId] : []));
  return html`
    <section class="list" style=${{ "--color": account.color }} aria-label=${account.name}
      onPointerEnter=${() => (isPointerOver.value = true)} onPointerLeave=${() => (isPointerOver.value = false)}>
      <header>
        <h1><span class="dot" aria-hidden="true" />${account.name || texts.navigation.personal}<small>${texts.navigation[folder]}</small></h1>
      </header>
      <${Search} key=${place} q=${filters.q ?? ""} />
      <${FilterBar} account=${account} filters=${filters} />
      ${ids.length > 0 && html`<${SelectionBar} account=${account} folder=${folder} ids=${ids} />`}
      ${waitingCount.value > 0 && html`<button type="button" class="waiting" onClick=${showWaiting}>${t.waiting(waitingCount.value)}</button>`}
      ${error && html`<div class="empty" role="alert"><p>${error}</p><button type="button" onClick=${refreshList}>${texts.retry}</button></div>`}
      <ul class="conversations" aria-label=${t.title} aria-busy=${isLoading}>
        ${items.map((item) => html`<${Row} key=${item.conversationId} item=${item} isCurrent=${item.conversationId === conversationId}
          href=${inboxPath(account.inboxId, folder, filters, item.conversationId)} />`)}
        ${nextCursor && html`<li class="more"><button type="button" onClick=${() => attempt(loadMore)}>${texts.loadMore}</button></li>`}
      </ul>
      ${isLoading && !error && html`<p class="empty" role="status">${texts.loading}</p>`}
      ${!isLoading && !error && items.length === 0 && html`<${Empty} folder=${folder} filters=${filters} />`}
    </section>`;
}

/** @param {{ folder: Folder, filters: Filters }} properties */
function Empty({ folder, filters }) {
  const isFiltered = Object.values(filters).some(Boolean);
  const [title, hint] = isFiltered
    ? [t.emptyFiltered, t.emptyFilteredHint]
    : folder === "inbox" ? [t.emptyInbox, t.emptyInboxHint] : [t.emptyArchived, t.emptyArchivedHint];
  return html`<div class="empty" role="status"><strong>${title}</strong><p>${hint}</p></div>`;
}

/** @param {{ q: string }} properties */
function Search({ q }) {
  const [text, setText] = useState(q);
  // Layout effects: until a later effect ended the timer of the earlier text, it could put that text back.
  useLayoutEffect(() => {
    if (text.trim() === q) return;
    const timer = setTimeout(() => setFilter("q", text.trim() || undefined), SEARCH_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useLayoutEffect(() => {
    if (q !== text.trim()) setText(q);
  }, [q]);
  /** @param {Event} event */
  const input = (event) => setText(/** @type {HTMLInputElement} */ (event.target).value);
  return html`<div class="search"><input type="search" id="search" aria-label=${t.search} placeholder=${t.searchHint}
    value=${text} onInput=${input} maxlength="80" /></div>`;
}

/**
 * @param {keyof Filters} name
 * @param {string | undefined} value
 */
function setFilter(name, value) {
  const current = route.value;
  if (current.page !== "work") return;
  const filters = { ...current.filters, [name]: value };
  navigate(inboxPath(current.inboxId, current.folder, filters, current.conversationId), { replace: true });
}

/** @param {{ account: Account, filters: Filters }} properties */
function FilterBar({ account, filters }) {
  const [members, setMembers] = useState(/** @type {UserName[]} */ ([]));
  useEffect(() => {
    let isCurrent = true;
    listAll(`v1/teams/${encodeURIComponent(account.teamId)}/members`).then((found) => isCurrent && setMembers(/** @type {UserName[]} */ (found)), () => {});
    return () => void (isCurrent = false);
  }, [account.teamId]);
  const { assignedTo, read } = filters;
  const userId = me.value?.user.userId;
  const assignedName = assignedTo === "none" ? t.unassigned : members.find((member) => member.userId === assignedTo)?.name ?? assignedTo ?? "";
  /** @param {Event} event */
  const choose = (event) => setFilter("assignedTo", /** @type {HTMLSelectElement} */ (event.target).value || undefined);
  return html`
    <div class="filters">
      ${assignedTo === "me" && html`<${Chip} text=${t.assignedToMe} onRemove=${() => setFilter("assignedTo", undefined)} />`}
      ${assignedTo && assignedTo !== "me" && html`<${Chip} text=${t.assignedToName(assignedName)} onRemove=${() => setFilter("assignedTo", undefined)} />`}
      ${read && html`<${Chip} text=${t[read]} onRemove=${() => setFilter("read", undefined)} />`}
      ${!assignedTo && html`<button type="button" class="filter" onClick=${() => setFilter("assignedTo", "me")}>${t.assignedToMe}</button>`}
      ${read !== "unread" && html`<button type="button" class="filter" onClick=${() => setFilter("read", "unread")}>${t.unread}</button>`}
      ${read !== "read" && html`<button type="button" class="filter" onClick=${() => setFilter("read", "read")}>${t.read}</button>`}
      <select class="filter" aria-label=${t.assignedTo} value=${assignedTo && assignedTo !== "me" ? assignedTo : ""} onChange=${choose}>
        <option value="">${t.assignedTo}…</option>
        ${members.filter((member) => member.userId !== userId).map((member) => html`<option value=${member.userId}>${member.name}</option>`)}
      </select>
    </div>`;
}

/** @param {{ text: string, onRemove: () => void }} properties */
function Chip({ text, onRemove }) {
  return html`<span class="chip">${text}<button type="button" aria-label=${t.removeFilter(text)} onClick=${onRemove}>×</button></span>`;
}

/** @param {{ item: Conversation, href: string, isCurrent: boolean }} properties */
function Row({ item, href, isCurrent }) {
  const name = contactName(item.contact);
  const { text, media, direction, erased } = item.lastMessage;
  const preview = erased ? t.erasedMessage : text || (media ? t.attachments(media) : t.attachments(1));
  const isOther = item.lock && item.lock.holder.id !== me.value?.user.userId;
  const isSelected = selected.value.has(item.conversationId);
  const isUnsent = outgoing.value.some((reply) => reply.conversationId === item.conversationId && reply.state !== "sending");
  const toggle = () => {
    const next = new Set(selected.value);
    if (!next.delete(item.conversationId)) next.add(item.conversationId);
    selected.value = next;
  };
  return html`
    <li class=${`row${item.read ? "" : " unread"}${isSelected ? " selected" : ""}`}>
      <input type="checkbox" aria-label=${`${t.select} ${name}`} checked=${isSelected} onChange=${toggle} />
      <a href=${href} aria-current=${isCurrent ? "true" : undefined} data-conversation=${item.conversationId}>
        <span class="line"><span class="name" dir="auto">${name}</span><${Time} at=${item.lastActivityAt} /></span>
        <span class="preview" dir="auto">${direction === "outbound" && html`<span class="you">${t.you}</span>`}${preview}</span>
        <span class="marks">
          ${!item.read && html`<span class="hidden">${t.unread}</span>`}
          ${item.lock && html`<span class=${isOther ? "mark busy" : "mark mine"}>${isOther ? t.responding(item.lock.holder.name) : t.respondingYourself}</span>`}
          ${item.deliveryFailed && html`<span class="mark failed">${t.notDelivered}</span>`}
          ${isUnsent && html`<span class="mark failed">${t.notSent}</span>`}
          ${item.contact.optedOut && html`<span class="mark">${t.optedOut}</span>`}
          ${item.assignedUser && html`<span class="mark assigned">${t.assigned(item.assignedUser.name)}</span>`}
        </span>
      </a>
    </li>`;
}

/** @param {{ account: Account, folder: Folder, ids: string[] }} properties */
function SelectionBar({ account, folder, ids }) {
  /** @param {{ folder?: Folder, read?: boolean }} change */
  const apply = (change) => attempt(async () => {
    await changeConversations(account.inboxId, ids, change);
    selected.value = new Set([...selected.peek()].filter((id) => !ids.includes(id)));
    await refreshList();
  });
  return html`
    <div class="selection" role="toolbar" aria-label=${t.selected(ids.length)}>
      <span>${t.selected(ids.length)}</span>
      ${folder === "inbox"
        ? html`<button type="button" onClick=${() => apply({ folder: "archived" })}>${t.archiveSelected}</button>`
        : html`<button type="button" onClick=${() => apply({ folder: "inbox" })}>${t.unarchiveSelected}</button>`}
      <button type="button" onClick=${() => apply({ read: true })}>${t.markSelectedRead}</button>
      <button type="button" onClick=${() => apply({ read: false })}>${t.markSelectedUnread}</button>
      <button type="button" class="icon" aria-label=${t.clearSelection} onClick=${() => (selected.value = new Set())}>×</button>
    </div>`;
}
