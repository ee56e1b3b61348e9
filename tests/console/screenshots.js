/**
 * Takes screenshots of the console: `node screenshots.js FOLDER [light|dark|narrow]`. The local cloud must be running.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { inbox, launch, openWindow, signIn, stack, users } from "./browser.js";

const folder = process.argv[2] ?? "screenshots";
mkdirSync(folder, { recursive: true });

const browser = await launch();
const [admin] = users;

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
  for (const section of ["inboxes", "contacts", "opt-outs", "members", "templates", "registration", "audit"]) {
    await page.goto(`${stack.consoleUrl}teams/${inbox.teamId}/${section}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForTimeout(500);
    await take(section);
  }
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

const only = process.argv[3];
const WIDE = { width: 1280, height: 800 };
for (const [name, colorScheme, viewport] of /** @type {const} */ ([
  ["light", "light", WIDE],
  ["dark", "dark", WIDE],
  ["narrow", "light", { width: 390, height: 844 }],
])) {
  if (!only || only === name) await shoot(colorScheme, viewport, name);
}
await browser.close();
