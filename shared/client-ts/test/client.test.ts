import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { ConnectionError, ProblemError } from "../src/index.js";
import { FakeApi, json, networkError, pass, problem, settle } from "./fake-api.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"] }));
afterEach(() => mock.timers.reset());

const me = { user: { userId: "amelia" }, teams: [], accounts: [] };
const compose = { body: { from: { apiCode: "FRONT" }, to: { phoneNumber: "+12025550143" }, text: "Hello" } };

/** Awaits an error of the API. */
async function refusal(promise: Promise<unknown>): Promise<ProblemError> {
  const error = await promise.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof ProblemError, String(error));
  return error;
}

test("a request carries the token and keeps the path of the base URL", async () => {
  const api = new FakeApi(() => json(me));
  assert.deepEqual(await api.client().me(), me);
  const [call] = api.calls;
  assert.equal(call?.path, "/stage/v1/me");
  assert.equal(call?.headers.get("authorization"), "Bearer token");
  assert.equal(call?.headers.get("idempotency-key"), null);
});

test("the configuration is read without a token", async () => {
  const config = { version: "0.1.0", signIn: { authorizeUrl: null } };
  const api = new FakeApi(() => json(config));
  const token = () => assert.fail("nobody has signed in yet");
  assert.deepEqual(await api.client({ token }).config(), config);
  const [call] = api.calls;
  assert.deepEqual([call?.path, call?.headers.get("authorization")], ["/stage/v1/config", null]);
});

test("IDs in paths are escaped", async () => {
  const api = new FakeApi(() => json({}));
  await api.client().get("/v1/inboxes/{inboxId}", { params: { path: { inboxId: "a/b" } } });
  assert.equal(api.calls[0]?.path, "/stage/v1/inboxes/a%2Fb");
});

test("a POST is repeated with its idempotency key and body after the network failed and the API was busy", async () => {
  const api = FakeApi.sequence(
    networkError,
    () => problem(503, "unavailable", {}, { "retry-after": "7" }),
    () => json({ message: "Too Many Requests" }, { status: 429 }),
    () => json({ messageId: "msg_1" }, { status: 202 }),
  );
  const sent = api.client().post("/v1/messages", compose);
  await pass(500);
  assert.equal(api.calls.length, 2, "the network failed");
  await pass(6_750);
  assert.equal(api.calls.length, 2, "Retry-After is observed");
  await pass(4_000);
  assert.equal((await sent).messageId, "msg_1");
  assert.equal(api.calls.length, 4);
  const keys = new Set(api.calls.map((call) => call.headers.get("idempotency-key")));
  assert.equal(keys.size, 1);
  assert.match([...keys][0] ?? "", /^[0-9a-f-]{36}$/);
  for (const call of api.calls) assert.deepEqual(call.body, compose.body);
});

test("two POSTs have different idempotency keys, and a key of the caller is kept", async () => {
  const api = new FakeApi(() => json({}, { status: 202 }));
  const client = api.client();
  await client.post("/v1/messages", compose);
  await client.post("/v1/messages", compose);
  await client.post("/v1/messages", { ...compose, params: { header: { "Idempotency-Key": "mine" } } });
  const keys = api.calls.map((call) => call.headers.get("idempotency-key"));
  assert.notEqual(keys[0], keys[1]);
  assert.equal(keys[2], "mine");
});

test("retries end after the maximum", async () => {
  const api = new FakeApi(networkError);
  const sent = assert.rejects(api.client({ maxRetries: 2 }).me(), (error) => error instanceof ConnectionError && error.cause instanceof TypeError);
  await pass(10_000);
  await sent;
  assert.equal(api.calls.length, 3);
});

test("too many locks and a long Retry-After are not waited for", async () => {
  const held = [{ inboxId: "inb_1", conversationId: "cnv_1", expiresAt: "2026-11-30T15:21:30.000Z" }];
  const locks = FakeApi.sequence(() => problem(429, "too_many_locks", { limit: 1, held }, { "retry-after": "5" }));
  const error = await refusal(locks.client().openConversation("inb_1", "cnv_2"));
  assert.deepEqual(error.code === "too_many_locks" && error.held, held);
  assert.equal(error.retryAfterSeconds, 5);

  const busy = FakeApi.sequence(() => problem(503, "unavailable", {}, { "retry-after": "3600" }));
  assert.equal((await refusal(busy.client().me())).code, "unavailable");
});

test("an error has the code, the detail, the request ID and the data of the API", async () => {
  const errors = [{ pointer: "/text", detail: "Must not be empty." }];
  const api = FakeApi.sequence(() => problem(400, "malformed", { errors }));
  const error = await refusal(api.client().post("/v1/messages", compose));
  assert.equal(error.code, "malformed");
  assert.equal(error.status, 400);
  assert.equal(error.message, "Details of malformed.");
  assert.equal(error.requestId, "req-1");
  assert.deepEqual(error.code === "malformed" && error.errors, errors);
  assert.equal(error.name, "ProblemError");
  assert.ok(error instanceof Error && error.stack);
});

