import type { components } from "./schema.js";
import { startStopwatch } from "./time.js";

type HeldLock = components["schemas"]["HeldLock"];

/** The header `date` has whole seconds. */
const DATE_PRECISION_MS = 1000;
/** A renewal that arrives a little after the idle prompt or the idle release is due learns about it. */
const DUE_MARGIN_MS = 250;

/**
 * The times of a lock, as of one response. The clocks of the server and of the device are never compared: each
 * time is a difference to the `date` of the response, from which the time since the request is subtracted.
 */
export class LockTimes {
  readonly lock: HeldLock;
  /** Milliseconds since the server recorded activity. */
  readonly sinceActivityMs: () => number;

  readonly #sinceRequestMs: () => number;
  readonly #serverTime: number;

  constructor(
    lock: HeldLock,
    response: Response,
    { sinceRequestMs, sinceActivityMs }: { sinceRequestMs: () => number; sinceActivityMs?: () => number },
  ) {
    this.lock = lock;
    this.sinceActivityMs = sinceActivityMs ?? startStopwatch();
    this.#sinceRequestMs = sinceRequestMs;
    // Without the header, the clocks are assumed to agree.
    this.#serverTime = Date.parse(response.headers.get("date") ?? "") || Date.now();
  }

  /** Time that the lock lasts at least, unless it is renewed. Negative if it may have expired. */
  remainingMs(): number {
    return Math.min(this.#untilMs(this.lock.expiresAt), this.#untilMs(this.lock.idleReleaseAt)) - DATE_PRECISION_MS;
  }

  untilIdleReleaseMs(): number {
    return Math.max(0, this.#untilMs(this.lock.idleReleaseAt));
  }

  /** Time until the next renewal: earlier than usual if the idle prompt or the idle release is due before. */
  untilRenewalMs(): number {
    const untilPrompt = this.lock.idlePromptAfterSeconds * 1000 - this.sinceActivityMs();
    const untilDue = this.lock.idlePrompt ? this.untilIdleReleaseMs() : untilPrompt;
    const isDueLater = this.lock.idlePrompt || untilPrompt > 0;
    const usual = this.lock.renewAfterSeconds * 1000;
    return Math.max(DUE_MARGIN_MS, isDueLater ? Math.min(usual, untilDue + DUE_MARGIN_MS) : usual);
  }

  isRenewalDue(): boolean {
    return this.#sinceRequestMs() > this.lock.renewAfterSeconds * 1000;
  }

  /** Time until a renewal that failed is repeated. */
  untilRetryMs(): number {
    return Math.max(DUE_MARGIN_MS, Math.min((this.lock.renewAfterSeconds * 1000) / 4, this.remainingMs()));
  }

  #untilMs(time: string): number {
    return Date.parse(time) - this.#serverTime - this.#sinceRequestMs();
  }
}
