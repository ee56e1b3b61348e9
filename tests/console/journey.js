/** Journeys through the console: users with a window each, and what most journeys do. */

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, test } from "node:test";

import { launch, openWindow, sendInbound, signIn, stack, users } from "./browser.js";

/** @import { Browser, BrowserContextOptions, Page } from "playwright-core" */
/** @import { User } from "./browser.js" */

/** @type {Browser} */
export let browser;
export const owner = stack.users.find((/** @type {User} */ user) => user.owner && user.organizationId === users[0].organizationId);
export const [admin, ada, ben] = [users[0], ...users.filter((user) => !user.owner && user.teams.every((team) => team.role === "member"))];

/** The idle prompt of the cloud of `make console-test`. */
export const IDLE_PROMPT_MS = Number(process.env.LOCK_IDLE_PROMPT_SECONDS ?? 180) * 1000;

/** @type {Promise<Browser> | undefined} */
let launched;
before(async () => {
  launched = launch();
  browser = await launched;
});
// Of a file without a test that ONLY= selects, this hook does not wait for the one before.
after(async () => (await launched)?.close());

/** The numbers of the demo begin with +1202555. */
let nextNumber = randomInt(2_000_000, 5_500_000);

/** @returns {string} the number of a phone that no other journey uses */
export function newPhone() {
  return `+1202${nextNumber++}`;
}

/** @param {string} phone @returns {string} as the console shows it */
export function national(phone) {
  return `(${phone.slice(2, 5)}) ${phone.slice(5, 8)}-${phone.slice(8)}`;
}

/** Each step has a limit of its own, so this one only has to be long enough for many steps on a slow machine. */
export const TIMEOUT_MS = 600_000;

/**
 * Runs a journey as some users, each in a window of their own. Fails if a window has errors.
 * @param {string} name
 * @param {User[]} people
 * @param {(...pages: Page[]) => Promise<unknown>} journey
 * @param {BrowserContextOptions} [options]
 */
export function journeyOf(name, people, journey, options) {
  test(name, { timeout: TIMEOUT_MS }, async () => {
    const windows = await Promise.all(people.map(() => openWindow(browser, options)));
    try {
      await Promise.all(windows.map(({ page }, index) => signIn(page, people[index])));
      await journey(...windows.map(({ page }) => page));
      assert.deepEqual(windows.flatMap(({ errors }) => errors), []);
    } finally {
      await Promise.all(windows.map(({ page }) => page.isClosed() || page.unrouteAll({ behavior: "ignoreErrors" })));
      await Promise.all(windows.map(({ context }) => context.close()));
    }
  });
}

/** @param {Page} page @param {"inbox" | "archived"} [folder] */
export async function openInbox(page, folder = "inbox") {
  await page.getByRole("navigation", { name: "Accounts" }).getByRole("link", { name: /Front desk/ }).click();
  if (folder === "archived") await page.getByRole("link", { name: "Archived", exact: true }).click();
}

/** @param {Page} page @param {string} words */
export function conversationNamed(page, words) {
  return page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: words }).first();
}

/**
 * Sends a text from a new phone, and opens it. An earlier journey may have had a text with the same words.
 * @param {Page} page
 * @param {string} words
 */
export async function openNewConversation(page, words) {
  const phone = newPhone();
  await sendInbound(phone, words);
  await openInbox(page);
  await conversationNamed(page, national(phone)).click();
  return phone;
}

/** @param {Page} page */
export function replyBox(page) {
  return page.getByRole("textbox", { name: "Reply" });
}

/** @param {Page} page @param {string} words */
export async function reply(page, words) {
  await replyBox(page).fill(words);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

/** @param {Page} page */
export function log(page) {
  return page.getByRole("log", { name: "Messages" });
}
