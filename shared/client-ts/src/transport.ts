import { ConnectionError, type ProblemError, readProblem } from "./problem.js";
import { sleep, unlessAborted } from "./time.js";

/**
 * Returns the token of the signed-in user, for example from the cache of an OIDC library. `refused` is true if
 * the API refused the previous token: return a new one.
 */
export type TokenProvider = (options: { refused: boolean }) => Promise<string> | string;

export interface TransportOptions {
  token: TokenProvider;
  /** `fetch` of the platform by default. */
  fetch?: typeof fetch | undefined;
  /** How often a request is repeated after a network error, `429` or `503`. 3 by default. */
  maxRetries?: number | undefined;
  /** Time for each attempt, with the time that `token` takes. 20,000 by default. */
  timeoutMs?: number | undefined;
}

export interface SendOptions {
  maxRetries?: number;
  /** Whether the request carries the token of the user. `true` by default. */
  needsToken?: boolean;
  /** Called before each attempt. */
  onAttempt?: () => void;
}

/** A server that asks for a longer pause gets no retry. */
const MAX_RETRY_AFTER_SECONDS = 30;
/** The pause before the first retry if the server names none. It doubles with each retry. */
const BACKOFF_MS = 500;

/** Sends requests with a token, and repeats those that may succeed later. */
export class Transport {
  readonly #options: TransportOptions;
  #lastToken = "";

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /**
   * Returns the response. Throws a `ProblemError` if its status is 400 or more, and a `ConnectionError` if there
   * is no response. A `POST` gets an idempotency key, which its retries repeat.
   */
  async send(
    request: Request,
    { maxRetries = this.#options.maxRetries ?? 3, needsToken = true, onAttempt }: SendOptions = {},
  ): Promise<Response> {
    if (request.method === "POST" && !request.headers.has("idempotency-key")) {
      request.headers.set("idempotency-key", crypto.randomUUID());
    }
    let tokensRefused = 0;
    for (let retries = 0; ; ) {
      const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? 20_000);
      const signal = AbortSignal.any([request.signal, timeout]);
      if (needsToken) {
        this.#lastToken = await unlessAborted(this.#options.token({ refused: tokensRefused === 1 }), signal);
        request.headers.set("authorization", `Bearer ${this.#lastToken}`);
      }
      onAttempt?.();
      const outcome = await this.#attempt(request, signal);
      if (outcome instanceof Response) return outcome;

      const isTokenRefused = "status" in outcome && outcome.status === 401;
      if (isTokenRefused && ++tokensRefused === 1) continue;
      const pause = retries < maxRetries ? pauseBeforeRetry(outcome, retries) : undefined;
      if (pause === undefined) throw outcome;
      retries += 1;
      await sleep(pause, request.signal);
    }
  }

  /** Sends a request that outlives the page, with the token of the previous request. Its outcome is unknown. */
  sendOnPageHide(url: string, method: string): void {
    const headers = { authorization: `Bearer ${this.#lastToken}` };
    this.#fetch(new Request(url, { method, headers, keepalive: true })).catch(() => {});
  }

  async #attempt(request: Request, signal: AbortSignal): Promise<Response | ProblemError | ConnectionError> {
    let response;
    try {
      response = await this.#fetch(request.clone(), { signal });
    } catch (cause) {
      request.signal.throwIfAborted();
      return new ConnectionError("The API did not answer.", { cause });
    }
    return response.status < 400 ? response : readProblem(response);
  }

  #fetch(request: Request, init?: RequestInit): Promise<Response> {
    // Browsers refuse to call `fetch` as a method of another object.
    const send = this.#options.fetch ?? globalThis.fetch;
    return send(request, init);
  }
}

/** Returns the milliseconds to wait before a retry. `undefined` if a retry cannot succeed. */
function pauseBeforeRetry(error: ProblemError | ConnectionError, retries: number): number | undefined {
  const backoff = BACKOFF_MS * 2 ** retries * (0.5 + Math.random() / 2);
  if (error instanceof ConnectionError) return backoff;
  // A lock becomes free only when the user releases one of the others.
  const isTemporary = (error.status === 429 && error.code !== "too_many_locks") || error.status === 503;
  if (!isTemporary) return undefined;
  if (error.retryAfterSeconds === undefined) return backoff;
  return error.retryAfterSeconds <= MAX_RETRY_AFTER_SECONDS ? error.retryAfterSeconds * 1000 : undefined;
}
