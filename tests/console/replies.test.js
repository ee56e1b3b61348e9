/**
 * Journeys of replies: the lock, and what becomes of a text on its way. ◆ marks the requirements of the first
 * customer.
 */

import assert from "node:assert/strict";

import { api, inbox, sendInbound } from "./browser.js";
import { IDLE_PROMPT_MS, ada, admin, ben, conversationNamed, journeyOf, log, newPhone, openInbox, openNewConversation, reply, replyBox } from "./journey.js";

/** @import { Page } from "playwright-core" */

const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

/** @param {Page} page @param {string} words */
function messageOf(page, words) {
  return log(page).locator("article").filter({ hasText: words });
}

/**
 * Waits until a reply is accepted and its message is shown. The event of the message may come before the answer, and
 * then both are shown for a moment.
 * @param {Page} page
 * @param {string} words
 */
async function waitUntilAccepted(page, words) {
  await log(page).locator("article.pending").filter({ hasText: words }).waitFor({ state: "detached" });
  await messageOf(page, words).getByText(/Accepted|Sent|Delivered/).waitFor();
}

/**
 * Breaks the lock as an admin. The console learns of it when it sends: its renewals are held until the returned function
 * is called.
 * @param {Page} page
 */
async function breakLock(page) {
  // After the answer to one, none is on its way for a while.
  await page.waitForResponse((response) => response.request().method() === "PUT" && /\/lock$/.test(response.url()));
  await page.route(/\/lock$/, (route) => (route.request().method() === "PUT" ? undefined : route.continue()));
  const id = new URL(page.url()).pathname.split("/").at(-1);
  await api(admin, "DELETE", `/v1/inboxes/${inbox.inboxId}/conversations/${id}/lock?force=true`);
  return () => page.unroute(/\/lock$/);
}

// ◆ Opening a conversation locks it. Others see who is responding, and cannot write.
journeyOf("one person responds at a time, and the next one when the first leaves", [ada, ben], async (first, second) => {
  await openNewConversation(first, "Who answers this one?");
  await replyBox(first).fill("I am on it");
  await openInbox(second);
  await conversationNamed(second, "Who answers this one?").click();
  await second.getByRole("status").filter({ hasText: `${ada.name} is responding` }).first().waitFor();
  assert.equal(await replyBox(second).isDisabled(), true);
  await log(second).getByText("Who answers this one?").waitFor();

  await first.getByRole("button", { name: "Leave" }).click();
  await second.getByRole("button", { name: "Respond" }).waitFor();
  await reply(second, "Now it is me");
  await log(second).locator("article").filter({ hasText: "Now it is me" }).getByText(ben.name).waitFor();
  await openInbox(first, "archived");
  await conversationNamed(first, "Now it is me").click();
  await first.getByRole("status").filter({ hasText: `${ben.name} is responding` }).waitFor();
});

// ◆ A lock is released when the window is closed.
journeyOf("closing the window releases the lock", [ada, ben], async (first, second) => {
  await openNewConversation(first, "Closing time");
  await first.locator("#reply:not(:disabled)").waitFor();
  await first.close({ runBeforeUnload: true });
  await openInbox(second);
  await conversationNamed(second, "Closing time").click();
  await second.locator("#reply:not(:disabled)").waitFor();
});

// ◆ The history shows who sent each message, and an answered conversation is archived.
journeyOf("a reply is shown with its sender and its delivery, and archives the conversation", [ada], async (page) => {
  await openNewConversation(page, "Is the office open?");
  await reply(page, "Yes, until five.");
  const message = log(page).locator("article").filter({ hasText: "Yes, until five." });
  await message.getByText(ada.name).waitFor();
  await message.getByText("Delivered").waitFor();
  await openInbox(page, "archived");
  await conversationNamed(page, "Yes, until five.").waitFor();
});

