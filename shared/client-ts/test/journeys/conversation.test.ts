/** Journeys of a front end through the client, against the local cloud with the short lock times of `make client-test`. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { type LockLoss, ProblemError, type ConversationLock } from "shared-inbox-client";

import { admin, amelia, ben, clientOf, inbox, newConversation, sendInbound, stack } from "./stack.js";

const options = { timeout: 60_000 };

async function refusal(promise: Promise<unknown>): Promise<ProblemError> {
  const error = await promise.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof ProblemError, String(error));
  return error;
}

/** Opens a conversation as Ben. A lock that ended is free after the skew that clocks may have. */
async function openOnceFree(conversationId: string): Promise<ConversationLock> {
  for (;;) {
    try {
      return await clientOf(ben).openConversation(inbox.inboxId, conversationId);
    } catch (error) {
      if (!(error instanceof ProblemError && error.code === "locked")) throw error;
      await setTimeout(200);
    }
  }
}

function once(lock: ConversationLock, name: "lost"): Promise<LockLoss>;
function once(lock: ConversationLock, name: "idlePrompt"): Promise<{ releaseInSeconds: number }>;
function once(lock: ConversationLock, name: "lost" | "idlePrompt"): Promise<unknown> {
  return new Promise((resolve) => lock.on(name, resolve));
}

test("a user opens, answers and leaves a conversation, and the next user sees the answer", options, async () => {
  const { conversationId } = await newConversation("Is the 3 pm slot still free?");
  const lock = await clientOf(amelia).openConversation(inbox.inboxId, conversationId);
  assert.deepEqual(lock.recentMessages.map((message) => message.text), ["Is the 3 pm slot still free?"]);
  assert.ok(lock.held);

  const error = await refusal(clientOf(ben).openConversation(inbox.inboxId, conversationId));
  assert.ok(error.code === "locked");
  assert.deepEqual(error.holder, { id: amelia.id, name: amelia.name });

  const message = await lock.reply({ text: "Yes, see you at three." });
  assert.equal(message.sender?.name, amelia.name);
  await lock.leave();

  await using next = await clientOf(ben).openConversation(inbox.inboxId, conversationId);
  assert.equal(next.recentMessages[0]?.text, "Yes, see you at three.");
  assert.ok(next.token! > lock.token!);
});

test("a user who stays active keeps the lock past the lease", options, async () => {
  const { conversationId } = await newConversation("Hello?");
  await using lock = await clientOf(amelia).openConversation(inbox.inboxId, conversationId);
  const keysPressed = setInterval(() => lock.active(), 1_000);
  await setTimeout(14_000); // longer than the lease and the idle times
  clearInterval(keysPressed);
  assert.equal(lock.loss, null);
  assert.ok(lock.held);
  assert.equal((await lock.reply({ text: "Still here." })).text, "Still here.");
});

test("an idle user is asked, and loses the lock without an answer", options, async () => {
  const { conversationId } = await newConversation("Anyone there?");
  const lock = await clientOf(amelia).openConversation(inbox.inboxId, conversationId);
  const lost = once(lock, "lost");
  const { releaseInSeconds } = await once(lock, "idlePrompt");
  assert.ok(releaseInSeconds > 0 && releaseInSeconds <= 5, String(releaseInSeconds));
  assert.ok(lock.held);
  assert.equal((await lost).reason, "idle");
  assert.ok(!lock.held);
  assert.equal((await refusal(lock.reply({ text: "Too late." }))).code, "lock_lost");
  await using _next = await openOnceFree(conversationId);
});

test("a user who answers the prompt keeps the lock", options, async () => {
  const { conversationId } = await newConversation("Are you there?");
  await using lock = await clientOf(amelia).openConversation(inbox.inboxId, conversationId);
  const ended = new Promise((resolve) => lock.on("idlePromptEnd", resolve));
  await once(lock, "idlePrompt");
  lock.active();
  await ended;
  assert.ok(lock.held);
});

test("an admin who breaks the lock is named", options, async () => {
  const { conversationId } = await newConversation("I need help.");
  const lock = await clientOf(amelia).openConversation(inbox.inboxId, conversationId);
  const lost = once(lock, "lost");
  await clientOf(admin).delete("/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", {
    params: { path: { inboxId: inbox.inboxId, conversationId }, query: { force: true } },
  });
  assert.deepEqual(await lost, { reason: "broken", holder: null, brokenBy: { id: admin.id, name: admin.name } });
});

test("a message that arrives while the user writes stops the reply until it is seen", options, async () => {
  const { conversationId, phone } = await newConversation("Can we move to Friday?");
  await using lock = await clientOf(amelia).openConversation(inbox.inboxId, conversationId);
  await sendInbound(phone, "No, Monday.");
  const error = await refusal(lock.reply({ text: "Friday is fine." }));
  assert.ok(error.code === "unseen_message");
  assert.equal(error.unseenMessage?.text, "No, Monday.");
  lock.markSeen(error.unseenMessageId);
  assert.equal((await lock.reply({ text: "Monday is fine." })).text, "Monday is fine.");
});

test("lists continue over pages", options, async () => {
  await newConversation("One");
  await newConversation("Two");
  await newConversation("Three");
  const ids = [];
  for await (const { conversationId } of clientOf(amelia).conversations.list(inbox.inboxId, { limit: 2 })) {
    ids.push(conversationId);
    if (ids.length === 3) break;
  }
  assert.equal(new Set(ids).size, 3);
});

test("the program of README.md answers the newest conversation", options, async () => {
  const { conversationId } = await newConversation("Do you open on Saturdays?");
  Object.assign(globalThis, { apiUrl: stack.apiUrl, idToken: amelia.token });
  await import(new URL("../../pages/readme.js", import.meta.url).href);
  const [newest] = (await clientOf(ben).messages.list(inbox.inboxId, conversationId).page()).items;
  assert.equal(newest?.text, "Yes, see you at three.");
  await using _lock = await clientOf(ben).openConversation(inbox.inboxId, conversationId);
});
