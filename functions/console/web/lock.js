/**
 * The lock of the open conversation. The server decides who holds it and when it ends. This module acquires
 * it, renews it in time, and releases it.
 *
 * Timers of a page in the background are slow, but a lock of a page in the background is idle, and the server
 * releases it before that matters.
 */

import { Problem, request, requestOnLeave } from "./api.js";
import { serverNow } from "./clock.js";
import { texts } from "./texts.js";
import { signal } from "./vendor/signals.js";

/** @import { HeldLock, Holder } from "./types.d.ts" */

/**
 * @typedef {{ kind: "notNeeded" } | { kind: "free" } | { kind: "acquiring" }
 *   | { kind: "held", lock: HeldLock }
 *   | { kind: "other", holder: Holder, expiresAt: string }
 *   | { kind: "lost", detail: string }
 *   | { kind: "refused", detail: string, isOffline: boolean }} LockState
 */

/** A renewal that comes a little after the question is due has the answer. */
const MARGIN_MS = 250;
const MIN_PAUSE_MS = 500;
const RETRY_MS = 2_000;

export class Lock {
  /** @param {string | null} path of the lock's resource; `null` for a personal inbox, which has no locks */
  constructor(path) {
    this.path = path;
    /** @type {import("./vendor/signals.js").Signal<LockState>} */
    this.state = signal(path ? { kind: "free" } : { kind: "notNeeded" });
    this.wasActive = false;
    this.isClosed = false;
    /** Ends when the server has answered whether the lock is held. @type {Promise<void>} */
    this.acquisition = Promise.resolve();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @returns {number | undefined} the fencing token, if the lock is held */
  get token() {
    return this.state.value.kind === "held" ? this.state.value.lock.token : undefined;
  }

  /** Records that the user did something in the conversation. */
  noteActivity() {
    this.wasActive = true;
  }

  acquire() {
    const { kind } = this.state.peek();
    if (!this.path || this.isClosed || kind === "acquiring" || kind === "held") return this.acquisition;
    this.state.value = { kind: "acquiring" };
    this.acquisition = this.requestLock(this.path);
    return this.acquisition;
  }

  /** @param {string} path */
  async requestLock(path) {
    try {
      const lock = await request("POST", path);
      if (!this.isClosed) return this.hold(lock);
      this.state.value = { kind: "free" };
      await this.discard(lock.token);
    } catch (error) {
      this.state.value = refusal(/** @type {Problem} */ (error));
    }
  }

  /** @param {HeldLock} lock */
  hold(lock) {
    this.state.value = { kind: "held", lock };
    clearTimeout(this.timer);
    // While the question is open, only an answer or the end of the time matters.
    const untilQuestion = lock.idlePromptAfterSeconds * 1000 + MARGIN_MS;
    const untilRelease = Date.parse(lock.idleReleaseAt) - serverNow() + MARGIN_MS;
    const pause = Math.min(lock.renewAfterSeconds * 1000, lock.idlePrompt ? untilRelease : untilQuestion);
    this.timer = setTimeout(() => this.renew(), Math.max(MIN_PAUSE_MS, pause));
  }

  async renew() {
    const state = this.state.peek();
    if (!this.path || state.kind !== "held") return;
    const active = this.wasActive;
    this.wasActive = false;
    try {
      const lock = await request("PUT", this.path, { body: { token: state.lock.token, active } });
      if (this.state.peek() === state && !this.isClosed) this.hold(lock);
    } catch (error) {
      if (this.state.peek() !== state) return;
      const problem = /** @type {Problem} */ (error);
      if ([403, 404, 412].includes(problem.status)) {
        this.lose(lossOf(problem));
      } else {
        this.wasActive ||= active;
        if (Date.parse(state.lock.expiresAt) < serverNow()) this.lose(texts.lock.expired);
        else this.timer = setTimeout(() => this.renew(), RETRY_MS);
      }
    }
  }

  /** Answers the question whether the user is still working. */
  stillHere() {
    this.noteActivity();
    clearTimeout(this.timer);
    return this.renew();
  }

  /** @param {string} detail */
  lose(detail) {
    clearTimeout(this.timer);
    this.state.value = { kind: "lost", detail };
  }

  /**
   * Takes over what a send was refused with.
   * @param {Problem} problem
   */
  noteRefusal(problem) {
    if (problem.status === 412) this.lose(lossOf(problem));
    if (problem.status === 423) {
      clearTimeout(this.timer);
      this.state.value = refusal(problem);
    }
  }

  /**
   * Follows what the conversation shows, while the lock is not held here.
   * @param {{ holder: Holder, expiresAt: string } | null} shown
   * @param {string} userId the signed-in user
   */
  follow(shown, userId) {
    const { kind } = this.state.peek();
    if (kind !== "free" && kind !== "other") return;
    if (shown && shown.holder.id !== userId) this.state.value = { kind: "other", ...shown };
    else if (kind === "other") this.state.value = { kind: "free" };
  }

  /** Releases the lock. The outcome does not matter: an abandoned lock expires. */
  async release() {
    const token = this.token;
    this.isClosed = true;
    clearTimeout(this.timer);
    if (token === undefined) return this.acquisition;
    this.state.value = { kind: "free" };
    await this.discard(token);
  }

  /** Acquires the lock again after a release, because the conversation remains open. */
  reopen() {
    this.isClosed = false;
    return this.acquire();
  }

  /** Releases the lock when the page is closed. */
  releaseOnLeave() {
    const token = this.token;
    if (this.path && token !== undefined) requestOnLeave("DELETE", this.path, { token });
  }

  /** @param {number} token */
  async discard(token) {
    if (this.path) await request("DELETE", this.path, { query: { token } }).catch(() => {});
  }
}

/** Why the lock was lost, in the words of the console. @param {Problem} problem */
function lossOf(problem) {
  return texts.lock.losses[problem.body.reason] ?? problem.message;
}

/**
 * @param {Problem} problem
 * @returns {LockState}
 */
function refusal(problem) {
  if (problem.status === 423) {
    return { kind: "other", holder: problem.body.holder, expiresAt: problem.body.expiresAt };
  }
  return { kind: "refused", detail: problem.message, isOffline: problem.status === 0 };
}