// ◆ The console asks idle users whether they are still working. Without an answer, the lock is released.
journeyOf("an idle user answers the question in time once, and then loses the lock", [ada], async (page) => {
  assert.ok(IDLE_PROMPT_MS <= 30_000, "make console-test sets short times");
  await openNewConversation(page, "Are you there?");
  await replyBox(page).fill("A long draft");
  const question = page.getByRole("alertdialog", { name: "Are you still working?" });
  await question.waitFor({ timeout: IDLE_PROMPT_MS + 15_000 });
  await question.getByRole("button", { name: "I'm still here" }).click();
  await question.waitFor({ state: "hidden" });
  await question.waitFor({ timeout: IDLE_PROMPT_MS + 15_000 });
  await page.getByRole("button", { name: "Respond" }).waitFor({ timeout: 30_000 });
  assert.equal(await question.isVisible(), false);
  assert.equal(await replyBox(page).inputValue(), "A long draft", "the draft is still there");
  assert.equal(await replyBox(page).isDisabled(), true);
});

journeyOf("a reply is held back if a message arrived that the user has not seen", [ada], async (page) => {
  const phone = await openNewConversation(page, "First question");
  await log(page).getByText("First question").waitFor();
  // Nothing new is read until the reply is sent.
  let isHeld = true;
  await page.route(/\/conversations(\?|\/[^/]+\/messages\?)/, async (route) => {
    while (isHeld && route.request().method() === "GET") await new Promise((resolve) => setTimeout(resolve, 100));
    await route.continue();
  });
  await sendInbound(phone, "Wait, another one");
  await replyBox(page).fill("The answer to the first");
  const refused = page.waitForResponse((response) => response.status() === 409);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await refused;
  isHeld = false;
  const dialog = page.getByRole("alertdialog", { name: "New message" });
  await dialog.getByText("Wait, another one").waitFor();
  await dialog.getByRole("button", { name: "Send anyway" }).click();
  await waitUntilAccepted(page, "The answer to the first");
});

journeyOf("a draft is not lost when an admin breaks the lock", [ada], async (page) => {
  await openNewConversation(page, "Please hurry");
  await replyBox(page).fill("Half a sentence");
  await breakLock(page);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("button", { name: "Respond" }).waitFor();
  assert.equal(await replyBox(page).inputValue(), "Half a sentence");
});

journeyOf("a reply whose response is lost is sent again with the same key", [ada], async (page) => {
  await openNewConversation(page, "Do you hear me?");
  await log(page).getByText("Do you hear me?").waitFor();
  /** @type {string[]} */
  const keys = [];
  await page.route(/\/messages$/, async (route) => {
    keys.push(route.request().headers()["idempotency-key"] ?? "");
    if (keys.length > 1) return route.continue();
    await route.fetch();
    return route.abort("connectionreset");
  });
  await reply(page, "Loud and clear");
  const message = messageOf(page, "Loud and clear");
  await message.getByText("Not sent").waitFor();
  await message.getByRole("button", { name: "Try again" }).click();
  await waitUntilAccepted(page, "Loud and clear");
  assert.equal(await message.count(), 1);
  assert.equal(keys[0], keys[1]);
});

journeyOf("a token that expires during a reply is renewed, and the reply is sent once", [ada], async (page) => {
  await openNewConversation(page, "Still signed in?");
  let refusals = 0;
  await page.route(/\/messages$/, (route) =>
    refusals++ === 0 ? route.fulfill({ status: 401, json: { message: "Unauthorized" } }) : route.continue());
  const renewal = page.waitForResponse(/\/console\/session\/refresh$/);
  await reply(page, "Yes, I am");
  assert.equal((await renewal).status(), 200);
  await waitUntilAccepted(page, "Yes, I am");
  assert.equal(await messageOf(page, "Yes, I am").count(), 1);
});

journeyOf("an image is sent and received", [ada], async (page) => {
  const phone = await openNewConversation(page, "Send me the plan");
  await page.locator("#reply:not(:disabled)").waitFor();
  await page.getByLabel("Attach a file").setInputFiles({ name: "plan.png", mimeType: "image/png", buffer: PIXEL });
  await page.getByText("plan.png").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const image = log(page).getByRole("img", { name: "Attachment" });
  await image.waitFor();
  await log(page).getByText(/Accepted|Sent|Delivered/).waitFor(); // until then it is the picture of this page
  const renewed = page.waitForResponse(/\/v1\/messages\/msg_/);
  const opened = page.context().waitForEvent("page");
  // Two hours later, the link has expired. A click reads a new one. The next response corrects the clock again, so the
  // click has to come at once.
  await image.evaluate((/** @type {HTMLElement} */ element) => {
    const now = Date.now;
    Date.now = () => now() + 2 * 3_600_000;
    element.click();
  });
  assert.equal((await renewed).status(), 200);
  await (await opened).close();
  await sendInbound(phone, "And here is mine", { Media: "picture" });
  await log(page).getByText("And here is mine").waitFor();
});

