import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { type ConversationLock, type LockEvents, ProblemError } from "../src/index.js";
import { FakeApi, json, pass, problem, settle } from "./fake-api.js";
import { FakeLocks, IDLE_PROMPT_SECONDS, IDLE_RELEASE_MS, LEASE_MS, RENEW_SECONDS } from "./fake-locks.js";

const RENEW_MS = RENEW_SECONDS * 1000;
const IDLE_PROMPT_MS = IDLE_PROMPT_SECONDS * 1000;
const NOW = Date.parse("2026-11-30T15:20:30.400Z");

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW }));
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Opens a conversation, and records the events of its lock. */
async function open(locks: FakeLocks): Promise<{ lock: ConversationLock; events: [keyof LockEvents, unknown][] }> {
  const lock = await locks.api.client().openConversation("inb_1", "cnv_1");
  const events: [keyof LockEvents, unknown][] = [];
  for (const name of ["idlePrompt", "idlePromptEnd", "lost"] as const) lock.on(name, (event) => events.push([name, event]));
  return { lock, events };
}

/** The device sleeps: its wall clock goes on, but no timer fires. */
function sleepDevice(milliseconds: number): void {
  mock.timers.setTime(Date.now() + milliseconds);
}

test("a lock is renewed as often as the server says, with the activity since the last renewal", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  assert.equal(lock.token, 7);
  lock.active();
  await pass(RENEW_MS - 250);
  assert.equal(locks.renewals.length, 0);
  await pass(250);
  assert.deepEqual(locks.renewals, [{ token: 7, active: true }]);
  await pass(2 * RENEW_MS);
  assert.deepEqual(locks.renewals.slice(1), [{ token: 7, active: false }, { token: 7, active: false }]);
  assert.ok(lock.held);
  assert.deepEqual(events, []);
});

for (const hours of [-5, 5]) {
  test(`a clock of the server that differs by ${hours} hours changes nothing`, async () => {
    const locks = new FakeLocks();
    locks.skewMs = hours * 3_600_000;
    const { lock, events } = await open(locks);
    await pass(RENEW_MS);
    assert.equal(locks.renewals.length, 1);
    assert.ok(lock.held);
    locks.isReachable = false;
    await pass(LEASE_MS);
    assert.ok(!lock.held);
    assert.deepEqual(events, [["lost", { reason: "unreachable", holder: null, brokenBy: null }]]);
  });
}

test("an idle user is asked when the prompt is due, and activity ends the prompt at once", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  await pass(IDLE_PROMPT_MS);
  assert.deepEqual(events, []);
  await pass(500);
  const [prompt] = events;
  assert.equal(prompt?.[0], "idlePrompt");
  const { releaseInSeconds } = prompt?.[1] as LockEvents["idlePrompt"];
  assert.ok(Math.abs(releaseInSeconds - IDLE_RELEASE_MS / 1000) <= 1, String(releaseInSeconds));

  lock.active();
  await settle();
  assert.deepEqual(locks.renewals.at(-1), { token: 7, active: true });
  assert.deepEqual(events.slice(1), [["idlePromptEnd", undefined]]);
  assert.ok(lock.held);
});

test("a user who does not answer the prompt loses the lock when the server releases it", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  await pass(IDLE_PROMPT_MS + IDLE_RELEASE_MS + 1_000);
  assert.deepEqual(events.map(([name]) => name), ["idlePrompt", "lost"]);
  assert.deepEqual(lock.loss, { reason: "idle", holder: null, brokenBy: null });
  const count = locks.api.calls.length;
  await pass(2 * RENEW_MS);
  assert.equal(locks.api.calls.length, count, "a lost lock is not renewed");
});

test("a device that slept does not believe that it holds the lock", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  sleepDevice(LEASE_MS);
  assert.ok(!lock.held, "before any timer or request");
  assert.equal(lock.loss, null, "the server has not been asked");
  const ben = { id: "ben", name: "Ben Okafor" };
  locks.loss = { reason: "taken", holder: ben };
  await pass(RENEW_MS);
  assert.deepEqual(events, [["lost", { reason: "taken", holder: ben, brokenBy: null }]]);
});

