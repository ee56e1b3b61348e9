// Compiles only if the client has the types that the API has. It is not run.

import { type Conversation, type Me, type Message, ProblemError, SharedInboxClient } from "../src/index.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<Expected>() {
  return <Actual>(_value: Actual, _isEqual: Equal<Actual, Expected> extends true ? "equal" : never) => {};
}

const client = new SharedInboxClient({ baseUrl: "https://api.example.com", token: async () => "token" });

export async function requestsReturnTheBodyOfTheResponse() {
  expectType<Me>()(await client.me(), "equal");
  expectType<Me>()(await client.get("/v1/me"), "equal");
  const inbox = await client.patch("/v1/inboxes/{inboxId}", { params: { path: { inboxId: "inb_1" } }, body: { name: "Front desk" } });
  expectType<string>()(inbox.inboxId, "equal");
  const message = await client.post("/v1/messages", {
    body: { from: { apiCode: "FRONT" }, to: { phoneNumber: "+12025550143" }, text: "Hello" },
  });
  expectType<Message>()(message, "equal");
  expectType<undefined>()(await client.delete("/v1/inboxes/{inboxId}", { params: { path: { inboxId: "inb_1" } } }), "equal");
}

export async function wrongRequestsDoNotCompile() {
  // @ts-expect-error there is no such path
  await client.get("/v1/mee");
  // @ts-expect-error the path has no such method
  await client.post("/v1/me");
  // @ts-expect-error the ID is missing
  await client.get("/v1/inboxes/{inboxId}");
  // @ts-expect-error the parameter has another name
  await client.get("/v1/inboxes/{inboxId}", { params: { path: { inbox: "inb_1" } } });
  // @ts-expect-error a recipient is one of two fields
  await client.post("/v1/messages", { body: { from: { apiCode: "FRONT" }, to: {}, text: "Hello" } });
  // @ts-expect-error there is no such option
  await client.get("/v1/me", { parameters: {} });
}

export async function listsHaveItemsOfTheirKind() {
  for await (const conversation of client.conversations.list("inb_1", { folder: "archived", read: "unread" })) {
    expectType<Conversation>()(conversation, "equal");
    expectType<"inbox" | "archived">()(conversation.folder, "equal");
  }
  for await (const contact of client.list("/v1/teams/{teamId}/contacts", { params: { path: { teamId: "team_1" }, query: { q: "Ada" } } })) {
    expectType<string>()(contact.contactId, "equal");
  }
  for await (const { items, nextCursor } of client.list("/v1/teams").pages()) {
    expectType<string>()(items[0]!.teamId, "equal");
    expectType<string | null>()(nextCursor, "equal");
  }
  // @ts-expect-error there is no such folder
  client.conversations.list("inb_1", { folder: "trash" });
  // @ts-expect-error the list sets the cursor
  client.conversations.list("inb_1", { cursor: "c" });
  // @ts-expect-error this path has no list
  client.list("/v1/me");
}

export function errorsHaveTheDataOfTheirCode(error: unknown): unknown {
  if (!(error instanceof ProblemError)) throw error;
  expectType<string>()(error.detail, "equal");
  expectType<string>()(error.requestId, "equal");
  // @ts-expect-error only some errors have a holder
  error.holder;
  switch (error.code) {
    case "locked":
      expectType<423>()(error.status, "equal");
      return error.holder.name;
    case "lock_lost":
      return error.brokenBy?.name ?? error.holder?.name ?? error.reason;
    case "unseen_message":
      expectType<Message | null>()(error.unseenMessage, "equal");
      return error.unseenMessage?.text;
    case "too_many_locks":
      return error.held.map((lock) => lock.conversationId);
    case "malformed":
      return error.errors?.map(({ pointer, detail }) => `${pointer}: ${detail}`);
    case "gateway_error":
      return error.status === 401 ? "Sign in again." : error.message;
    // @ts-expect-error there is no such code
    case "lokced":
      return undefined;
  }
  return error.retryAfterSeconds;
}

export async function aLockCarriesItsTokenByItself() {
  await using lock = await client.openConversation("inb_1", "cnv_1");
  lock.on("idlePrompt", ({ releaseInSeconds }) => expectType<number>()(releaseInSeconds, "equal"));
  lock.on("lost", ({ reason, holder, brokenBy }) => [reason === "idle", holder?.name, brokenBy?.name]);
  // @ts-expect-error there is no such event
  lock.on("found", () => {});
  // @ts-expect-error there is no such reason
  lock.on("lost", ({ reason }) => reason === "bored");
  expectType<Message>()(await lock.reply({ text: "Hello", media: ["med_1"] }), "equal");
  // @ts-expect-error the lock sends its own token
  await lock.reply({ text: "Hello", lockToken: 7 });
}
