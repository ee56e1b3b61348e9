import { FakeApi, type Call, json, networkError, problem } from "./fake-api.js";

export const LEASE_MS = 60_000;
export const RENEW_SECONDS = 20;
export const IDLE_PROMPT_SECONDS = 190;
export const IDLE_RELEASE_MS = 60_000;

/** The lock of one conversation, by a server whose clock differs from the one of the device. */
export class FakeLocks {
  readonly api = new FakeApi((call) => this.#answer(call));
  skewMs = 0;
  isReachable = true;
  /** Another way to end the lock than by time. */
  loss: { reason: string; holder: object | null; brokenBy?: object } | undefined;
  #token = 6;
  #expiresAt = 0;
  #activeAt = 0;

  /** The bodies of the renewals. */
  get renewals(): { token: number; active: boolean }[] {
    return this.api.calls.filter((call) => call.method === "PUT").map((call) => call.body);
  }

  get releases(): Call[] {
    return this.api.calls.filter((call) => call.method === "DELETE");
  }

  #answer(call: Call): Response | Error {
    if (!this.isReachable) return networkError();
    const now = Date.now() + this.skewMs;
    const [date, isLock] = [new Date(now).toUTCString(), call.path.endsWith("/lock")];
    if (call.method === "GET") return json({ items: [{ messageId: "msg_9" }, { messageId: "msg_8" }], nextCursor: null });
    if (call.method === "DELETE") return new Response(null, { status: 204 });
    if (call.method === "POST" && isLock) {
      this.#token += 1;
      this.#activeAt = now;
    } else {
      const lost = this.loss ?? this.#lossByTime(now);
      if (lost) return problem(412, "lock_lost", lost);
      if (!isLock) return json({ messageId: "msg_10", text: call.body.text }, { status: 202 });
      if (call.body.active) this.#activeAt = now;
    }
    const idleReleaseAt = this.#activeAt + IDLE_PROMPT_SECONDS * 1000 + IDLE_RELEASE_MS;
    this.#expiresAt = Math.min(now + LEASE_MS, idleReleaseAt);
    const lock = {
      token: this.#token,
      holder: { id: "amelia", name: "Amelia Hart" },
      expiresAt: new Date(this.#expiresAt).toISOString(),
      renewAfterSeconds: RENEW_SECONDS,
      idlePromptAfterSeconds: IDLE_PROMPT_SECONDS,
      idlePrompt: now >= this.#activeAt + IDLE_PROMPT_SECONDS * 1000,
      idleReleaseAt: new Date(idleReleaseAt).toISOString(),
    };
    return json(lock, { headers: { date } });
  }

  #lossByTime(now: number): { reason: string; holder: null } | undefined {
    if (now < this.#expiresAt) return undefined;
    const isIdle = now >= this.#activeAt + IDLE_PROMPT_SECONDS * 1000 + IDLE_RELEASE_MS;
    return { reason: isIdle ? "idle" : "expired", holder: null };
  }
}
