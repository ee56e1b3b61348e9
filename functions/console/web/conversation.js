/** The open conversation: its messages, its lock, and the replies that are on their way. */

import { accountOf, loadMe, me } from "./accounts.js";
import { Problem, newKey, request } from "./api.js";
import { contactName } from "./contact.js";
import { isListed, list, refreshList, replaceInList } from "./conversations.js";
import { draftOf, forgetDrafts, keepDraft } from "./drafts.js";
import { onChange, readAt, view } from "./live.js";
import { Lock } from "./lock.js";
import { revisits, route } from "./router.js";
import { beforeSignOut, session } from "./session.js";
import { computed, effect, signal, untracked } from "./vendor/signals.js";

/** @import { Account, Conversation, Message, Page } from "./types.d.ts" */
/** @import { Signal } from "./vendor/signals.js" */

const PAGE_SIZE = 25;
/** States after which a message does not change. */
const FINAL_STATES = ["received", "delivered", "undelivered", "failed"];
/** Carriers that report no delivery leave a message at `sent`. After this time, it is no longer read again. */
const DELIVERY_MS = 10 * 60_000;

/**
 * A reply that the server has not accepted yet.
 * @typedef {object} Outgoing
 * @property {string} key the idempotency key: a repeated attempt cannot send the text twice
 * @property {Record<string, unknown> & { text: string }} body
 * @property {"sending" | "failed"} state
 * @property {string} detail why it failed
 */

export class OpenConversation {
  /**
   * @param {Account} account
   * @param {string} conversationId
   */
  constructor(account, conversationId) {
    this.account = account;
    this.conversationId = conversationId;
    this.path = `v1/inboxes/${encodeURIComponent(account.inboxId)}/conversations/${encodeURIComponent(conversationId)}`;
    this.lock = new Lock(account.kind === "shared" ? `${this.path}/lock` : null);
    const listed = list.peek().items.find((item) => item.conversationId === conversationId);
    /** @type {Signal<Conversation | null>} */
    this.conversation = signal(listed ?? null);
    /** Oldest first. @type {Signal<Message[] | null>} */
    this.messages = signal(null);
    /** @type {Signal<string | null>} */
    this.olderCursor = signal(null);
    /** @type {Signal<Outgoing[]>} */
    this.outgoing = signal([]);
    /** A reply that was refused because of a message that the user has not seen. @type {Signal<{ reply: Outgoing, message: Message | undefined } | null>} */
    this.unseen = signal(null);
    this.draft = signal(draftOf(conversationId));
    this.error = signal("");
  }

  async open() {
    const isUnread = this.conversation.peek()?.read === false;
    const known = this.conversation.peek() ? null : this.readConversation();
    await Promise.allSettled([this.lock.acquire(), this.readMessages(), known]);
    const isRead = this.lock.state.peek().kind === "held";
    if (!isUnread) return;
    // Acquiring the lock marks the conversation read.
    if (!isRead) await this.change({ read: true }).catch(() => {});
    await Promise.allSettled([refreshList(), loadMe()]);
  }

  /** @returns {string} the ID of the newest message that the user sees */
  get newestId() {
    return this.messages.peek()?.at(-1)?.messageId ?? "";
  }

  async readConversation() {
    try {
      this.take(await request("GET", this.path));
    } catch (error) {
      if (!this.conversation.peek()) this.error.value = /** @type {Error} */ (error).message;
    }
  }

  /** @param {Conversation} conversation */
  take(conversation) {
    this.conversation.value = conversation;
    readAt(conversation.lock?.expiresAt);
    this.lock.follow(conversation.lock, me.peek()?.user.userId ?? "");
  }