test("an error of the gateway has the ID of its header", async () => {
  const api = FakeApi.sequence(() => json({ message: "Not Found" }, { status: 404, headers: { "apigw-requestid": "gw-1" } }));
  const error = await refusal(api.client().me());
  assert.deepEqual([error.code, error.status, error.detail, error.requestId], ["gateway_error", 404, "Not Found", "gw-1"]);
});

test("an error without JSON is an error of the gateway", async () => {
  const api = FakeApi.sequence(() => new Response("<html>", { status: 502 }));
  assert.deepEqual((await refusal(api.client().me())).detail, "Status 502");
});

test("a refused token is replaced once", async () => {
  const asked: boolean[] = [];
  const token = ({ refused }: { refused: boolean }) => {
    asked.push(refused);
    return refused ? "new" : "old";
  };
  const unauthorized = () => json({ message: "Unauthorized" }, { status: 401 });
  const api = FakeApi.sequence(unauthorized, () => json(me));
  await api.client({ token }).me();
  assert.deepEqual(api.calls.map((call) => call.headers.get("authorization")), ["Bearer old", "Bearer new"]);

  const signedOut = FakeApi.sequence(unauthorized, unauthorized);
  assert.equal((await refusal(signedOut.client({ token }).me())).status, 401);
  assert.deepEqual(asked, [false, true, false, true]);
});

test("an aborted request is not repeated", async () => {
  const api = new FakeApi(() => new Promise(() => {}));
  const controller = new AbortController();
  const sent = assert.rejects(api.client({ maxRetries: 0 }).get("/v1/me", { signal: controller.signal }), /stop/);
  await settle();
  controller.abort(new Error("stop"));
  await sent;
  assert.equal(api.calls.length, 1);
});

test("an abort ends the pause before a retry", async () => {
  const api = new FakeApi(networkError);
  const controller = new AbortController();
  const sent = assert.rejects(api.client().get("/v1/me", { signal: controller.signal }), /stop/);
  await settle();
  controller.abort(new Error("stop"));
  await sent;
  await pass(5_000);
  assert.equal(api.calls.length, 1);
});

test("an attempt without an answer ends and is repeated", async () => {
  const api = FakeApi.sequence(() => json(me));
  const answer = api.answer;
  api.answer = (call) => (api.calls.length === 1 ? new Promise(() => {}) : answer(call));
  mock.timers.reset();
  const running = setInterval(() => {}, 1000); // a timeout alone does not keep the process running
  assert.deepEqual(await api.client({ timeoutMs: 5 }).me(), me);
  clearInterval(running);
});

test("a token that does not come ends the attempt", async () => {
  const api = new FakeApi(() => json(me));
  mock.timers.reset();
  const running = setInterval(() => {}, 1000);
  const sent = api.client({ timeoutMs: 5, token: () => new Promise(() => {}) }).me();
  await assert.rejects(sent, { name: "TimeoutError" });
  clearInterval(running);
  assert.equal(api.calls.length, 0);
});

test("a CSV file is sent as it is", async () => {
  const api = new FakeApi(() => json({ importId: "imp_1" }, { status: 202 }));
  const file = 'ContactId,FirstName\n7,"Ada"\n';
  await api.client().post("/v1/teams/{teamId}/contact-imports", {
    params: { path: { teamId: "team_1" }, query: { dryRun: true } },
    headers: { "content-type": "text/csv" },
    body: file,
  });
  const [call] = api.calls;
  assert.equal(call?.headers.get("content-type"), "text/csv");
  assert.equal(call?.body, file);
  assert.deepEqual(call?.query, { dryRun: "true" });
});

test("a list reads one page after the other with the same filters", async () => {
  const page = (ids: string[], nextCursor: string | null) => () => json({ items: ids.map((conversationId) => ({ conversationId })), nextCursor });
  const api = FakeApi.sequence(page(["a", "b"], "c1"), page([], "c2"), page(["c"], null));
  const ids = [];
  for await (const { conversationId } of api.client().conversations.list("inb_1", { read: "unread", limit: 2 })) ids.push(conversationId);
  assert.deepEqual(ids, ["a", "b", "c"]);
  const filters = { read: "unread", limit: "2" };
  assert.deepEqual(api.calls.map((call) => call.query), [filters, { ...filters, cursor: "c1" }, { ...filters, cursor: "c2" }]);
});

test("a list reads no further page than the caller needs", async () => {
  const api = new FakeApi(() => json({ items: [1, 2], nextCursor: "more" }));
  const list = api.client().list("/v1/teams");
  assert.equal(api.calls.length, 0);
  for await (const _ of list) break;
  assert.equal(api.calls.length, 1);
});

test("a list continues at a cursor", async () => {
  const api = new FakeApi(() => json({ items: [], nextCursor: null }));
  const list = api.client().messages.list("inb_1", "cnv_1");
  assert.equal((await list.page("c5")).nextCursor, null);
  for await (const page of list.pages("c6")) assert.deepEqual(page.items, []);
  assert.deepEqual(api.calls.map((call) => call.query), [{ cursor: "c5" }, { cursor: "c6" }]);
});