journeyOf("a conversation that is opened in another tab moves there with its lock, and this tab says so", [ada], async (page) => {
  await openNewConversation(page, "Which tab?");
  await replyBox(page).fill("From the first tab");
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.locator("#reply:not(:disabled)").waitFor();
  await page.getByRole("status").filter({ hasText: "You opened this conversation in another tab" }).waitFor();
  assert.equal(await replyBox(page).isDisabled(), true);
  assert.equal(await replyBox(page).inputValue(), "From the first tab", "the draft stays");
  await reply(other, "From the second tab");
  // The pointer of this tab is over the list, whose rows stay, and the reply appears anyway.
  await log(page).locator("article").filter({ hasText: "From the second tab" }).waitFor();
  await page.getByRole("button", { name: "Respond" }).click();
  await page.locator("#reply:not(:disabled)").waitFor();
  await other.getByRole("button", { name: "Respond" }).waitFor();
  await other.close();
});

/**
 * Lets replies wait for their answer until the returned function is called. Then they are answered one after the other.
 * @param {Page} page
 */
async function delayReplies(page) {
  /** @type {() => void} */
  let go = () => {};
  /** @type {Promise<unknown>} */
  let answered = new Promise((resolve) => (go = () => resolve(null)));
  await page.route(/\/messages$/, (route) => {
    answered = answered.then(async () => route.fulfill({ response: await route.fetch() }));
    return answered;
  });
  return go;
}

journeyOf("a reply that is on its way when the user leaves is sent before the lock is released", [ada], async (page) => {
  await openNewConversation(page, "Quick, please");
  await log(page).getByText("Quick, please").waitFor();
  const go = await delayReplies(page);
  await reply(page, "On its way");
  const released = page.waitForResponse((response) => response.request().method() === "DELETE");
  await page.getByRole("button", { name: "Leave" }).click();
  const sent = page.waitForResponse((response) => response.request().method() === "POST" && /\/messages$/.test(response.url()));
  go();
  assert.equal((await sent).status(), 202);
  assert.equal((await released).status(), 204);
  await openInbox(page, "archived");
  await conversationNamed(page, "On its way").click();
  await waitUntilAccepted(page, "On its way");
  assert.equal(await messageOf(page, "On its way").count(), 1);
});

journeyOf("a reply without an answer outlives leaving and a reload, and goes out once", [ada], async (page) => {
  page.on("dialog", (dialog) => dialog.accept());
  await openNewConversation(page, "Bad connection");
  await log(page).getByText("Bad connection").waitFor();
  let isOffline = true;
  /** @type {string[]} */
  const keys = [];
  await page.route(/\/messages$/, async (route) => {
    keys.push(route.request().headers()["idempotency-key"] ?? "");
    return isOffline ? route.abort("connectionreset") : route.continue();
  });
  await reply(page, "Kept for later");
  await messageOf(page, "Kept for later").getByText("Not sent").waitFor();
  await page.getByRole("button", { name: "Leave" }).click();
  await conversationNamed(page, "Bad connection").getByText("Not sent").waitFor();
  await conversationNamed(page, "Bad connection").click();
  await messageOf(page, "Kept for later").getByRole("button", { name: "Try again" }).click();
  await messageOf(page, "Kept for later").getByText("Not sent").waitFor();
  await page.reload();
  await messageOf(page, "Kept for later").getByText("Not sent").waitFor();
  isOffline = false;
  // The lock of the visit in which it was written has ended, so it is a draft again.
  await messageOf(page, "Kept for later").getByRole("button", { name: "Try again" }).click();
  await page.waitForFunction(() => /** @type {HTMLTextAreaElement} */ (document.getElementById("reply")).value === "Kept for later");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await waitUntilAccepted(page, "Kept for later");
  assert.equal(await messageOf(page, "Kept for later").count(), 1);
  assert.equal(new Set(keys.slice(0, 3)).size, 1, "attempts with one key");
});