  async readMessages() {
    try {
      /** @type {Page<Message>} */
      const page = await request("GET", `${this.path}/messages`, { query: { limit: PAGE_SIZE } });
      const known = new Set(this.messages.peek()?.map((message) => message.messageId));
      // After a long loss of the connection there can be a gap, which older messages then fill.
      const isFirst = page.nextCursor !== null && page.items.every((message) => !known.has(message.messageId));
      if (isFirst || this.messages.peek() === null) this.messages.value = [];
      this.addMessages(page.items);
      if (isFirst) this.olderCursor.value = page.nextCursor;
      this.error.value = "";
    } catch (error) {
      if (this.messages.peek() === null) this.error.value = /** @type {Error} */ (error).message;
    }
  }

  async readOlder() {
    const cursor = this.olderCursor.peek();
    if (!cursor) return;
    const page = await request("GET", `${this.path}/messages`, { query: { limit: PAGE_SIZE, cursor } });
    this.addMessages(page.items);
    this.olderCursor.value = page.nextCursor;
  }

  /**
   * Reads a message again, because the URLs of its files have expired.
   * @param {string} messageId
   * @returns {Promise<Message>}
   */
  async readMessage(messageId) {
    const message = await request("GET", `v1/messages/${encodeURIComponent(messageId)}`);
    this.messages.value = this.messages.peek()?.map((known) => (known.messageId === messageId ? message : known)) ?? null;
    return message;
  }

  /** @param {Message[]} messages */
  addMessages(messages) {
    const all = new Map((this.messages.peek() ?? []).map((message) => [message.messageId, message]));
    for (const message of messages) {
      const known = all.get(message.messageId);
      // A new presigned URL of the same file would load the file again.
      const keepsMedia = known && known.media.every((file, index) => file.state === message.media[index]?.state);
      all.set(message.messageId, keepsMedia ? { ...message, media: known.media } : message);
    }
    this.messages.value = [...all.values()].sort((a, b) => (a.messageId < b.messageId ? -1 : 1));
  }

  /** Reads what may have changed. */
  async refresh() {
    // A reply has archived it, perhaps from another tab, while the rows of the list do not move.
    if (!(await isListed(this.conversationId))) await this.readConversation();
    const now = Date.now();
    const isMoving = this.messages.peek()?.some(
      ({ state, createdAt }) => !FINAL_STATES.includes(state) && now - Date.parse(createdAt) < DELIVERY_MS,
    );
    const isBehind = this.conversation.peek()?.lastMessage.messageId !== this.newestId;
    if (isMoving || isBehind) await this.readMessages();
  }

  /** @param {{ folder?: "inbox" | "archived", read?: boolean }} change */
  async change(change) {
    const changed = await request("PATCH", this.path, { body: change });
    this.take(changed);
    replaceInList(changed);
  }

  /** @param {string} text */
  setDraft(text) {
    this.draft.value = text;
    keepDraft(this.conversationId, text);
    this.lock.noteActivity();
  }

  /**
   * Sends a reply. It is shown at once, as *sending*.
   * @param {string} text
   * @param {string[]} [media] IDs of uploaded files
   * @param {boolean} [acceptUnseen]
   */
  send(text, media = [], acceptUnseen = false) {
    this.lock.noteActivity();
    /** @type {Outgoing} */
    const reply = {
      key: newKey(),
      body: {
        text,
        ...(media.length ? { media } : {}),
        ...(this.lock.token === undefined ? {} : { lockToken: this.lock.token }),
        ...(this.newestId ? { lastSeenMessageId: this.newestId } : {}),
        ...(acceptUnseen ? { acceptUnseen } : {}),
      },
      state: "sending",
      detail: "",
    };
    this.setDraft("");
    return this.deliver(reply);
  }

  /**
   * Sends a reply, or repeats it with the same key.
   * @param {Outgoing} reply
   */
  async deliver(reply) {
    this.showOutgoing({ ...reply, state: "sending", detail: "" });
    try {
      const message = await request("POST", `${this.path}/messages`, { body: reply.body, key: reply.key });
      this.removeOutgoing(reply.key);
      this.addMessages([message]);
      this.readConversation().then(refreshList);
    } catch (error) {
      await this.takeBack(reply, /** @type {Problem} */ (error));
    }
  }

