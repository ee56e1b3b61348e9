import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import type { ChangeEvent, EventUpdate } from "../src/index.js";
import { type Api, type Socket, subscribe, type SubscribeOptions } from "../src/subscription.js";
import { pass } from "./fake-api.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] }));
afterEach(() => mock.timers.reset());

/** A deterministic source of numbers from 0 to 1. */
function randomOf(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) | 0;
    return ((state >>> 0) % 100_003) / 100_003;
  };
}

const event = (inboxId: string, sequence: number): ChangeEvent =>
  ({ eventId: `${inboxId}-${sequence}`, type: "message.created", inboxId, organizationId: "org_1", sequence, data: {} }) as never;

/** The events of inboxes, a feed over them, and the sockets that a client opens. */
class FakeServer implements Api {
  readonly log = new Map<string, number>();
  readonly sockets: FakeSocket[] = [];
  feedCalls = 0;
  tickets = 0;
  isReachable = true;

  happen(inboxId: string): ChangeEvent {
    const sequence = (this.log.get(inboxId) ?? 0) + 1;
    this.log.set(inboxId, sequence);
    return event(inboxId, sequence);
  }

  async feed(cursor: string | undefined) {
    this.feedCalls += 1;
    const from = new Map<string, number>(cursor === undefined ? this.log : (JSON.parse(cursor) as [string, number][]));
    const items: ChangeEvent[] = [];
    for (const [inboxId, newest] of this.log) {
      for (let sequence = (from.get(inboxId) ?? 0) + 1; sequence <= newest && items.length < 3; sequence += 1) {
        items.push(event(inboxId, sequence));
        from.set(inboxId, sequence);
      }
    }
    return { items, joined: [], left: [], nextCursor: JSON.stringify([...from]) } as never;
  }

  async ticket() {
    if (!this.isReachable) throw new TypeError("fetch failed");
    this.tickets += 1;
    return { url: "ws://fake/live", ticket: `t${this.tickets}`, expiresAt: "" };
  }

  readonly open = (url: string): Socket => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    return socket;
  };

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    assert.ok(socket, "no socket was opened");
    return socket;
  }
}

class FakeSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  isClosed = false;
  readonly sent: Record<string, unknown>[] = [];

  constructor(readonly url: string) {}

  send(frame: string): void {
    this.sent.push(JSON.parse(frame) as Record<string, unknown>);
  }

  close(): void {
    this.isClosed = true;
  }

  deliver(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  drop(): void {
    this.onclose?.();
  }
}

function start(server: FakeServer, options: Partial<SubscribeOptions> = {}) {
  const controller = new AbortController();
  const updates: EventUpdate[] = [];
  const connection: boolean[] = [];
  const subscription = subscribe(server, {
    onUpdate: (update) => updates.push(update),
    onConnection: (isConnected) => connection.push(isConnected),
    signal: controller.signal,
    open: server.open,
    random: () => 0,
    ...options,
  });
  const applied = () => updates.flatMap((update) => update.events.map((one) => `${one.inboxId}-${one.sequence}`));
  return { subscription, updates, connection, applied, stop: () => controller.abort() };
}

test("events come from the socket without a request, each once", async () => {
  const server = new FakeServer();
  server.happen("a");
  const client = start(server, { cursor: "[]" });
  await pass(0);
  assert.equal(server.last.url, "ws://fake/live?ticket=t1");
  server.last.deliver({ type: "ready", cursor: "[]" });
  await pass(0);
  assert.deepEqual(client.applied(), ["a-1"], "what happened before the connection");
  assert.deepEqual(client.connection, [true]);

  const calls = server.feedCalls;
  const second = server.happen("a");
  for (let times = 0; times < 2; times += 1) server.last.deliver({ type: "event", event: second });
  await pass(60_000);
  assert.deepEqual(client.applied(), ["a-1", "a-2"]);
  assert.equal(server.feedCalls, calls, "no request while the socket brings everything");
  client.stop();
});

test("a gap is filled from the feed", async () => {
  const server = new FakeServer();
  server.happen("a");
  const client = start(server, { cursor: "[]" });
  await pass(0);
  server.last.deliver({ type: "ready" });
  await pass(0);
  server.happen("a");
  server.last.deliver({ type: "event", event: server.happen("a") });
  await pass(299);
  assert.deepEqual(client.applied(), ["a-1"]);
  await pass(1);
  assert.deepEqual(client.applied(), ["a-1", "a-2", "a-3"]);
  client.stop();
});