test("a wall clock that is set back does not lengthen the lock", async () => {
  const monotonic = mock.method(performance, "now", () => 0);
  const { lock } = await open(new FakeLocks());
  sleepDevice(-3_600_000);
  monotonic.mock.mockImplementation(() => LEASE_MS - 2_000);
  assert.ok(lock.held);
  monotonic.mock.mockImplementation(() => LEASE_MS);
  assert.ok(!lock.held);
});

test("a renewal that fails is repeated in time, and its activity is not forgotten", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  lock.active();
  locks.isReachable = false;
  await pass(RENEW_MS + 250);
  assert.equal(locks.renewals.length, 1);
  locks.isReachable = true;
  await pass(RENEW_MS / 4);
  assert.deepEqual(locks.renewals, [{ token: 7, active: true }, { token: 7, active: true }]);
  assert.ok(lock.held);
  assert.deepEqual(events, []);
});

test("a broken lock names the admin, once", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  const olivia = { id: "olivia", name: "Olivia Reyes" };
  locks.loss = { reason: "broken", holder: null, brokenBy: olivia };
  for (const text of ["Hello", "Again"]) {
    await assert.rejects(lock.reply({ text }), (error) => error instanceof ProblemError && error.code === "lock_lost");
  }
  await pass(2 * RENEW_MS);
  assert.deepEqual(events, [["lost", { reason: "broken", holder: null, brokenBy: olivia }]]);
  assert.equal(locks.renewals.length, 0);
});

test("a user who is removed from the inbox loses the lock", async () => {
  const locks = new FakeLocks();
  const { events } = await open(locks);
  locks.api.answer = () => problem(404, "not_found");
  await pass(RENEW_MS);
  assert.deepEqual(events, [["lost", { reason: "no_access", holder: null, brokenBy: null }]]);
});

test("a reply carries the token and the newest message that the user has seen, and counts as activity", async () => {
  const locks = new FakeLocks();
  const { lock } = await open(locks);
  assert.deepEqual(lock.recentMessages.map((message) => message.messageId), ["msg_9", "msg_8"]);
  const message = await lock.reply({ text: "Hello" });
  assert.equal(message.messageId, "msg_10");
  lock.markSeen("msg_12");
  await lock.reply({ text: "Again", acceptUnseen: true }, { idempotencyKey: "mine" });
  const replies = locks.api.calls.filter((call) => call.path.endsWith("/messages") && call.method === "POST");
  assert.deepEqual(replies.map((call) => call.body), [
    { text: "Hello", lockToken: 7, lastSeenMessageId: "msg_9" },
    { text: "Again", acceptUnseen: true, lockToken: 7, lastSeenMessageId: "msg_12" },
  ]);
  assert.equal(replies[1]?.headers.get("idempotency-key"), "mine");
  await pass(RENEW_MS);
  assert.deepEqual(locks.renewals, [{ token: 7, active: true }]);
});

test("leaving releases the lock once and ends the renewals", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  await lock.leave();
  await lock.leave();
  assert.ok(!lock.held);
  assert.deepEqual(locks.releases.map((call) => [call.path, call.query]), [
    ["/stage/v1/inboxes/inb_1/conversations/cnv_1/lock", { token: "7" }],
  ]);
  await pass(2 * RENEW_MS);
  assert.equal(locks.renewals.length, 0);
  assert.deepEqual(events, []);
});

test("the end of a block releases the lock", async () => {
  const locks = new FakeLocks();
  {
    await using _lock = (await open(locks)).lock;
    assert.equal(locks.releases.length, 0);
  }
  assert.equal(locks.releases.length, 1);
});

test("leaving without a network is no error", async () => {
  const locks = new FakeLocks();
  const { lock } = await open(locks);
  locks.isReachable = false;
  const left = lock.leave();
  await pass(10_000);
  await left;
});

