import { type EventUpdate, readUpdate } from "./events.js";
import type { components } from "./schema.js";
import { sleep } from "./time.js";

type Schemas = components["schemas"];

/** Users who have a conversation open. It has no number and is not part of the feed. */
export interface Viewers {
  inboxId: string;
  conversationId: string;
  viewers: { userId: string; name: string }[];
}

export interface SubscribeOptions {
  /** Where to begin. The default is the present position. */
  cursor?: string;
  /** Called with the events in their order, each once. */
  onUpdate: (update: EventUpdate) => void;
  /** Called when the viewers of a conversation changed. */
  onViewers?: (viewers: Viewers) => void;
  /** Called when the connection is lost, and when it is open again. In between, the feed is polled. */
  onConnection?: (isConnected: boolean) => void;
  /** Called once if the API refuses the user. The subscription has ended then. */
  onError?: (error: unknown) => void;
  /** Ends the subscription. */
  signal: AbortSignal;
  /** Opens a socket. The default is the `WebSocket` of the platform. */
  open?: (url: string) => Socket;
  /** A number from 0 to 1. The default is `Math.random`. */
  random?: () => number;
}

/** What a subscription needs of a `WebSocket`. */
export interface Socket {
  onmessage: ((message: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(frame: string): void;
  close(): void;
}

/** What a subscription needs of the API. */
export interface Api {
  feed(cursor: string | undefined, signal: AbortSignal): Promise<Schemas["Feed"]>;
  ticket(signal: AbortSignal): Promise<Schemas["RealtimeTicket"]>;
}

/** A running subscription. */
export interface Subscription {
  /** Says which conversation is open on the screen, or `null`. */
  view(conversationId: string | null): void;
}

type Frame =
  | { type: "ready" | "pong" | "refresh" }
  | { type: "close"; code: number }
  | { type: "event"; event: Schemas["Event"] | ({ type: "viewer.changed"; data: Pick<Viewers, "viewers"> } & Viewers) };

const POLL_INTERVAL = 5_000;
const PING_INTERVAL = 240_000;
const VIEW_INTERVAL = 30_000;
/** A handshake, `ready` included, or a pong that takes longer has failed. */
const ANSWER_TIMEOUT = 20_000;
const MIN_PAUSE = 500;
const MAX_PAUSE = 30_000;
/** Frames of different conversations can overtake each other, so a gap is given a moment to close. */
const GAP_PAUSE = 300;

/**
 * Applies events from a socket and from the feed, each once and in the order of its inbox or team. The feed is the
 * truth: what the socket did not bring, it brings.
 */
export class EventOrder {
  /** The last applied number, by inbox or team. */
  readonly #applied = new Map<string, number>();

  /** Returns whether the event is the next one of its inbox or team, and then counts it as applied. */
  isNext(event: Schemas["Event"]): "next" | "old" | "gap" {
    const scope = event.inboxId ?? event.teamId ?? event.organizationId;
    const applied = this.#applied.get(scope);
    if (applied !== undefined && event.sequence <= applied) return "old";
    if (applied === undefined || event.sequence > applied + 1) return "gap";
    this.#applied.set(scope, event.sequence);
    return "next";
  }

  /** Removes the events of an update that are applied already. The feed has no gaps. */
  apply(update: EventUpdate): EventUpdate {
    for (const id of [...update.left, ...update.joined, ...update.resync]) this.#applied.delete(id);
    const events = update.events.filter((event) => {
      const scope = event.inboxId ?? event.teamId ?? event.organizationId;
      if (event.sequence <= (this.#applied.get(scope) ?? 0)) return false;
      this.#applied.set(scope, event.sequence);
      return true;
    });
    return { ...update, events };
  }
}

/** Subscribes to events. Reconnects, catches up with the feed, and polls it while there is no connection. */
export function subscribe(api: Api, options: SubscribeOptions): Subscription {
  const live = new LiveEvents(api, options);
  void live.run();
  return live;
}

class LiveEvents implements Subscription {
  readonly #api: Api;
  readonly #options: SubscribeOptions;
  readonly #order = new EventOrder();
  #cursor: string | undefined;
  #socket: Socket | undefined;
  #viewed: string | null = null;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #gap: ReturnType<typeof setTimeout> | undefined;

  constructor(api: Api, options: SubscribeOptions) {
    this.#api = api;
    this.#options = options;
    this.#cursor = options.cursor;
  }

  view(conversationId: string | null): void {
    this.#viewed = conversationId;
    this.#sendView();
  }

  #sendView(): void {
    this.#socket?.send(JSON.stringify({ type: "view", conversationId: this.#viewed }));
  }

  async run(): Promise<void> {
    const { signal, random = Math.random, onConnection, onError } = this.#options;
    let failures = 0;
    try {
      this.#cursor ??= (await this.#retry(() => this.#api.feed(undefined, signal))).nextCursor;
      while (!signal.aborted) {
        const wasConnected = await this.#connect();
        if (signal.aborted) return;
        onConnection?.(false);
        failures = wasConnected ? 0 : failures + 1;
        const pause = Math.max(MIN_PAUSE, random() * Math.min(MAX_PAUSE, MIN_PAUSE * 2 ** Math.min(failures + 1, 10)));
        await this.#pollFor(pause);
      }
    } catch (error) {
      if (!signal.aborted) onError?.(error);
    } finally {
      clearTimeout(this.#gap);
      this.#socket?.close();
    }
  }

  /** Repeats a request until it succeeds or the API refuses the user. */
  async #retry<T>(request: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await request();
      } catch (error) {
        if (this.#options.signal.aborted || isRefusal(error)) throw error;
        await sleep(POLL_INTERVAL, this.#options.signal);
      }
    }
  }

  /** Polls the feed while there is no connection. */
  async #pollFor(pause: number): Promise<void> {
    const { signal } = this.#options;
    for (let left = pause; left > 0; left -= POLL_INTERVAL) {
      await sleep(Math.min(left, POLL_INTERVAL), signal);
      if (left >= POLL_INTERVAL) await this.#catchUp();
    }
    await this.#catchUp();
  }

  /** Opens a connection and returns when it has ended. Returns whether it was ready. */
  async #connect(): Promise<boolean> {
    const { signal, open = (url) => new WebSocket(url) as unknown as Socket } = this.#options;
    let socket: Socket;
    try {
      const { url, ticket } = await this.#api.ticket(signal);
      socket = open(`${url}?ticket=${encodeURIComponent(ticket)}`);
    } catch (error) {
      if (signal.aborted || isRefusal(error)) throw error;
      return false;
    }
    return await new Promise<boolean>((resolve, reject) => {
      let isReady = false;
      const timers = new Set<ReturnType<typeof setInterval>>();
      let answer: ReturnType<typeof setTimeout> | undefined;
      const end = () => {
        clearTimeout(answer);
        for (const timer of timers) clearInterval(timer);
        signal.removeEventListener("abort", end);
        socket.onmessage = socket.onclose = null;
        this.#socket = undefined;
        socket.close();
        resolve(isReady);
      };
      const expectAnswer = () => {
        clearTimeout(answer);
        answer = setTimeout(end, ANSWER_TIMEOUT);
      };
      signal.addEventListener("abort", end, { once: true });
      socket.onclose = end;
      expectAnswer();
      socket.onmessage = ({ data }) => {
        const frame = parse(data);
        if (frame?.type === "ready" && !isReady) {
          clearTimeout(answer);
          isReady = true;
          this.#socket = socket;
          if (this.#viewed !== null) this.#sendView();
          timers.add(
            setInterval(() => {
              socket.send(JSON.stringify({ type: "ping" }));
              expectAnswer();
            }, PING_INTERVAL),
          );
          timers.add(setInterval(() => this.#viewed !== null && this.#sendView(), VIEW_INTERVAL));
          // What happened before the connection was stored is only in the feed.
          this.#catchUp().then(() => this.#socket === socket && this.#options.onConnection?.(true), reject);
        } else if (frame?.type === "pong") clearTimeout(answer);
        else if (frame?.type === "refresh") {
          this.#api.ticket(signal).then(({ ticket }) => socket.send(JSON.stringify({ type: "refresh", ticket })), end);
        } else if (frame?.type === "close") end();
        else if (frame?.type === "event") this.#receive(frame.event);
      };
    });
  }

  #receive(event: Extract<Frame, { type: "event" }>["event"]): void {
    if (event.type === "viewer.changed") {
      const { inboxId, conversationId, data } = event as Viewers & { data: Pick<Viewers, "viewers"> };
      this.#options.onViewers?.({ inboxId, conversationId, viewers: data.viewers });
      return;
    }
    const numbered = event as Schemas["Event"];
    // While the feed is read, it brings the event, or the next reading does.
    const order = this.#reading ? "gap" : this.#order.isNext(numbered);
    if (order === "next") {
      const update = { events: [numbered], joined: [], left: [], resync: [], cursor: this.#cursor ?? "" };
      this.#options.onUpdate(update);
    } else if (order === "gap") {
      this.#gap ??= setTimeout(() => {
        this.#gap = undefined;
        this.#catchUp().catch(() => {});
      }, GAP_PAUSE);
    }
  }

  /** Reads the feed to its end. Requests that come while it runs are one more reading. */
  #catchUp(): Promise<void> {
    if (this.#reading) {
      this.#readAgain = true;
      return this.#reading;
    }
    this.#reading = this.#read().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { signal, onUpdate } = this.#options;
    for (;;) {
      this.#readAgain = false;
      const cursor = this.#cursor ?? "";
      let update: EventUpdate;
      try {
        update = await readUpdate((position) => this.#api.feed(position, signal), cursor);
      } catch (error) {
        if (signal.aborted || isRefusal(error)) throw error;
        await sleep(POLL_INTERVAL, signal);
        continue;
      }
      this.#cursor = update.cursor;
      const isEmpty = update.events.length + update.joined.length + update.left.length + update.resync.length === 0;
      const fresh = this.#order.apply(update);
      if (fresh.events.length + fresh.joined.length + fresh.left.length + fresh.resync.length > 0) onUpdate(fresh);
      if (isEmpty && !this.#readAgain) return;
    }
  }
}

/** Whether the API refuses the user, so that a later attempt does not help. */
function isRefusal(error: unknown): boolean {
  const status = (error as { status?: unknown } | undefined)?.status;
  return status === 400 || status === 401 || status === 403;
}

function parse(data: unknown): Frame | undefined {
  try {
    return JSON.parse(String(data)) as Frame;
  } catch {
    return undefined;
  }
}
