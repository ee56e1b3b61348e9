/**
 * Journeys of Compose, and of what becomes of a text when it fails late, the session ends, or another user signs in.
 */

import assert from "node:assert/strict";

import { api, inbox, sendInbound, stack } from "./browser.js";
import { ada, admin, ben, conversationNamed, journeyOf, log, newPhone, openInbox, openNewConversation, replyBox } from "./journey.js";

/** @import { Page, Route } from "playwright-core" */
/** @import { User } from "./browser.js" */

const UNAUTHORIZED = { status: 401, json: { message: "Unauthorized" } };

/** @param {Page} page */
const dialogOf = (page) => page.getByRole("dialog", { name: "Compose" });
/** @param {Page} page */
const messageBox = (page) => dialogOf(page).getByRole("textbox", { name: "Message" });

/** @param {Page} page @param {string} text @param {string} [phone] */
async function compose(page, text, phone = newPhone()) {
  await page.getByRole("button", { name: "Compose" }).click();
  await dialogOf(page).getByRole("combobox", { name: "From" }).selectOption(inbox.inboxId);
  await dialogOf(page).getByRole("combobox", { name: "To" }).fill(phone);
  await messageBox(page).fill(text);
}

/** @param {Page} page @param {string} name */
const press = (page, name) => dialogOf(page).getByRole("button", { name, exact: true }).click();

/** @param {Page} page @param {User} user */
async function enter(page, user) {
  await page.getByLabel("E-mail").fill(user.email);
  await page.getByLabel("Password").fill(user.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Accounts" }).waitFor();
}

/**
 * Holds the answers to composed messages back until the returned function is called. `isLost` loses an answer.
 * @param {Page} page
 * @param {(attempt: number) => boolean} [isLost]
 */
async function holdAnswers(page, isLost = () => false) {
  /** @type {() => void} */
  let go = () => {};
  const signal = new Promise((resolve) => (go = () => resolve(null)));
  /** @type {string[]} */
  const keys = [];
  await page.route(/\/v1\/messages$/, async (/** @type {Route} */ route) => {
    keys.push(route.request().headers()["idempotency-key"] ?? "");
    const response = await route.fetch();
    await signal;
    return isLost(keys.length) ? route.abort("connectionreset") : route.fulfill({ response });
  });
  return { go, keys };
}

journeyOf("what a user sends is not sent by another who signed in in the meantime in another tab", [ada], async (page) => {
  await compose(page, "This is from Ada");
  let isOffline = true;
  let sent = 0;
  await page.route(/\/(v1|console\/session)\//, (route) => {
    // A new connection would show the other user before anything is sent.
    if (isOffline || /\/realtime-tickets$/.test(route.request().url())) return route.abort();
    if (!/\/v1\/messages$/.test(route.request().url())) return route.continue();
    return sent++ === 0 ? route.fulfill(UNAUTHORIZED) : route.continue();
  });
  const other = await page.context().newPage();
  await other.goto(stack.consoleUrl);
  await other.getByRole("button", { name: "Account menu" }).click();
  await other.getByRole("button", { name: "Sign out" }).click();
  await enter(other, ben);
  isOffline = false;
  await press(page, "Send");
  await page.getByRole("alert").filter({ hasText: "Another user has signed in" }).waitFor();
  assert.equal(sent, 1, "the request is not repeated with the token of the other user");
  assert.equal(await page.getByRole("dialog").count(), 0);
  await page.getByRole("button", { name: "Continue as that user" }).click();
  await page.getByText(ben.name, { exact: true }).first().waitFor();
  await page.getByRole("button", { name: "Compose" }).click();
  assert.equal(await messageBox(page).inputValue(), "", "the draft was the first user's");
  await other.close();
});