  /**
   * @param {Outgoing} reply
   * @param {Problem} problem
   */
  async takeBack(reply, problem) {
    if (problem.code === "unseen_message") {
      this.removeOutgoing(reply.key);
      await this.readMessages();
      const newest = this.messages.peek()?.findLast((message) => message.direction === "inbound");
      this.unseen.value = { reply, message: problem.body.unseenMessage ?? newest };
      return;
    }
    if (problem.status === 412 || problem.status === 423) {
      this.lock.noteRefusal(problem);
      this.removeOutgoing(reply.key);
      this.restore(reply.body.text);
      return;
    }
    this.showOutgoing({ ...reply, state: "failed", detail: problem.message });
  }

  /** Puts a text back into the box, before what was typed since. @param {string} text */
  restore(text) {
    const typed = this.draft.peek();
    this.setDraft(typed ? `${text}\n${typed}` : text);
  }

  /** @param {boolean} sendAnyway the answer to the question about an unseen message */
  decideUnseen(sendAnyway) {
    const unseen = this.unseen.peek();
    if (!unseen) return;
    this.unseen.value = null;
    const { text, media } = unseen.reply.body;
    if (sendAnyway) this.send(text, /** @type {string[]} */ (media), true);
    else this.restore(text);
  }

  /** @param {Outgoing} reply */
  showOutgoing(reply) {
    const others = this.outgoing.peek();
    const isKnown = others.some((other) => other.key === reply.key);
    this.outgoing.value = isKnown ? others.map((other) => (other.key === reply.key ? reply : other)) : [...others, reply];
  }

  /** @param {string} key */
  removeOutgoing(key) {
    this.outgoing.value = this.outgoing.peek().filter((reply) => reply.key !== key);
  }

  /** Puts a reply that was not sent back into the box. @param {Outgoing} reply */
  edit(reply) {
    this.removeOutgoing(reply.key);
    this.restore(reply.body.text);
  }
}

/** @type {Signal<OpenConversation | null>} */
export const opened = signal(null);

/** `{inboxId}/{conversationId}` of the route, once the account is known. */
const wanted = computed(() => {
  const current = route.value;
  if (current.page !== "work" || !current.conversationId || !accountOf(current.inboxId)) return "";
  return `${current.inboxId}/${current.conversationId}`;
});

effect(() => {
  const [inboxId, conversationId] = wanted.value.split("/");
  untracked(() => {
    opened.peek()?.lock.release().then(refreshList);
    const account = accountOf(inboxId);
    opened.value = account && conversationId ? new OpenConversation(account, conversationId) : null;
    opened.peek()?.open();
    view(opened.peek() && account?.kind === "shared" ? conversationId : null);
  });
});

effect(() => {
  const current = opened.peek();
  const listed = list.value.items.find((item) => item.conversationId === current?.conversationId);
  if (!current || !listed) return;
  current.take(listed);
  if (current.messages.peek() && listed.lastMessage.messageId !== current.newestId) current.readMessages();
});

effect(() => {
  const conversation = opened.value?.conversation.value;
  document.title = conversation ? `${contactName(conversation.contact)} – Shared Inbox` : "Shared Inbox";
});

onChange(async () => opened.peek()?.refresh());
// Following the link of the open conversation again opens it again.
effect(() => {
  if (revisits.value) untracked(() => opened.peek()?.lock.acquire());
});
// The lock was released when the browser put the page into its cache.
addEventListener("pageshow", (event) => event.persisted && location.reload());
addEventListener("pagehide", () => opened.peek()?.lock.releaseOnLeave());
beforeSignOut.add(() => opened.peek()?.lock.release());
effect(() => {
  if (session.value === "signedOut") forgetDrafts();
});
