import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { type EventUpdate, ProblemError } from "../src/index.js";
import { FakeApi, json, pass, problem } from "./fake-api.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"] }));
afterEach(() => mock.timers.reset());

const feed = (nextCursor: string, sequences: number[] = [], more: object = {}) =>
  json({ items: sequences.map((sequence) => ({ type: "message.created", sequence })), nextCursor, joined: [], left: [], ...more });

const numbers = (update: EventUpdate | void) => update?.events.map((event) => event.sequence);

test("events are polled from the present position, at once while there are any", async () => {
  const api = FakeApi.sequence(
    () => feed("a"),
    () => feed("b", [1, 2]),
    () => feed("c", [3]),
    () => feed("c"),
    () => feed("d", [4]),
  );
  const updates = api.client().events();
  assert.deepEqual(numbers((await updates.next()).value), [1, 2]);
  assert.deepEqual(numbers((await updates.next()).value), [3]);
  const next = updates.next();
  await pass(4_000);
  assert.equal(api.calls.length, 4, "nothing happened, so the client waits");
  await pass(1_000);
  assert.deepEqual(numbers((await next).value), [4]);
  assert.deepEqual(api.calls.map((call) => call.query["cursor"]), [undefined, "a", "b", "c", "c"]);
});

test("an expired cursor is an update that names what to load again, and the feed goes on", async () => {
  const api = FakeApi.sequence(
    () => problem(410, "cursor_expired", { resync: ["inb_1"], nextCursor: "b" }),
    () => feed("c", [9], { joined: ["inb_2"], left: ["inb_3"] }),
  );
  const updates = api.client().events({ cursor: "old" });
  const expired = (await updates.next()).value;
  assert.deepEqual(expired, { events: [], joined: [], left: [], resync: ["inb_1"], cursor: "b" });
  const update = (await updates.next()).value;
  assert.deepEqual([numbers(update), update?.joined, update?.left, update?.cursor], [[9], ["inb_2"], ["inb_3"], "c"]);
});

test("a signal ends the iteration without an error, and other errors are thrown", async () => {
  const api = FakeApi.sequence(() => feed("a"), () => feed("a"));
  const controller = new AbortController();
  const next = api.client().events({ signal: controller.signal }).next();
  await pass(1_000);
  controller.abort();
  assert.deepEqual(await next, { done: true, value: undefined });

  const refused = new FakeApi(() => problem(400, "bad_cursor", {})).client().events({ cursor: "x" });
  await assert.rejects(refused.next(), (error) => error instanceof ProblemError && error.code === "bad_cursor");
});
