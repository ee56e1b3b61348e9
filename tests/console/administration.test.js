/**
 * Journeys through the team's pages, and through what every page has in common: the session, errors, and narrow screens.
 * `make console-test` runs them after those of the conversations.
 */

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import { api, inbox, openWindow, signIn, stack } from "./browser.js";
import { ada, admin, ben, browser, journeyOf, newPhone, openNewConversation } from "./journey.js";

/** @import { Route } from "playwright-core" */

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TEAM = `/v1/teams/${inbox.teamId}`;
const PROBLEM = { status: 503, contentType: "application/problem+json", json: { code: "unavailable", detail: "Come back in a minute." } };

/** @param {...string} path */
const pageOf = (...path) => `${stack.consoleUrl}${["teams", inbox.teamId, ...path].join("/")}`;

/** Lets a request reach the server, and loses the response. @param {Route} route */
async function loseResponse(route) {
  await route.fetch();
  await route.abort("connectionreset");
}

/** Runs in the page. The innermost elements that reach out of it, except in what scrolls by itself, such as a table. */
function widestElements() {
  const scrolls = (/** @type {Element} */ element) => element.closest("table, .sidebar .links, .hidden") !== null;
  const wide = [...document.querySelectorAll("#app *")].filter((element) => !scrolls(element) && element.getBoundingClientRect().right > innerWidth + 1);
  const innermost = wide.filter((element) => !wide.some((other) => other !== element && element.contains(other)));
  if (document.documentElement.scrollWidth > innerWidth) innermost.push(document.documentElement);
  return [...new Set(innermost.map((element) => `${element.tagName}.${element.className}`))];
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  journeyOf(`an error at the bottom of the page can be read (${colorScheme})`, [admin], async (page) => {
    const { templateId, name } = await api(admin, "POST", `${TEAM}/templates`, { name: `Stays ${randomInt(1, 1_000_000)}`, text: "Hello" });
    await page.route(new RegExp(`/templates/${templateId}$`), (route) => route.fulfill(PROBLEM));
    await page.goto(pageOf("templates"));
    await page.evaluate(AXE); // before, because the notice goes after a while
    await page.getByRole("button", { name: `Delete ${name}` }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("status").getByText("Come back in a minute.").waitFor();
    // Text of the color of its background is not a violation for axe.
    const [color, background] = await page.locator(".toast").evaluate(async (element) => {
      await Promise.all(element.getAnimations().map((animation) => animation.finished));
      return [getComputedStyle(element).color, getComputedStyle(element).backgroundColor];
    });
    assert.notEqual(color, background);
    const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run(".toasts"));
    assert.deepEqual(violations.filter((/** @type {any} */ one) => ["serious", "critical"].includes(one.impact)).map((/** @type {any} */ one) => `${one.id} ${one.nodes[0].target}`), []);
  }, { colorScheme });
}

journeyOf("a confirmation is shown above the dialog that remains open", [admin], async (page) => {
  const id = randomInt(1, 1_000_000);
  const mobileNumber = newPhone();
  await api(admin, "POST", `${TEAM}/contacts`, { firstName: "Dee", mobileNumber });
  await api(admin, "POST", `${TEAM}/segments`, { name: `Toasts ${id}`, kind: "static" });
  await page.goto(pageOf("segments"));
  await page.getByRole("button", { name: `Contacts of Toasts ${id}` }).click();
  await page.getByLabel("Phone numbers or contact IDs").fill(mobileNumber);
  await page.getByRole("button", { name: "Put in" }).click();
  await page.locator(".toasts:popover-open").getByText("Saved").waitFor(); // popovers are above the dialogs that were open
});

journeyOf("a page that is loaded while the server cannot be reached waits for it, and keeps the session and the draft", [ada], async (page) => {
  await openNewConversation(page, "Do you still have my reply?");
  await page.locator("#reply:not(:disabled)").fill("Half a sentence");
  /** @type {(route: Route) => Promise<unknown>} */
  let answer = (route) => route.fulfill({ status: 429, json: {} });
  await page.route(/\/session\/refresh$/, (route) => answer(route));
  await page.reload();
  await page.getByRole("alert").getByText("Trying again…").waitFor();
  answer = (route) => route.fulfill(PROBLEM);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("alert").filter({ hasText: "cannot be checked at the moment" }).waitFor();
  answer = (route) => route.abort("connectionrefused");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("alert").filter({ hasText: "cannot be reached" }).waitFor();
  answer = (route) => route.continue();
  await page.waitForFunction(() => /** @type {HTMLTextAreaElement | null} */ (document.getElementById("reply"))?.value === "Half a sentence");
});