test("a lost connection is opened again with a new ticket, after polling the feed", async () => {
  const server = new FakeServer();
  const client = start(server);
  await pass(0);
  server.last.deliver({ type: "ready" });
  await pass(0);
  server.happen("a");
  server.last.drop();
  await pass(500);
  assert.deepEqual(client.applied(), ["a-1"]);
  assert.deepEqual([server.sockets.length, server.last.url], [2, "ws://fake/live?ticket=t2"]);
  server.last.deliver({ type: "ready" });
  await pass(0);
  assert.deepEqual(client.connection, [true, false, true]);
  client.stop();
  assert.ok(server.last.isClosed);
});

test("the feed is polled every five seconds while sockets are blocked", async () => {
  const server = new FakeServer();
  server.isReachable = false;
  const client = start(server, { random: () => 1 });
  await pass(60_000);
  server.happen("a");
  await pass(5_000);
  assert.deepEqual(client.applied(), ["a-1"]);
  client.stop();
});

test("a ping keeps the connection, a missing pong ends it, and a refresh sends a new ticket", async () => {
  const server = new FakeServer();
  const client = start(server);
  await pass(0);
  const first = server.last;
  first.deliver({ type: "ready" });
  await pass(240_000);
  assert.deepEqual(first.sent, [{ type: "ping" }]);
  first.deliver({ type: "pong" });
  first.deliver({ type: "refresh" });
  await pass(0);
  assert.deepEqual(first.sent.at(-1), { type: "refresh", ticket: "t2" });
  await pass(240_000 + 20_000);
  assert.ok(first.isClosed, "no pong");
  client.stop();
});

test("a view is sent, repeated every half minute, and sent again after a reconnect", async () => {
  const server = new FakeServer();
  const viewers: unknown[] = [];
  const client = start(server, { onViewers: (one) => viewers.push(one) });
  client.subscription.view("cnv_1");
  await pass(0);
  server.last.deliver({ type: "ready" });
  await pass(30_000);
  const view = { type: "view", conversationId: "cnv_1" };
  assert.deepEqual(server.last.sent, [view, view]);
  const changed = { type: "viewer.changed", inboxId: "a", conversationId: "cnv_1", data: { viewers: [{ userId: "u", name: "U" }] } };
  server.last.deliver({ type: "event", event: changed });
  assert.deepEqual(viewers, [{ inboxId: "a", conversationId: "cnv_1", viewers: [{ userId: "u", name: "U" }] }]);
  client.subscription.view(null);
  assert.deepEqual(server.last.sent.at(-1), { type: "view", conversationId: null });
  client.stop();
});

test("a refused user ends the subscription with an error", async () => {
  const server = new FakeServer();
  const errors: unknown[] = [];
  server.ticket = async () => {
    throw Object.assign(new Error("refused"), { status: 403 });
  };
  start(server, { onError: (error) => errors.push(error) });
  await pass(0);
  assert.equal((errors[0] as Error).message, "refused");
});

test("any loss, repetition and order of frames ends in the state of the feed", async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomOf(seed);
    const server = new FakeServer();
    const client = start(server, { cursor: "[]", random });
    await pass(0);
    const waiting: ChangeEvent[] = [];
    for (let step = 0; step < 40; step += 1) {
      const choice = random();
      const socket = server.last;
      if (choice < 0.4) {
        const next = server.happen(["a", "b", "c"][Math.floor(random() * 3)] ?? "a");
        if (random() < 0.8) waiting.push(next);
        if (random() < 0.2) waiting.push(next);
      } else if (choice < 0.75 && waiting.length > 0) {
        const [chosen] = waiting.splice(Math.floor(random() * waiting.length), 1);
        socket.deliver({ type: "event", event: chosen });
      } else if (choice < 0.8) socket.drop();
      else if (choice < 0.9) socket.deliver({ type: "ready" });
      else await pass(Math.floor(random() * 2_000));
    }
    // The connection ends, and the next one is ready: the last reading of the feed comes after everything.
    server.last.drop();
    await pass(31_000);
    server.last.deliver({ type: "ready" });
    await pass(1_000);
    const expected = [...server.log].flatMap(([inboxId, newest]) =>
      Array.from({ length: newest }, (_, index) => `${inboxId}-${index + 1}`),
    );
    const applied = client.applied();
    assert.deepEqual([...applied].sort(), [...expected].sort(), `seed ${seed}: each event once`);
    for (const inboxId of server.log.keys()) {
      const numbers = applied.filter((id) => id.startsWith(`${inboxId}-`)).map((id) => Number(id.split("-")[1]));
      assert.deepEqual(numbers, [...numbers].sort((one, next) => one - next), `seed ${seed}: in order`);
    }
    client.stop();
    await pass(0);
  }
});