test("a page that is closed releases the lock with keepalive, and a page that is shown again knows", async () => {
  const page = new EventTarget();
  const globals = { addEventListener: page.addEventListener.bind(page) };
  Object.assign(globalThis, globals);
  try {
    const locks = new FakeLocks();
    const { events } = await open(locks);
    page.dispatchEvent(new Event("pagehide"));
    page.dispatchEvent(new Event("pagehide"));
    await settle();
    assert.equal(locks.releases.length, 1);
    const [release] = locks.releases;
    assert.deepEqual([release?.path, release?.query], ["/stage/v1/inboxes/inb_1/conversations/cnv_1/lock", { token: "7" }]);
    assert.equal(release?.headers.get("authorization"), "Bearer token");
    assert.ok(release?.keepalive);
    assert.deepEqual(events, [["lost", { reason: "released", holder: null, brokenBy: null }]]);
  } finally {
    Reflect.deleteProperty(globalThis, "addEventListener");
  }
});

test("a page that comes back from the background renews a lock that is due", async () => {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  Object.assign(globalThis, { document });
  try {
    const locks = new FakeLocks();
    await open(locks);
    document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    assert.equal(locks.renewals.length, 0);
    sleepDevice(RENEW_MS + 1);
    document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    assert.equal(locks.renewals.length, 1);
  } finally {
    Reflect.deleteProperty(globalThis, "document");
  }
});

test("a conversation that another user holds is not opened", async () => {
  const holder = { id: "ben", name: "Ben Okafor" };
  const api = FakeApi.sequence(() => problem(423, "locked", { holder, expiresAt: "2026-11-30T15:21:30.000Z" }));
  const error = await api.client().openConversation("inb_1", "cnv_1").catch((error: unknown) => error);
  assert.ok(error instanceof ProblemError && error.code === "locked");
  assert.deepEqual(error.holder, holder);
});

test("a conversation of a personal inbox is opened without a lock", async () => {
  const api = FakeApi.sequence(
    () => problem(409, "no_lock"),
    () => json({ items: [{ messageId: "msg_9" }], nextCursor: null }),
    () => json({ messageId: "msg_10" }, { status: 202 }),
  );
  const lock = await api.client().openConversation("inb_1", "cnv_1");
  assert.ok(lock.held);
  await lock.reply({ text: "Hello" });
  assert.deepEqual(api.calls[2]?.body, { text: "Hello", lastSeenMessageId: "msg_9" });
  await pass(LEASE_MS);
  await lock.leave();
  assert.equal(api.calls.length, 3, "nothing is renewed or released");
});

test("a lock is released if the messages cannot be read", async () => {
  const locks = new FakeLocks();
  const answer = locks.api.answer;
  locks.api.answer = (call) => (call.method === "GET" ? problem(500, "internal") : answer(call));
  await assert.rejects(open(locks), (error) => error instanceof ProblemError && error.code === "internal");
  assert.equal(locks.releases.length, 1);
});

test("an answer to a renewal that arrives after the user left is ignored", async () => {
  const locks = new FakeLocks();
  const { lock, events } = await open(locks);
  await pass(IDLE_PROMPT_MS);
  const count = locks.renewals.length;
  const answer = locks.api.answer;
  let respond = () => {};
  locks.api.answer = (call) => (call.method === "PUT" ? new Promise((resolve) => (respond = () => resolve(answer(call)))) : answer(call));
  await pass(500);
  await lock.leave();
  respond();
  await pass(2 * RENEW_MS);
  assert.equal(locks.renewals.length, count + 1);
  assert.deepEqual(events, []);
});

test("an error of a listener does not end the renewals", async () => {
  const locks = new FakeLocks();
  const { lock } = await open(locks);
  const errors: unknown[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.once("uncaughtException", (error) => errors.push(error));
  lock.on("idlePrompt", () => {
    throw new Error("of the listener");
  });
  await pass(IDLE_PROMPT_MS + RENEW_MS);
  for (const listener of listeners) process.on("uncaughtException", listener);
  assert.equal(errors.length, 1);
  assert.ok(lock.held);
});
