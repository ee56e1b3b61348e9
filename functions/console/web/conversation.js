/** The open conversation: its messages, its lock, and what is written and sent in it. */

import { accountOf, loadMe, me } from "./accounts.js";
import { Problem, newKey, request } from "./api.js";
import { serverNow } from "./clock.js";
import { isConnected } from "./connection.js";
import { contactName } from "./contact.js";
import { isListed, list, refreshList, replaceInList } from "./conversations.js";
import { claimDrafts, draftOf, forgetDrafts, joined, keepDraft } from "./drafts.js";
import { onChange, readAt, view } from "./live.js";
import { Lock } from "./lock.js";
import { attemptsOf, forgetOutgoing, keepOutgoing, noteAttempt, outgoing, removeOutgoing } from "./outgoing.js";
import { revisits, route } from "./router.js";
import { beforeSignOut } from "./session.js";
import { texts } from "./texts.js";
import { showToast } from "./toast.js";
import { computed, effect, signal, untracked } from "./vendor/signals.js";

/** @import { AttachedFile, Draft } from "./drafts.js" */
/** @import { Outgoing } from "./outgoing.js" */
/** @import { Account, Conversation, Message, Page } from "./types.d.ts" */
/** @import { Signal } from "./vendor/signals.js" */

const PAGE_SIZE = 25;
/** States after which a message does not change. */
const FINAL_STATES = ["received", "delivered", "undelivered", "failed"];
/** Carriers that report no delivery leave a message at `sent`. After this time, it is no longer read again. */
const DELIVERY_MS = 10 * 60_000;
/** Statuses after which a reply was certainly not accepted. Others leave that open. */
const REFUSALS = [400, 401, 403, 404, 409, 413, 415, 422, 429];

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
    /** The replies that are not accepted yet. */
    this.outgoing = computed(() => outgoing.value.filter((reply) => reply.conversationId === conversationId));
    this.draft = signal(draftOf(conversationId));
    this.error = signal("");
  }

  async open() {
    const isUnread = this.conversation.peek()?.read === false;
    const known = this.conversation.peek() ? null : this.readConversation();
    await Promise.allSettled([this.acquire(), this.readMessages(), known]);
    const isRead = this.lock.state.peek().kind === "held";
    if (!isUnread) return;
    // Acquiring the lock marks the conversation read.
    if (!isRead) await this.change({ read: true }).catch(() => {});
    await Promise.allSettled([refreshList(), loadMe()]);
  }

  /** Does what failed because the server could not be reached. */
  async resume() {
    const state = this.lock.state.peek();
    const isMissing = this.messages.peek() === null && this.error.peek() !== "";
    await Promise.allSettled([
      state.kind === "refused" && state.isOffline && this.acquire(),
      isMissing && this.readMessages(),
      isMissing && this.readConversation(),
    ]);
  }

  /** Acquires the lock. That ends the token of an earlier visit, which its replies on their way still need. */
  async acquire() {
    await Promise.allSettled(attemptsOf(this.conversationId));
    await this.lock.acquire();
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
    const newest = this.conversation.peek()?.lastMessage;
    const isBehind = !newest?.erased && newest?.messageId !== this.newestId;
    if (isMoving || isBehind) await this.readMessages();
  }

  /** @param {{ folder?: "inbox" | "archived", read?: boolean }} change */
  async change(change) {
    const changed = await request("PATCH", this.path, { body: change });
    this.take(changed);
    replaceInList(changed);
  }

  /** @param {Draft} draft */
  setDraft(draft) {
    this.draft.value = draft;
    keepDraft(this.conversationId, draft);
    this.lock.noteActivity();
  }

  /**
   * Changes the draft as it is now, after the user may have left.
   * @param {(draft: Draft) => Draft} change
   */
  editDraft(change) {
    const { shown } = this;
    if (shown) shown.setDraft(change(shown.draft.peek()));
    else keepDraft(this.conversationId, change(draftOf(this.conversationId)));
  }

  /** Sends what is written. It is shown at once, as *sending*. */
  send() {
    const { text, files } = this.draft.peek();
    this.setDraft({ text: "", files: [] });
    return this.reply(text, files);
  }

  /**
   * @param {string} text
   * @param {AttachedFile[]} files
   * @param {boolean} [acceptUnseen]
   */
  reply(text, files, acceptUnseen = false) {
    const token = this.lock.token;
    return this.deliver({
      conversationId: this.conversationId,
      key: newKey(),
      body: {
        text,
        ...(files.length ? { media: files.map((file) => file.mediaId) } : {}),
        ...(token === undefined ? {} : { lockToken: token }),
        ...(this.newestId ? { lastSeenMessageId: this.newestId } : {}),
        ...(acceptUnseen ? { acceptUnseen } : {}),
      },
      files,
      firstTriedAt: serverNow(),
      state: "sending",
      detail: "",
      isRefused: false,
    });
  }

  /**
   * Sends a reply, or repeats it with the same key.
   * @param {Outgoing} reply
   */
  deliver(reply) {
    keepOutgoing({ ...reply, state: "sending", detail: "", isRefused: false });
    return noteAttempt(reply.key, this.attempt(reply));
  }

  /**
   * @param {Outgoing} reply
   * @returns {Promise<boolean>} whether it was accepted
   */
  async attempt(reply) {
    try {
      const message = await request("POST", `${this.path}/messages`, { body: reply.body, key: reply.key });
      removeOutgoing(reply.key);
      const { shown } = this;
      if (shown?.messages.peek()) shown.addMessages([message]);
      Promise.resolve(shown?.readConversation()).then(refreshList);
      return true;
    } catch (error) {
      this.takeBack(reply, /** @type {Problem} */ (error));
      return false;
    }
  }

  /**
   * The conversation as it is on the screen. It may have been closed, or closed and opened again.
   * @returns {OpenConversation | null}
   */
  get shown() {
    const current = opened.peek();
    return current?.conversationId === this.conversationId ? current : null;
  }

  /**
   * @param {Outgoing} reply
   * @param {Problem} problem
   */
  takeBack(reply, problem) {
    const { shown } = this;
    if (problem.code === "unseen_message") {
      keepOutgoing({ ...reply, state: "unseen", detail: problem.body.unseenMessage?.text ?? "", isRefused: true });
      shown?.readMessages();
    } else if (problem.status === 412 || problem.status === 423) {
      // The lock of an earlier visit says nothing about the one that is held now.
      if (reply.body.lockToken === shown?.lock.token) shown?.lock.noteRefusal(problem);
      this.edit(reply);
      if (shown) showToast(texts.conversation.backInBox, { isError: true });
    } else {
      keepOutgoing({ ...reply, state: "failed", detail: problem.message, isRefused: REFUSALS.includes(problem.status) });
    }
    if (!shown) {
      const conversation = this.conversation.peek();
      showToast(texts.conversation.notSentTo(conversation ? contactName(conversation.contact) : ""), { isError: true });
    }
  }

  /** Puts a reply that was not sent back into the box, before what was written since. @param {Outgoing} reply */
  edit(reply) {
    this.editDraft((draft) => joined({ text: reply.body.text, files: reply.files }, draft));
    removeOutgoing(reply.key);
  }

  /** Sends a reply although there is a message that the user had not seen. @param {Outgoing} reply */
  sendAnyway(reply) {
    removeOutgoing(reply.key);
    return this.reply(reply.body.text, reply.files, true);
  }

  /** Waits for the answers to replies on their way. Returns whether all were accepted. */
  async isAnswered() {
    const answers = await Promise.all(attemptsOf(this.conversationId));
    return answers.every((isAccepted) => isAccepted);
  }

  /** Releases the lock, once the replies that need it have their answers. */
  async leave() {
    await this.isAnswered();
    await this.lock.release();
  }

  /** Releases the lock when the page is closed. A reply on its way keeps it, and then it expires. */
  leaveWithPage() {
    if (attemptsOf(this.conversationId).length === 0) this.lock.releaseOnLeave();
  }
}

