/** The list of conversations of the current account, folder and filters. */

import { request } from "./api.js";
import { onChange, readAt } from "./live.js";
import { route } from "./router.js";
import { computed, effect, signal } from "./vendor/signals.js";

/** @import { Conversation, Filters, Folder, Page } from "./types.d.ts" */

const PAGE_SIZE = 50;

/**
 * @typedef {object} List
 * @property {string} key identifies account, folder and filters
 * @property {Conversation[]} items
 * @property {string | null} nextCursor
 * @property {string} error
 * @property {boolean} isLoading
 */

/** @type {List} */
const EMPTY = { key: "", items: [], nextCursor: null, error: "", isLoading: true };

export const list = signal(EMPTY);

/** Whether the pointer is over the list. Then its rows do not move. */
export const isPointerOver = signal(false);

/** A newer order of the list that waits until the pointer is gone. @type {import("./vendor/signals.js").Signal<Conversation[] | null>} */
const waiting = signal(null);

/** How many conversations would move up. */
export const waitingCount = computed(() => {
  if (!waiting.value) return 0;
  const shown = new Map(list.value.items.map((item) => [item.conversationId, item.lastActivityAt]));
  return waiting.value.filter((item) => shown.get(item.conversationId) !== item.lastActivityAt).length;
});

/**
 * @param {string} inboxId
 * @param {Folder} folder
 * @param {Filters} filters
 */
function keyOf(inboxId, folder, filters) {
  return JSON.stringify([inboxId, folder, filters.assignedTo, filters.read, filters.q]);
}

const query = computed(() => {
  const current = route.value;
  if (current.page !== "work") return null;
  const { inboxId, folder, filters } = current;
  return { inboxId, folder, filters, key: keyOf(inboxId, folder, filters) };
});
const queryKey = computed(() => query.value?.key ?? "");

/**
 * @param {string | undefined} cursor
 * @param {number} limit
 * @returns {Promise<Page<Conversation>>}
 */
async function readPage(cursor, limit) {
  const current = query.peek();
  if (!current) return { items: [], nextCursor: null };
  const { inboxId, folder, filters } = current;
  return request("GET", `v1/inboxes/${encodeURIComponent(inboxId)}/conversations`, {
    // A search finds conversations of both folders.
    query: { folder: filters.q ? undefined : folder, assignedTo: filters.assignedTo, read: filters.read, q: filters.q, limit, cursor },
  });
}

/** The IDs of the newest page, whether or not it is shown. @type {Set<string>} */
let newest = new Set();
/** @type {Promise<unknown>} */
let reading = Promise.resolve();

/**
 * Whether the list has this conversation, once the reading of the list that is under way is done.
 * @param {string} conversationId
 */
export async function isListed(conversationId) {
  await reading.catch(() => {});
  return newest.has(conversationId);
}

function refresh() {
  reading = readList();
  return reading;
}

/** Reads the first page, with as many conversations as are shown. */
async function readList() {
  const key = queryKey.peek();
  if (!key) return;
  const shown = list.peek().key === key ? list.peek().items.length : 0;
  try {
    const page = await readPage(undefined, Math.min(100, Math.max(PAGE_SIZE, shown)));
    if (key !== queryKey.peek()) return;
    merge(key, page);
  } catch (error) {
    if (key === queryKey.peek() && list.peek().isLoading) {
      list.value = { ...EMPTY, key, isLoading: false, error: /** @type {Error} */ (error).message };
    }
    throw error;
  }
}

/**
 * @param {string} key
 * @param {Page<Conversation>} page
 */
function merge(key, page) {
  for (const { lock } of page.items) readAt(lock?.expiresAt);
  const current = list.peek();
  const fresh = new Map(page.items.map((item) => [item.conversationId, item]));
  newest = new Set(fresh.keys());
  const older = current.key === key ? current.items.slice(page.items.length).filter((item) => !fresh.has(item.conversationId)) : [];
  const items = [...page.items, ...(page.nextCursor ? older : [])];
  const nextCursor = older.length && page.nextCursor ? current.nextCursor : page.nextCursor;
  const isSameOrder = items.every((item, index) => item.conversationId === current.items[index]?.conversationId);
  if (isPointerOver.peek() && current.key === key && !isSameOrder && current.items.length) {
    // Rows get their new content and do not move.
    list.value = { ...current, items: current.items.map((item) => fresh.get(item.conversationId) ?? item), isLoading: false, error: "" };
    waiting.value = items;
  } else {
    list.value = { key, items, nextCursor, error: "", isLoading: false };
    waiting.value = null;
  }
}

/** Shows the newest order. */
export function showWaiting() {
  if (!waiting.value) return;
  list.value = { ...list.value, items: waiting.value };
  waiting.value = null;
}

/** Reads the next page. */
export async function loadMore() {
  const { key, nextCursor, items } = list.peek();
  if (!nextCursor) return;
  const page = await readPage(nextCursor, PAGE_SIZE);
  if (key !== queryKey.peek()) return;
  const known = new Set(items.map((item) => item.conversationId));
  const added = page.items.filter((item) => !known.has(item.conversationId));
  list.value = { ...list.peek(), items: [...items, ...added], nextCursor: page.nextCursor };
}

/**
 * Shows a conversation's newest state. It leaves the list if it is in the other folder now.
 * @param {Conversation} conversation
 */
export function replaceInList(conversation) {
  const current = query.peek();
  if (!current || current.inboxId !== conversation.inboxId) return;
  const stays = current.folder === conversation.folder || current.filters.q;
  const items = list.peek().items.flatMap((item) => {
    if (item.conversationId !== conversation.conversationId) return [item];
    return stays ? [conversation] : [];
  });
  list.value = { ...list.peek(), items };
}

/**
 * Moves or marks conversations.
 * @param {string} inboxId
 * @param {string[]} conversationIds
 * @param {{ folder?: Folder, read?: boolean }} change
 */
export async function changeConversations(inboxId, conversationIds, change) {
  const path = `v1/inboxes/${encodeURIComponent(inboxId)}/conversations`;
  if (conversationIds.length === 1) {
    const changed = await request("PATCH", `${path}/${encodeURIComponent(conversationIds[0])}`, { body: change });
    replaceInList(changed);
    return;
  }
  const { items } = await request("PATCH", path, { body: { conversationIds, ...change } });
  items.forEach(replaceInList);
}

export const refreshList = () => refresh().catch(() => {});

onChange(refresh);
effect(() => {
  const key = queryKey.value;
  waiting.value = null;
  if (list.peek().key !== key) list.value = { ...EMPTY, key };
  if (key) refresh().catch(() => {});
});
effect(() => {
  if (!isPointerOver.value) showWaiting();
});