journeyOf("a reply that is refused after the user left is a draft again, and the user is told", [ada], async (page) => {
  const phone = await openNewConversation(page, "One thing");
  await log(page).getByText("One thing").waitFor();
  const go = await delayReplies(page);
  await reply(page, "To the one thing");
  await page.getByRole("button", { name: "Leave" }).click();
  await sendInbound(phone, "And another");
  await conversationNamed(page, "And another").waitFor();
  go();
  await page.getByRole("status").filter({ hasText: "was not sent" }).waitFor();
  // The question waits for the next visit, also after a reload.
  await conversationNamed(page, "And another").click();
  const dialog = page.getByRole("alertdialog", { name: "New message" });
  await dialog.getByText("And another").waitFor();
  page.once("dialog", (question) => question.accept());
  await page.reload();
  await dialog.getByText("And another").waitFor();
  await page.locator("#reply:not(:disabled)").waitFor();
  await dialog.getByRole("button", { name: "Edit reply" }).click();
  assert.equal(await replyBox(page).inputValue(), "To the one thing");
});

journeyOf("two replies that are held back are asked about one after the other", [ada], async (page) => {
  const phone = await openNewConversation(page, "Two answers, please");
  await log(page).getByText("Two answers, please").waitFor();
  const go = await delayReplies(page);
  await reply(page, "The first answer");
  await reply(page, "The second answer");
  await sendInbound(phone, "No, three");
  await log(page).getByText("No, three").waitFor();
  go();
  const dialog = page.getByRole("alertdialog", { name: "New message" });
  await dialog.getByRole("button", { name: "Send anyway" }).click();
  await waitUntilAccepted(page, "The first answer");
  await dialog.getByRole("button", { name: "Edit reply" }).click();
  assert.equal(await replyBox(page).inputValue(), "The second answer");
});

journeyOf("a reply on its way keeps its lock when the conversation is opened again", [ada], async (page) => {
  await openNewConversation(page, "Once more");
  await log(page).getByText("Once more").waitFor();
  const go = await delayReplies(page);
  await reply(page, "Still on its way");
  await page.getByRole("button", { name: "Leave" }).click();
  await conversationNamed(page, "Once more").click();
  await replyBox(page).click(); // turning to the box acquires a free lock
  const sent = page.waitForResponse((response) => response.request().method() === "POST" && /\/messages$/.test(response.url()));
  go();
  assert.equal((await sent).status(), 202);
  await page.locator("#reply:not(:disabled)").fill("The next one");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await waitUntilAccepted(page, "The next one");
});

journeyOf("a conversation is not archived with a reply that was refused meanwhile", [ada], async (page) => {
  const phone = await openNewConversation(page, "Answer before you archive");
  await log(page).getByText("Answer before you archive").waitFor();
  const go = await delayReplies(page);
  await reply(page, "The answer");
  await sendInbound(phone, "Too late");
  await log(page).getByText("Too late").waitFor();
  const patches = [];
  page.on("request", (request) => request.method() === "PATCH" && patches.push(request.url()));
  await page.getByRole("button", { name: "Archive", exact: true }).click();
  go();
  await page.getByRole("status").filter({ hasText: "was not sent" }).waitFor();
  await page.getByRole("alertdialog", { name: "New message" }).getByRole("button", { name: "Send anyway" }).click();
  await waitUntilAccepted(page, "The answer");
  assert.equal(patches.length, 0);
});

