/// <reference lib="esnext.disposable" preserve="true" />

import { type Connection, type ConversationKey, acquireLock, releaseLock, releaseLockOnPageHide, renewLock } from "./lock-requests.js";
import type { LockTimes } from "./lock-times.js";
import { ProblemError } from "./problem.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];
type Message = Schemas["Message"];

const MESSAGES_PATH = "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages";

/** Why the user no longer holds a lock. */
export interface LockLoss {
  /**
   * `unreachable`: the API did not answer before the lock expired. `no_access`: the user can no longer use the
   * conversation. The other reasons are those of the API.
   */
  reason: Schemas["LockLossReason"] | "unreachable" | "no_access";
  /** The user who holds the lock now. */
  holder: Schemas["Holder"] | null;
  /** The admin who broke the lock. */
  brokenBy: Schemas["Holder"] | null;
}

export interface LockEvents {
  /**
   * Ask the user whether they are still working, and call `active()` if they are. The lock is released in
   * `releaseInSeconds`.
   */
  idlePrompt: { releaseInSeconds: number };
  /** The user was active after the prompt: close it. */
  idlePromptEnd: undefined;
  /** The lock ended, and not by `leave()`. It is sent once. */
  lost: LockLoss;
}

type Listener<Name extends keyof LockEvents> = (event: LockEvents[Name]) => void;

export interface ReplyOptions {
  /** A key that makes it safe to send the same reply again. By default, each call has a key of its own. */
  idempotencyKey?: string;
}

type State = "open" | "lost" | "left";

/** A conversation that the user has opened to reply. It renews its lock until it is left or lost. */
export class ConversationLock implements AsyncDisposable {
  readonly inboxId: string;
  readonly conversationId: string;
  /** The newest page of messages at the time of opening, the newest message first. */
  readonly recentMessages: readonly Message[];
  /** The fencing token. `undefined` in a personal inbox. */
  readonly token: number | undefined;

  readonly #connection: Connection;
  readonly #listeners = new Map<keyof LockEvents, Set<Listener<never>>>();
  readonly #page = new AbortController();
  #state: State = "open";
  #loss: LockLoss | null = null;
  #lastSeenMessageId: string | undefined;
  #times: LockTimes | undefined;
  #wasActive = false;
  #isPrompting = false;
  #renewal: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Acquires the lock. Applications call `SharedInboxClient.openConversation`. */
  static async acquire(connection: Connection, key: ConversationKey): Promise<ConversationLock> {
    const times = await acquireLock(connection, key);
    try {
      const page = await connection.http.GET(MESSAGES_PATH, { params: { path: key } });
      return new ConversationLock(connection, key, times, page.data?.items ?? []);
    } catch (error) {
      if (times) await releaseLock(connection, key, times.lock.token);
      throw error;
    }
  }

  private constructor(connection: Connection, key: ConversationKey, times: LockTimes | undefined, recentMessages: Message[]) {
    this.#connection = connection;
    this.inboxId = key.inboxId;
    this.conversationId = key.conversationId;
    this.recentMessages = recentMessages;
    this.token = times?.lock.token;
    this.#lastSeenMessageId = recentMessages[0]?.messageId;
    if (times) {
      this.#follow(times);
      this.#watchPage();
    }
  }

  /**
   * Whether the user holds the lock, by the clock of this device. False after the device slept for longer than
   * the lock lasts, even before the next renewal tells who holds it now. Always true in a personal inbox until
   * it is left.
   */
  get held(): boolean {
    return this.#state === "open" && (this.#times === undefined || this.#times.remainingMs() > 0);
  }

  /** Why the lock was lost. `null` if it was not. */
  get loss(): LockLoss | null {
    return this.#loss;
  }