journeyOf("a message that fails after Compose was closed is kept there, and goes out once", [admin], async (page) => {
  const { go, keys } = await holdAnswers(page, (attempt) => attempt === 1);
  await compose(page, "Kept until it is sent");
  await press(page, "Send");
  await page.keyboard.press("Escape");
  await dialogOf(page).waitFor({ state: "hidden" });
  go();
  await page.getByRole("status").filter({ hasText: "It is kept in Compose" }).waitFor();
  // It may be lost or sent, so signing out asks.
  await page.getByRole("button", { name: "Account menu" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("alertdialog", { name: "Sign out and lose texts?" }).getByRole("button", { name: "Cancel" }).click();
  await page.reload();
  await page.getByRole("button", { name: "Compose" }).click();
  assert.equal(await messageBox(page).inputValue(), "Kept until it is sent");
  await press(page, "Send");
  const message = log(page).locator("article").filter({ hasText: "Kept until it is sent" });
  await message.getByText(/Accepted|Sent|Delivered/).waitFor();
  assert.equal(await message.count(), 1);
  assert.equal(keys[0], keys[1]);
  await page.getByRole("button", { name: "Compose" }).click();
  assert.equal(await messageBox(page).inputValue(), "");
});

journeyOf("a late answer does not close a Compose that was opened again", [admin], async (page) => {
  const { go } = await holdAnswers(page);
  await compose(page, "The first one");
  await press(page, "Send");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Compose" }).click();
  assert.equal(await messageBox(page).inputValue(), "The first one");
  assert.equal(await messageBox(page).isDisabled(), true, "it is on its way");
  const address = page.url();
  go();
  await page.getByRole("status").filter({ hasText: "Message accepted" }).waitFor();
  await messageBox(page).fill("The second one");
  assert.equal(page.url(), address);
  await press(page, "Discard");
  await page.getByRole("button", { name: "Compose" }).click();
  assert.equal(await messageBox(page).inputValue(), "");
});

journeyOf("what is composed outlives the session and the browser's Back, and its dialog does not", [admin], async (page) => {
  await openInbox(page, "archived");
  await compose(page, "Still there");
  await page.goBack();
  await dialogOf(page).waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Compose" }).click();
  assert.equal(await messageBox(page).inputValue(), "Still there");
  await page.route(/\/session\/refresh$/, (route) => route.fulfill({ status: 204 }));
  await page.route(/\/v1\/messages$/, (route) => route.fulfill(UNAUTHORIZED));
  await press(page, "Send");
  await page.getByRole("alert").filter({ hasText: "Your session has ended" }).waitFor();
  await page.unroute(/\/session\/refresh$/);
  await page.unroute(/\/v1\/messages$/);
  await page.evaluate(() => Reflect.set(window, "isLeftOver", true));
  await enter(page, admin);
  assert.equal(await page.evaluate(() => Reflect.get(window, "isLeftOver")), undefined, "what the page had on its way is gone with it");
  assert.equal(await page.getByRole("dialog").count(), 0);
  await page.getByRole("button", { name: "Compose" }).click();
  assert.equal(await messageBox(page).inputValue(), "Still there");
  await press(page, "Discard");
});

journeyOf("a form leads to its first error, which goes away when it is mended, and a long text is not cut", [admin], async (page) => {
  await page.getByRole("button", { name: "Compose" }).click();
  const from = dialogOf(page).getByRole("combobox", { name: "From" });
  await press(page, "Send");
  await page.waitForFunction(() => document.activeElement?.getAttribute("aria-invalid") === "true");
  assert.equal(await from.evaluate((element) => element === document.activeElement), true);
  await from.selectOption(inbox.inboxId);
  assert.equal(await from.getAttribute("aria-invalid"), null);
  assert.equal(await messageBox(page).getAttribute("aria-invalid"), "true");
  await dialogOf(page).getByRole("combobox", { name: "To" }).fill(newPhone());
  await messageBox(page).fill("😀".repeat(307));
  await dialogOf(page).getByText("1 character too many.").waitFor();
  await press(page, "Send");
  await page.waitForFunction(() => document.activeElement?.tagName === "TEXTAREA");
  await messageBox(page).fill("😀".repeat(306));
  await press(page, "Send");
  await log(page).getByText("😀😀").first().waitFor();

  await openNewConversation(page, "How long may it be?");
  await page.locator("#reply:not(:disabled)").fill("x".repeat(1_501));
  await page.getByText("1 character too many.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Send", exact: true }).isDisabled(), true);
  assert.equal((await replyBox(page).inputValue()).length, 1_501);
  await replyBox(page).fill("Short");
  assert.equal(await page.getByRole("button", { name: "Send", exact: true }).isDisabled(), false);
});

journeyOf("signing out waits for a reply on its way, and then asks nothing", [ada], async (page) => {
  await openNewConversation(page, "Are you leaving?");
  await page.locator("#reply:not(:disabled)").fill("Yes, in a moment");
  /** @type {() => void} */
  let go = () => {};
  const signal = new Promise((resolve) => (go = () => resolve(null)));
  await page.route(/\/messages$/, async (route) => (await signal, route.continue()));
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("button", { name: "Account menu" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("status").filter({ hasText: "Waiting for your messages" }).waitFor();
  assert.equal(await page.getByRole("alertdialog").count(), 0);
  go();
  await page.getByLabel("E-mail").waitFor();
});

journeyOf("only conversations that are seen are changed together", [ada], async (page) => {
  const words = ["Seen one", "Hidden one"];
  const [, hidden] = [newPhone(), newPhone()];
  await sendInbound(newPhone(), words[0]);
  await sendInbound(hidden, words[1]);
  await openInbox(page);
  // Rows do not come while the pointer is over the list.
  for (const one of words) await conversationNamed(page, one).waitFor();
  for (const one of words) {
    const row = page.getByRole("listitem").filter({ has: page.getByRole("link", { name: one }) }).first();
    await row.hover();
    await row.getByRole("checkbox").check();
  }
  await page.getByRole("toolbar", { name: "2 selected" }).waitFor();
  // Somebody else archives one of them.
  const { items } = await api(ben, "GET", `/v1/inboxes/${inbox.inboxId}/conversations?q=${encodeURIComponent(hidden)}`);
  await page.mouse.move(900, 400);
  await api(ben, "PATCH", `/v1/inboxes/${inbox.inboxId}/conversations/${items[0].conversationId}`, { folder: "archived" });
  await page.getByRole("toolbar", { name: "1 selected" }).waitFor();
  const changed = page.waitForRequest((request) => request.method() === "PATCH");
  await page.getByRole("button", { name: "Mark selected as unread" }).click();
  assert.equal((await changed).postDataJSON().conversationIds, undefined, "one conversation is changed by its own path");
  await page.getByRole("toolbar").waitFor({ state: "detached" });
  const row = page.getByRole("listitem").filter({ has: page.getByRole("link", { name: words[0] }) }).first();
  await row.hover();
  await row.getByRole("checkbox").check();
  await page.getByRole("toolbar", { name: "1 selected" }).waitFor();
  await page.getByRole("button", { name: "Assigned to me", exact: true }).click();
  await conversationNamed(page, words[0]).waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Remove filter Assigned to me" }).click();
  await conversationNamed(page, words[0]).waitFor();
  assert.equal(await page.getByRole("toolbar").count(), 0, "a filter ends the selection");
});