journeyOf("a session that expires says so, and the same user goes on with the draft", [ada], async (page) => {
  await openNewConversation(page, "Are you still signed in?");
  await page.locator("#reply:not(:disabled)").fill("Half an answer");
  const address = page.url();
  await page.route(/\/session\/refresh$/, (route) => route.fulfill({ status: 204 }));
  await page.route(/\/templates\?/, (route) => route.fulfill({ status: 401, json: { message: "Unauthorized" } }));
  await page.getByRole("button", { name: "Insert a template" }).click();
  await page.getByRole("alert").filter({ hasText: "Your session has ended" }).waitFor();
  await page.unroute(/\/session\/refresh$/);
  await page.unroute(/\/templates\?/);
  await page.getByLabel("E-mail").fill(ada.email);
  await page.getByLabel("Password").fill(ada.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForFunction(() => /** @type {HTMLTextAreaElement | null} */ (document.getElementById("reply"))?.value === "Half an answer");
  assert.equal(page.url(), address);
  await page.getByRole("button", { name: "Account menu" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("alertdialog", { name: "Sign out and lose texts?" }).getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("E-mail").waitFor();
  assert.equal(await page.getByText("Your session has ended").count(), 0);
});

journeyOf("a dialog with something written asks before it closes, and an existing member is not overwritten", [admin], async (page) => {
  await page.goto(pageOf("members"));
  await page.getByRole("button", { name: "Add member" }).click();
  const dialog = page.getByRole("dialog", { name: "Add member" });
  await dialog.getByLabel("Name").fill("Somebody Else");
  await dialog.getByLabel("User ID").fill(ben.id);
  await page.keyboard.press("Escape");
  await page.getByRole("alertdialog", { name: "Discard what you wrote?" }).getByRole("button", { name: "Cancel" }).click();
  assert.equal(await dialog.getByLabel("Name").inputValue(), "Somebody Else");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await dialog.getByText(`This ID belongs to ${ben.name}`).waitFor();
  await dialog.getByLabel("User ID").fill("no user id");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await dialog.getByText(/^Expected: 1 to 64 letters/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("alertdialog").getByRole("button", { name: "Discard" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("cell", { name: ben.name, exact: true }).waitFor();
});

journeyOf("a late answer to an earlier search is ignored", [ada], async (page) => {
  const id = randomInt(1, 1_000_000);
  for (const firstName of [`Early${id}`, `Later${id}`]) await api(admin, "POST", `${TEAM}/contacts`, { firstName, mobileNumber: newPhone() });
  /** @type {(value?: unknown) => void} */
  let release = () => {};
  const isReleased = new Promise((resolve) => (release = resolve));
  await page.route(/\/contacts\?.*q=Early/, async (route) => {
    await isReleased;
    await route.continue();
  });
  await page.goto(pageOf("contacts"));
  const asked = page.waitForRequest(/q=Early/);
  await page.getByLabel("Search contacts").fill(`Early${id}`);
  await asked;
  await page.getByLabel("Search contacts").fill(`Later${id}`);
  await page.getByRole("button", { name: `Later${id}` }).waitFor();
  const late = page.waitForResponse(/q=Early/);
  release();
  await (await late).finished();
  // What the page does with the response is done before the next frames.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)))));
  assert.equal(await page.getByRole("button", { name: `Later${id}` }).isVisible(), true);
  assert.equal(await page.getByRole("button", { name: `Early${id}` }).count(), 0);
});

journeyOf("what is written in a form stays when the page cannot be read again", [admin], async (page) => {
  const { broadcastId, name } = await newDraft();
  const path = new RegExp(`/v1/broadcasts/${broadcastId}$`);
  await page.goto(pageOf("broadcasts", broadcastId, "edit"));
  await page.getByLabel("Name", { exact: true }).fill("Half a name");
  await page.route(path, (route) => (route.request().method() === "GET" ? route.fulfill(PROBLEM) : route.continue()));
  const refused = page.waitForResponse(path);
  await api(admin, "PATCH", `/v1/broadcasts/${broadcastId}`, { name: `${name}, changed` });
  await refused;
  const notice = page.getByRole("alert").filter({ hasText: "may be outdated" });
  await notice.getByText("Come back in a minute.").waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Half a name");
  await page.unrouteAll();
  await notice.getByRole("button", { name: "Try again" }).click();
  await notice.waitFor({ state: "detached" });
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Half a name");
});

journeyOf("a contact or a template whose response is lost is created once", [admin], async (page) => {
  const id = randomInt(1, 1_000_000);
  /** @type {(string | undefined)[]} */
  let keys = [];
  await page.route(/\/v1\/teams\/[^/]+\/(contacts|templates)$/, (route) => {
    if (route.request().method() !== "POST") return route.continue();
    keys.push(route.request().headers()["idempotency-key"]);
    return keys.length === 1 ? loseResponse(route) : route.continue();
  });
  for (const [section, create, fields] of /** @type {const} */ ([
    ["contacts", "New contact", [["First name", `Once${id}`], ["Mobile number", newPhone()]]], ["templates", "New template", [["Name", `Once${id}`], ["Text", "Hello"]]],
  ])) {
    keys = [];
    await page.goto(pageOf(section));
    await page.getByRole("button", { name: create }).click();
    const dialog = page.getByRole("dialog");
    for (const [label, text] of fields) await dialog.getByLabel(label, { exact: true }).fill(text);
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByRole("alert").filter({ hasText: "cannot be reached" }).waitFor();
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    assert.equal(keys[0], keys[1], section);
    const { items } = await api(admin, "GET", `${TEAM}/${section}?limit=100${section === "contacts" ? `&q=Once${id}` : ""}`);
    assert.equal(items.filter((/** @type {any} */ one) => JSON.stringify(one).includes(`Once${id}`)).length, 1, section);
  }
});

/** A draft of a broadcast that nobody else edits. */
function newDraft() {
  const name = `Draft ${randomInt(1, 1_000_000)}`;
  return api(admin, "POST", "/v1/broadcasts", { name, from: { inboxId: inbox.inboxId }, audience: { phoneNumbers: [newPhone()] }, text: "As it was. Reply STOP to opt out.", hours: { mode: "always" } });
}

journeyOf("of two people who edit a broadcast, the later one is told, and changes only what they wrote", [admin, admin], async (first, second) => {
  const { broadcastId, name } = await newDraft();
  for (const page of [first, second]) {
    await page.goto(pageOf("broadcasts", broadcastId, "edit"));
    await page.getByLabel("Name", { exact: true }).waitFor();
  }
  await first.getByLabel("Text", { exact: true }).fill("As the first wrote it. Reply STOP to opt out.");
  await first.getByRole("button", { name: "Save draft" }).click();
  await first.getByRole("button", { name: "Estimate", exact: true }).waitFor();
  await second.getByLabel("Name", { exact: true }).fill(`${name} of the second`);
  await second.getByRole("button", { name: "Save draft" }).click();
  await second.getByRole("alert").filter({ hasText: "Somebody else changed this" }).waitFor();
  assert.equal((await api(admin, "GET", `/v1/broadcasts/${broadcastId}`)).name, name);
  await second.getByRole("button", { name: "Save draft" }).click();
  await second.getByRole("button", { name: "Estimate", exact: true }).waitFor();
  const stored = await api(admin, "GET", `/v1/broadcasts/${broadcastId}`);
  assert.equal(stored.name, `${name} of the second`);
  assert.equal(stored.text, "As the first wrote it. Reply STOP to opt out.");
});

journeyOf("of two people who edit what has no versions, the later one is told", [admin, admin], async (first, second) => {
  const pages = [first, second];
  const id = randomInt(1, 1_000_000);
  const endpoint = await api(admin, "POST", "/v1/webhook-endpoints", { url: `http://127.0.0.1:9/${id}`, types: ["message.created"] });
  await api(admin, "POST", `/v1/inboxes/${inbox.inboxId}/keyword-replies`, { keywords: [`word${id}`], text: "As it was" });
  const forms = /** @type {[string[], string | null, string][]} */ ([
    [["webhooks", endpoint.endpointId], "Edit", "Description"], [["inboxes", inbox.inboxId, "keyword-replies"], `Edit word${id}`, "Answer"], [["notifications"], null, "Unknown contact: recipients"],
  ]);
  const settings = await api(admin, "GET", `${TEAM}/notification-settings`);
  await api(admin, "PUT", `${TEAM}/notification-settings`, { ...settings, unknownContact: { enabled: true, recipients: ["desk@clinic.example"] } });
  for (const [place, button, label] of forms) {
    for (const [index, page] of pages.entries()) {
      await page.goto(pageOf(...place));
      if (button) await page.getByRole("button", { name: button, exact: true }).click();
      await page.getByLabel(label, { exact: true }).fill(`admin${index}@clinic.example`);
    }
    const dialogs = pages.map((page) => (button ? page.getByRole("dialog") : page.locator("form")));
    /** @param {number} index */
    const save = async (index) => {
      await dialogs[index].getByRole("button", { name: "Save" }).click();
      if (button) await dialogs[index].waitFor({ state: "detached" });
      else await pages[index].getByRole("status").filter({ hasText: "Saved" }).waitFor();
    };
    await save(0);
    await dialogs[1].getByRole("button", { name: "Save" }).click();
    await second.getByRole("alert").filter({ hasText: "Somebody else changed this" }).waitFor();
    assert.equal(await second.getByLabel(label, { exact: true }).inputValue(), "admin1@clinic.example");
    await save(1);
  }
  assert.deepEqual((await api(admin, "GET", `${TEAM}/notification-settings`)).unknownContact.recipients, ["admin1@clinic.example"]);
  await api(admin, "PUT", `${TEAM}/notification-settings`, settings);
  await api(admin, "DELETE", `/v1/webhook-endpoints/${endpoint.endpointId}`);
});

journeyOf("what cannot be undone with one click is asked before", [admin], async (page) => {
  const id = randomInt(1, 1_000_000);
  const { contactId } = await api(admin, "POST", `${TEAM}/contacts`, { firstName: `Asked${id}`, mobileNumber: newPhone() });
  await api(admin, "PUT", `${TEAM}/contacts/${contactId}/opt-out`);
  const contact = () => api(admin, "GET", `${TEAM}/contacts/${contactId}`);
  await page.goto(pageOf("contacts"));
  await page.getByLabel("Search contacts").fill(`Asked${id}`);
  const question = page.getByRole("alertdialog");
  for (const [action, isDone] of /** @type {const} */ ([["Opt in", async () => !(await contact()).optedOut], ["Remove", async () => (await contact()).status === 404]])) {
    await page.getByRole("button", { name: `Asked${id}` }).click();
    await page.getByRole("dialog").getByRole("button", { name: action }).click();
    await question.getByRole("button", { name: "Cancel" }).click();
    await question.waitFor({ state: "detached" });
    assert.equal(await isDone(), false);
    await page.getByRole("dialog").getByRole("button", { name: action }).click();
    await question.getByRole("button", { name: action }).click();
    await page.locator("dialog").waitFor({ state: "detached" });
    assert.equal(await isDone(), true);
  }
  await page.getByText("No contacts").waitFor();
  await page.goto(pageOf("inboxes", inbox.inboxId, "members"));
  await page.getByRole("button", { name: `Remove ${ben.name}` }).click();
  await question.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: `Remove ${ben.name}` }).waitFor();
});

journeyOf("the first key press leads past the navigation", [ada], async (page) => {
  await page.goto(pageOf("contacts"));
  await page.getByRole("heading", { level: 1, name: "Contacts" }).waitFor();
  const address = page.url();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "content");
  assert.equal(page.url(), address);
});

journeyOf("an address that nothing has, and a year of five digits, are a sentence and no blank page", [admin], async (page) => {
  await page.goto(`${stack.consoleUrl}inboxes/%E0%A4%A/inbox`);
  await page.getByText("This account does not exist").waitFor();
  for (const section of ["constructor", "no-such-page"]) {
    await page.goto(pageOf(section));
    await page.getByRole("heading", { level: 1, name: "This page does not exist." }).waitFor();
  }
  const words = "Enter a date with a year of four digits.";
  await page.goto(pageOf("opt-outs"));
  await page.getByLabel("From").fill("12026-01-01");
  await page.getByText(words).waitFor();
  await page.getByRole("heading", { name: "Ledger" }).waitFor();
  await page.goto(pageOf("segments"));
  await page.getByRole("button", { name: "New segment" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("Far away");
  await page.getByLabel("Field 1").selectOption("createdAt");
  await page.getByLabel("Operator 1").selectOption("before");
  await page.getByLabel("Value 1").fill("12026-01-01T10:00");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Fill in each condition").waitFor();
  await page.goto(pageOf("broadcasts", "new"));
  await page.getByLabel("Start").fill("12026-01-01T10:00");
  await page.getByLabel("Repeat").selectOption("daily");
  await page.getByLabel("Ends").selectOption("until");
  await page.getByLabel("Last day").fill("12026-01-01");
  await page.getByRole("button", { name: "Save draft" }).click();
  await page.getByText(words).nth(1).waitFor();
});

test("a page that cannot be loaded or shown says so, and the navigation stays", { timeout: 120_000 }, async () => {
  const { page, context, errors } = await openWindow(browser);
  await signIn(page, admin);
  await page.route(/\/team\/page\.js$/, (route) => route.abort("connectionreset"));
  await page.goto(pageOf("audit"));
  await page.getByRole("alert").filter({ hasText: "This page could not be loaded" }).waitFor();
  await page.unroute(/\/team\/page\.js$/);
  await page.route(/\/audit\?/, (route) => route.fulfill({ json: { items: [{ at: "2026-01-01T00:00:00Z", userId: "u", action: null, target: "" }], nextCursor: null } }));
  await page.getByRole("button", { name: "Reload" }).click();
  await page.getByRole("alert").filter({ hasText: "This page cannot be shown" }).waitFor();
  await page.getByRole("navigation", { name: "Team" }).getByRole("link", { name: "Templates" }).click();
  await page.getByRole("heading", { level: 1, name: "Templates" }).waitFor();
  assert.match(errors[0], /replaceAll/, "the fault is in the browser's log");
  await context.close();
});

journeyOf("texts without a space fit into every page, wide or narrow", [admin], async (page) => {
  const long = "W".repeat(80);
  await openNewConversation(page, "Is there a word as long as this?");
  await page.locator("#reply:not(:disabled)").waitFor();
  const conversation = page.url();
  const draft = await newDraft();
  const endpoint = await api(admin, "POST", "/v1/webhook-endpoints", { url: `http://127.0.0.1:9/${long}`, types: ["message.created"] });
  // Whatever people write has 80 letters.
  await page.route(/\/v1\//, async (route) => {
    if (route.request().method() !== "GET") return route.continue();
    const response = await route.fetch();
    const text = (await response.text()).replaceAll(/"(name|firstName|lastName|text|description|tag|externalId|email|target|apiCode)":"[^"]*"/g, `"$1":"${long}"`);
    await route.fulfill({ response, body: text });
  });
  const places = [
    ...["inboxes", "contacts", "opt-outs", "members", "templates", "segments", "broadcasts", "registration", "notifications", "webhooks", "audit"].map((section) => [section]),
    ["conversation"], ["broadcasts", "new"], ["broadcasts", draft.broadcastId], ["broadcasts", draft.broadcastId, "edit"], ["webhooks", endpoint.endpointId],
    ...["members", "keyword-replies", "settings"].map((view) => ["inboxes", inbox.inboxId, view]), ["inboxes", inbox.inboxId],
  ];
  /** @type {string[]} */
  const wide = [];
  for (const place of places) {
    await page.goto(place[0] === "conversation" ? conversation : pageOf(...place));
    await page.getByRole("heading", { level: place[0] === "conversation" ? 2 : 1 }).last().waitFor();
    await page.waitForLoadState("networkidle");
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 844 });
      await page.waitForTimeout(200);
      const widest = await page.evaluate(widestElements);
      if (widest.length) wide.push(`${place.join("/")} (${width}): ${widest.join(", ")}`);
    }
  }
  await api(admin, "DELETE", `/v1/webhook-endpoints/${endpoint.endpointId}`);
  assert.deepEqual(wide, []);
});