  /** Calls the listener for each event. Returns a function that removes the listener. */
  on<Name extends keyof LockEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Records that the user did something. Call it on key presses and clicks in the conversation. */
  active(): void {
    this.#wasActive = true;
    if (this.#isPrompting) void this.#renew();
  }

  /** Records that the user has seen a message. Replies are refused while there is a newer one. */
  markSeen(messageId: string): void {
    this.#lastSeenMessageId = messageId;
  }

  /**
   * Sends a reply with the fencing token and the last message that the user has seen. Throws a `ProblemError`: with
   * the code `lock_lost` if the lock is gone, or `unseen_message` if there is a newer message. Show
   * `error.unseenMessage`, and call `markSeen` or pass `acceptUnseen`.
   */
  async reply(
    reply: Omit<Schemas["Reply"], "lockToken" | "lastSeenMessageId">,
    { idempotencyKey }: ReplyOptions = {},
  ): Promise<Message> {
    this.active();
    try {
      const { data } = await this.#connection.http.POST(MESSAGES_PATH, {
        params: {
          path: this.#key,
          header: idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey },
        },
        body: {
          ...reply,
          ...(this.token === undefined ? {} : { lockToken: this.token }),
          ...(this.#lastSeenMessageId === undefined ? {} : { lastSeenMessageId: this.#lastSeenMessageId }),
        },
      });
      return data as Message;
    } catch (error) {
      const loss = lossOf(error);
      if (loss) this.#lose(loss);
      throw error;
    }
  }

  /** Releases the lock. If the API cannot be reached, the lock expires by itself. */
  async leave(): Promise<void> {
    if (this.#state !== "open") return;
    this.#end("left");
    if (this.token !== undefined) await releaseLock(this.#connection, this.#key, this.token);
  }

  // Not all browsers have `Symbol.asyncDispose`. There, the method has another name and is not used.
  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  get #key(): ConversationKey {
    return { inboxId: this.inboxId, conversationId: this.conversationId };
  }

  /** Takes over the times of a lock that was acquired or renewed, and schedules the next renewal. */
  #follow(times: LockTimes): void {
    this.#times = times;
    this.#schedule(times.untilRenewalMs());
    if (times.lock.idlePrompt === this.#isPrompting) return;
    this.#isPrompting = times.lock.idlePrompt;
    if (this.#isPrompting) this.#emit("idlePrompt", { releaseInSeconds: Math.floor(times.untilIdleReleaseMs() / 1000) });
    else this.#emit("idlePromptEnd", undefined);
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#renew(), milliseconds);
  }

  /** Renews the lock after a renewal that is in progress. */
  #renew(): Promise<void> {
    this.#renewal = this.#renewal.then(() => this.#renewOnce());
    return this.#renewal;
  }

  async #renewOnce(): Promise<void> {
    const times = this.#times;
    if (this.#state !== "open" || times === undefined) return;
    clearTimeout(this.#timer);
    const active = this.#wasActive;
    this.#wasActive = false;
    try {
      const renewed = await renewLock(this.#connection, this.#key, times, active);
      if (this.#state === "open") this.#follow(renewed);
    } catch (error) {
      if (this.#state !== "open") return;
      this.#wasActive ||= active;
      const loss = lossOf(error);
      if (loss) this.#lose(loss);
      else if (times.remainingMs() > 0) this.#schedule(times.untilRetryMs());
      else this.#lose({ reason: "unreachable", holder: null, brokenBy: null });
    }
  }

  #lose(loss: LockLoss): void {
    if (this.#state !== "open") return;
    this.#loss = loss;
    this.#end("lost");
    this.#emit("lost", loss);
  }

  #end(state: State): void {
    this.#state = state;
    clearTimeout(this.#timer);
    this.#page.abort();
  }

  /** Calls the listeners. An error of a listener is not an error of the lock. */
  #emit<Name extends keyof LockEvents>(name: Name, event: LockEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) queueMicrotask(() => (listener as Listener<Name>)(event));
  }

  /** In a browser: releases the lock when the page is closed, and renews it after the page was in the background. */
  #watchPage(): void {
    const options = { signal: this.#page.signal };
    globalThis.addEventListener?.("pagehide", () => this.#releaseOnPageHide(), options);
    globalThis.document?.addEventListener(
      "visibilitychange",
      () => {
        if (document.visibilityState === "visible" && this.#times?.isRenewalDue()) void this.#renew();
      },
      options,
    );
  }

  #releaseOnPageHide(): void {
    if (this.token !== undefined) releaseLockOnPageHide(this.#connection, this.#key, this.token);
    // The browser can show the page again.
    this.#lose({ reason: "released", holder: null, brokenBy: null });
  }
}

/** Returns the loss that an error reports. `undefined` if the user may still hold the lock. */
function lossOf(error: unknown): LockLoss | undefined {
  if (!(error instanceof ProblemError)) return undefined;
  if (error.code === "lock_lost") return { reason: error.reason, holder: error.holder, brokenBy: error.brokenBy ?? null };
  const hasNoAccess = error.status === 403 || error.status === 404;
  return hasNoAccess ? { reason: "no_access", holder: null, brokenBy: null } : undefined;
}
