import { mock } from "node:test";

import { SharedInboxClient, type ClientOptions } from "../src/index.js";

export interface Call {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Headers;
  body: any;
  keepalive: boolean;
}

type Answer = Response | Error;

/** An API whose answers a test decides. It records the calls. */
export class FakeApi {
  readonly calls: Call[] = [];
  answer: (call: Call) => Answer | Promise<Answer>;

  constructor(answer: (call: Call) => Answer | Promise<Answer>) {
    this.answer = answer;
  }

  /** Answers the calls one after the other. */
  static sequence(...answers: (() => Answer)[]): FakeApi {
    return new FakeApi(() => answers.shift()?.() ?? new Error("no more answers"));
  }

  client(options: Partial<ClientOptions> = {}): SharedInboxClient {
    return new SharedInboxClient({ baseUrl: "https://api.example.com/stage/", token: () => "token", fetch: this.#fetch, ...options });
  }

  readonly #fetch: typeof fetch = async (input, init) => {
    const request = input as Request;
    const url = new URL(request.url);
    const text = await request.text();
    const call: Call = {
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: request.headers.get("content-type") === "application/json" ? JSON.parse(text) : text || undefined,
      keepalive: request.keepalive,
    };
    this.calls.push(call);
    const answer = await abortable(this.answer(call), init?.signal);
    if (answer instanceof Error) throw answer;
    return answer;
  };
}

async function abortable<T>(value: T | Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  const aborted = new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  return Promise.race([value, aborted]);
}

export function json(body: unknown, { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {}): Response {
  return Response.json(body, { status, headers });
}

export function problem(status: number, code: string, data: object = {}, headers: Record<string, string> = {}): Response {
  const type = `https://shared-inbox.dev/problems/${code}`;
  return json({ type, title: code, status, detail: `Details of ${code}.`, code, requestId: "req-1", ...data }, { status, headers });
}

export const networkError = () => new TypeError("fetch failed");

/** Lets everything run that waits for no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Passes time, in steps that let the timers of each step start further requests. */
export async function pass(milliseconds: number, step = 250): Promise<void> {
  await settle();
  for (let passed = 0; passed < milliseconds; passed += step) {
    mock.timers.tick(Math.min(step, milliseconds - passed));
    await settle();
  }
}
