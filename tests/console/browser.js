/** A headless Chromium, and users who are signed in to the console. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import chromiumPackage from "@sparticuz/chromium";
import { chromium } from "playwright-core";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
/** The local cloud that runs, or the one of `make run`. */
const STACK = process.env.STACK_FILE ?? join(ROOT, ".local/stack.json");

/**
 * @typedef {object} User
 * @property {string} id
 * @property {string} name
 * @property {string} email
 * @property {string} password
 * @property {string} token
 * @property {boolean} owner
 * @property {string} organizationId
 * @property {{ teamId: string, role: string }[]} teams
 */

/** The content of stack.json, which describes the local cloud. */
export const stack = JSON.parse(readFileSync(STACK, "utf8"));

/** @returns {Promise<import("playwright-core").Browser>} */
export async function launch() {
  return chromium.launch({
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"],
    executablePath: await chromiumPackage.executablePath(),
    headless: true,
  });
}

/** The inbox that demo users work in. */
export const inbox = stack.inboxes.find((/** @type {any} */ one) => one.registered);

/**
 * The demo users of the inbox's team: an admin first, then members.
 * @type {User[]}
 */
export const users = stack.users
  .filter((/** @type {User} */ user) => user.teams.some((team) => team.teamId === inbox.teamId))
  .sort((/** @type {User} */ a, /** @type {User} */ b) => roleOf(a).localeCompare(roleOf(b)));

/** @param {User} user */
function roleOf(user) {
  return user.teams.find((team) => team.teamId === inbox.teamId)?.role ?? "";
}

/**
 * Opens a window of its own. With `CONSOLE_FILES=source`, the console is the one of the source folder.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openWindow(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  /** @type {string[]} */
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // Refused requests are part of the journeys, and so are connections that end before they are open.
    const isExpected = /Failed to load resource|^WebSocket connection to \S+ failed: (?!Error during WebSocket handshake|Invalid frame)/.test(message.text());
    if (message.type() === "error" && !isExpected) errors.push(message.text());
  });
  if (process.env.CONSOLE_FILES === "source") await serveSources(page);
  return { context, page, errors };
}

/**
 * Answers with the files of the source folder, so that a change needs no build.
 * @param {import("playwright-core").Page} page
 */
async function serveSources(page) {
  const web = join(ROOT, "functions/console/web");
  const base = new URL(stack.consoleUrl).pathname;
  const deployed = await fetch(`${stack.consoleUrl}start`);
  const policy = deployed.headers.get("content-security-policy") ?? "";
  const html = readFileSync(join(web, "index.html"), "utf8").replaceAll("{{assets}}", `${base}assets/source`).replace("{{modules}}", "")
    .replace("{{sign-in}}", /name="sign-in" content="(\w+)"/.exec(await deployed.text())?.[1] ?? "");
  await page.route(/\/console\//, (route) => {
    const path = new URL(route.request().url()).pathname.slice(base.length);
    if (path.startsWith("session/")) return route.continue();
    if (path.startsWith("assets/")) return route.fulfill({ path: join(web, path.split("/").slice(2).join("/")) });
    return route.fulfill({ body: html, contentType: "text/html; charset=utf-8", headers: { "content-security-policy": policy } });
  });
}

/**
 * Signs in and waits for the navigation.
 * @param {import("playwright-core").Page} page
 * @param {User} user
 */
export async function signIn(page, user) {
  await page.goto(stack.consoleUrl);
  await page.getByLabel("E-mail").fill(user.email);
  await page.getByLabel("Password").fill(user.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Accounts" }).waitFor();
}

/**
 * Calls the API as a user.
 * @param {User} user
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
export async function api(user, method, path, body) {
  const response = await fetch(`${stack.apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${user.token}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/**
 * Sends a message to the inbox from a phone.
 * @param {string} from
 * @param {string} body
 * @param {Record<string, string>} [more] other parameters of the simulator
 */
export async function sendInbound(from, body, more = {}) {
  const { accountSid, authToken } = stack.twilio;
  const response = await fetch(`${stack.carrierUrl}/_twilio/simulate/inbound-message`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString("base64")}` },
    body: new URLSearchParams({ To: inbox.phoneNumber, From: from, Body: body, ...more }),
  });
  if (!response.ok) throw new Error(`the simulator answered ${response.status}: ${await response.text()}`);
}