/** @type {Signal<OpenConversation | null>} */
export const opened = signal(null);

/** `{inboxId}/{conversationId}/{userId}` of the route, once the account is known. */
const wanted = computed(() => {
  const current = route.value;
  if (current.page !== "work" || !current.conversationId || !accountOf(current.inboxId)) return "";
  return `${current.inboxId}/${current.conversationId}/${me.value?.user.userId}`;
});

/** The conversations that were left and still have their lock. */
let leaving = Promise.resolve();

// Another user may have signed in, in this tab or another one.
const claim = () => {
  const userId = me.value?.user.userId;
  if (userId && claimDrafts(userId)) forgetOutgoing();
};
effect(claim);
effect(() => {
  const [inboxId, conversationId] = wanted.value.split("/");
  untracked(() => {
    const left = opened.peek();
    const account = accountOf(inboxId);
    claim();
    opened.value = account && conversationId ? new OpenConversation(account, conversationId) : null;
    opened.peek()?.open();
    const pending = [leaving, left?.leave().then(refreshList)];
    leaving = Promise.allSettled(pending).then(() => {});
    view(opened.peek() && account?.kind === "shared" ? conversationId : null);
  });
});

effect(() => {
  const current = opened.peek();
  const listed = list.value.items.find((item) => item.conversationId === current?.conversationId);
  if (!current || !listed) return;
  current.take(listed);
  const { messageId, erased } = listed.lastMessage;
  if (current.messages.peek() && !erased && messageId !== current.newestId) current.readMessages();
});

effect(() => {
  const conversation = opened.value?.conversation.value;
  document.title = conversation ? `${contactName(conversation.contact)} – Shared Inbox` : "Shared Inbox";
});

onChange(async () => opened.peek()?.refresh());
effect(() => {
  if (isConnected.value) untracked(() => opened.peek()?.resume());
});
// Following the link of the open conversation again opens it again.
effect(() => {
  if (revisits.value) untracked(() => opened.peek()?.acquire());
});
// The lock was released when the browser put the page into its cache.
addEventListener("pageshow", (event) => event.persisted && location.reload());
addEventListener("pagehide", () => opened.peek()?.leaveWithPage());
// A session that only expired leaves them, and the same user goes on.
beforeSignOut.add(async () => {
  await Promise.allSettled([leaving, opened.peek()?.leave()]);
  forgetDrafts();
  forgetOutgoing();
});
