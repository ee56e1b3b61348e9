/**
 * Takes screenshots of the console: `node screenshots.js FOLDER [light|dark|narrow|two-windows]`. The local cloud
 * must be running.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { api, inbox, launch, openWindow, sendInbound, signIn, stack, users } from "./browser.js";

const folder = process.argv[2] ?? "screenshots";
mkdirSync(folder, { recursive: true });

const browser = await launch();
const [admin] = users;

/** Data for the pages that are empty in the demo. */
const team = `/v1/teams/${inbox.teamId}`;
await api(admin, "POST", `${team}/segments`, { name: "Parents who wrote lately", kind: "filter", filter: { all: [{ field: "lastInboundAt", op: "withinDays", value: 30 }, { field: "optedOut", op: "eq", value: false }] } });
await api(admin, "POST", `/v1/inboxes/${inbox.inboxId}/keyword-replies`, { keywords: ["hours", "open"], text: "We are open Monday to Friday, 9 to 5.", tag: "asked-hours" });
/** @param {string} name @param {string[]} phoneNumbers @param {string} text */
const draftOf = (name, phoneNumbers, text) => api(admin, "POST", "/v1/broadcasts", { name, from: { inboxId: inbox.inboxId }, audience: { phoneNumbers }, text, hours: { mode: "always" } });
const numbers = Array.from({ length: 12 }, (_, index) => `+120255501${String(20 + index)}`);
const sent = await draftOf("Snow day", numbers, "Hi {{firstName|there}}, we are closed today because of the snow. Reply STOP to opt out.");
const estimate = await api(admin, "POST", `/v1/broadcasts/${sent.broadcastId}/estimate`);
await api(admin, "POST", `/v1/broadcasts/${sent.broadcastId}/confirm`, { estimateId: estimate.estimateId });
const draft = await draftOf("Open house in spring", numbers.slice(0, 5), "Hi {{firstName|there}}, our open house is on Saturday from 10 to 2. Come by! 🌷 Reply STOP to opt out.");

/** @param {"light" | "dark"} colorScheme @param {{ width: number, height: number }} viewport @param {string} prefix */
async function shoot(colorScheme, viewport, prefix) {
  const { page, context, errors } = await openWindow(browser, { colorScheme, viewport, deviceScaleFactor: 1 });
  /** @param {string} name */
  const take = async (name) => {
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(folder, `${prefix}-${name}.png`) });
  };
  await page.goto(stack.consoleUrl);
  await page.getByLabel("E-mail").waitFor();
  await take("sign-in");
  await signIn(page, admin);
  await page.goto(`${stack.consoleUrl}inboxes/${inbox.inboxId}/inbox`);
  await page.locator("[data-conversation]").first().waitFor();
  await take("list");
  if (viewport.width > 900) {
    await page.getByRole("button", { name: "Account menu" }).click();
    await take("account-menu");
    await page.keyboard.press("Escape");
  }
  await page.locator("[data-conversation]").first().click();
  await page.getByRole("textbox", { name: "Reply" }).waitFor();
  await take("conversation");
  if (viewport.width > 900) {
    await page.keyboard.press("Control+k");
    await take("menu");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Compose" }).click();
    await take("compose");
    await page.keyboard.press("Escape");
  }
  for (const section of ["inboxes", "contacts", "opt-outs", "members", "templates", "segments", "broadcasts", "broadcasts/new", "registration", "notifications", "webhooks", "audit"]) {
    await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/${section}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForTimeout(500);
    await take(section.replace("/", "-"));
  }
  await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/broadcasts/new`);
  await page.getByLabel("Question").selectOption("choice");
  await page.getByLabel("Choices").fill("Pancakes\nWaffles");
  await page.getByLabel("Repeat").selectOption("weekly");
  await page.getByLabel("Ends").selectOption("count");
  await page.getByLabel("Times to send").scrollIntoViewIfNeeded();
  await take("broadcast-options");
  await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/segments`);
  await page.getByRole("button", { name: "Parents who wrote lately" }).first().click();
  await page.getByText(/contacts? match/).waitFor();
  await take("segment");
  await page.keyboard.press("Escape");
  await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/broadcasts/${draft.broadcastId}`);
  await page.getByRole("button", { name: "Estimate", exact: true }).click();
  await page.getByRole("list", { name: "Checklist" }).waitFor();
  await take("broadcast-estimate");
  await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/broadcasts/${sent.broadcastId}`);
  await page.getByRole("table").waitFor();
  await take("broadcast");
  await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/inboxes/${inbox.inboxId}/keyword-replies`);
  await page.getByRole("heading", { level: 3 }).first().waitFor();
  await take("keyword-replies");
  await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/inboxes/${inbox.inboxId}`);
  await page.getByLabel("Mode").waitFor();
  await take("inbox-settings");
  await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/inboxes`);
  await page.getByRole("button", { name: "New Shared Inbox" }).click();
  await page.getByLabel("API code").waitFor();
  await take("wizard");
  if (errors.length) console.error(prefix, errors);
  await context.close();
}

/** Two windows side by side: one user responds, and the other sees it. */
async function shootTwoWindows() {
  const size = { width: 1040, height: 640 };
  const windows = await Promise.all([0, 1].map(() => openWindow(browser, { viewport: size, deviceScaleFactor: 1 })));
  const [first, second] = windows.map(({ page }) => page);
  const [one, other] = users.filter((user) => !user.owner);
  await Promise.all([signIn(first, one), signIn(second, other)]);
  await sendInbound("+12025550110", "Thanks! And is parking free?");
  for (const page of [first, second]) {
    await page.getByRole("navigation", { name: "Accounts" }).getByRole("link", { name: /Front desk/ }).click();
    await page.getByRole("link", { name: /Thanks! And is parking free/ }).first().click();
    await page.getByText("Thanks! And is parking free?").last().waitFor();
    await page.waitForTimeout(700);
  }
  await first.getByRole("textbox", { name: "Reply" }).fill("Yes, behind the building. See you at three");
  await second.getByRole("status").filter({ hasText: "is responding" }).first().waitFor();
  const screenshots = await Promise.all([first, second].map(async (page) => (await page.screenshot()).toString("base64")));
  const { page, context } = await openWindow(browser, { viewport: { width: 1760, height: 600 } });
  await page.setContent(`<body style="margin:0;padding:40px;display:flex;gap:32px;background:#dfe1ee">${screenshots
    .map((screenshot) => `<img style="width:824px;border-radius:10px;box-shadow:0 8px 30px #0003" src="data:image/png;base64,${screenshot}">`).join("")}</body>`);
  await page.screenshot({ path: join(folder, "two-windows.png") });
  for (const one of [...windows.map((window) => window.context), context]) await one.close();
}

const only = process.argv[3];
const WIDE = { width: 1280, height: 800 };
for (const [name, colorScheme, viewport] of /** @type {const} */ ([
  ["light", "light", WIDE],
  ["dark", "dark", WIDE],
  ["narrow", "light", { width: 390, height: 844 }],
])) {
  if (!only || only === name) await shoot(colorScheme, viewport, name);
}
if (!only || only === "two-windows") await shootTwoWindows();
await browser.close();