journeyOf("signing out asks first if a reply would be lost", [ada], async (page) => {
  await openNewConversation(page, "Do not forget me");
  await log(page).getByText("Do not forget me").waitFor();
  await page.route(/\/messages$/, (route) => route.abort("connectionreset"));
  await reply(page, "Not forgotten");
  await messageOf(page, "Not forgotten").getByText("Not sent").waitFor();
  // It may have been accepted, so it can be repeated but not be edited.
  assert.equal(await messageOf(page, "Not forgotten").getByRole("button", { name: "Edit" }).count(), 0);
  for (const answer of ["Cancel", "Sign out"]) {
    await page.getByRole("button", { name: "Account menu" }).click();
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByRole("alertdialog", { name: "Sign out and lose texts?" }).getByRole("button", { name: answer }).click();
    if (answer === "Cancel") await messageOf(page, "Not forgotten").getByText("Not sent").waitFor();
  }
  await page.getByLabel("E-mail").waitFor();
});

journeyOf("a draft of an earlier version is kept, and another user does not see it", [ada, ben], async (first, second) => {
  await openNewConversation(first, "Old draft");
  await first.locator("#reply:not(:disabled)").waitFor();
  const address = first.url();
  const id = new URL(address).pathname.split("/").at(-1);
  await first.evaluate((key) => (sessionStorage.clear(), sessionStorage.setItem(key, "Written before the update")), `draft ${id}`);
  await first.reload();
  await first.locator("#reply:not(:disabled)").waitFor();
  assert.equal(await replyBox(first).inputValue(), "Written before the update");
  await first.getByRole("button", { name: "Leave" }).click();
  // Ben has signed in with the browser of Ada.
  const stored = await first.evaluate(() => ({ ...sessionStorage }));
  await second.evaluate((entries) => Object.entries(entries).forEach(([key, value]) => sessionStorage.setItem(key, value)), stored);
  await second.goto(address);
  await second.locator("#reply:not(:disabled)").waitFor();
  assert.equal(await replyBox(second).inputValue(), "");
});

journeyOf("a conversation that could not be archived can be answered", [ada], async (page) => {
  await openNewConversation(page, "Archive me");
  await page.locator("#reply:not(:disabled)").waitFor();
  let isRefused = true;
  await page.route(/\/conversations\/[^/]+$/, (route) =>
    isRefused && route.request().method() === "PATCH" ? route.fulfill({ status: 503, json: { detail: "Try again later." } }) : route.continue());
  await page.getByRole("button", { name: "Archive", exact: true }).click();
  await page.getByRole("status").filter({ hasText: "Try again later." }).waitFor();
  await reply(page, "Still here");
  await waitUntilAccepted(page, "Still here");
  isRefused = false;
});

journeyOf("attached files stay with a text that comes back", [ada], async (page) => {
  await openNewConversation(page, "Send me a file");
  await page.locator("#reply:not(:disabled)").waitFor();
  await page.getByLabel("Attach a file").setInputFiles({ name: "plan.png", mimeType: "image/png", buffer: PIXEL });
  await page.getByRole("button", { name: "Remove plan.png" }).waitFor();
  await replyBox(page).fill("Here it is");
  // Leaving and coming back keeps the draft with its file.
  await page.getByRole("button", { name: "Leave" }).click();
  await conversationNamed(page, "Send me a file").click();
  await page.getByRole("button", { name: "Remove plan.png" }).waitFor();
  await page.locator("#reply:not(:disabled)").waitFor();
  const renewAgain = await breakLock(page);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("button", { name: "Respond" }).waitFor();
  await renewAgain();
  await page.getByRole("button", { name: "Respond" }).click();
  await page.getByRole("button", { name: "Remove plan.png" }).waitFor();
  assert.equal(await replyBox(page).inputValue(), "Here it is");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await log(page).getByRole("img", { name: "Attachment" }).waitFor();
});

journeyOf("a conversation that was opened without a connection is locked when it is back", [ada], async (page) => {
  await openNewConversation(page, "The first of two");
  await page.locator("#reply:not(:disabled)").waitFor();
  await page.mouse.move(900, 400); // no row is added while the pointer is over the list
  await sendInbound(newPhone(), "The second of two");
  await conversationNamed(page, "The second of two").waitFor();
  await page.context().setOffline(true);
  await conversationNamed(page, "The second of two").click();
  await page.getByText("The server cannot be reached").first().waitFor();
  await page.context().setOffline(false);
  await page.locator("#reply:not(:disabled)").waitFor();
  await log(page).getByText("The second of two").waitFor();
});
