/**
 * Sign-in with another identity provider, in a browser against a local cloud that accepts its tokens alone.
 * `make console-issuer-test` starts that cloud.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { api, launch, openWindow, ROOT, stack } from "./browser.js";
import { Issuer } from "./issuer.js";

/** @import { Browser, Page } from "playwright-core" */
/** @import { User } from "./browser.js" */

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const issuer = new Issuer(process.env.JWT_ISSUER ?? "", process.env.JWT_AUDIENCE ?? "", process.env.JWT_CLIENT_ID ?? "");
/** @type {Browser} */
let browser;
/** A page of the team, which the user wants to see. */
let members = "";

before(async () => {
  await issuer.start();
  browser = await launch();
  // As docs/sign-in.md says: the operator creates the organization with the ID that the owner's tokens carry.
  const create = "organization create --name Clinic --owner-name Olivia --owner-email olivia@clinic.example --owner-id 00u1abcd";
  const created = execFileSync("python3", [join(ROOT, "infra/local/ctl.py"), ...create.split(" ")], { encoding: "utf8" });
  const { organizationId } = JSON.parse(created);
  issuer.user = { "custom:organization_id": organizationId, "custom:user_id": "00u1abcd" };
  const owner = /** @type {User} */ ({ token: issuer.accessToken() });
  const { teamId } = await api(owner, "POST", "/v1/teams", { name: "Front office" });
  members = `${stack.consoleUrl}teams/${teamId}/members`;
});
after(async () => {
  await browser.close();
  issuer.stop();
});

/** @param {Page} page */
const signInButton = (page) => page.getByRole("button", { name: "Sign in" });
/** @param {Page} page */
const alertOf = (page) => page.getByRole("alert");

/**
 * Runs a journey in a window, with an identity provider that does what it should.
 * @param {string} name
 * @param {(page: Page) => Promise<unknown>} journey
 */
function journey(name, journey) {
  test(name, { timeout: 120_000 }, async () => {
    Object.assign(issuer, { next: "code", givesRefreshTokens: true, idClaims: {}, callbacks: [], calls: [] });
    const { page, context, errors } = await openWindow(browser);
    try {
      await journey(page);
      assert.deepEqual(errors, []);
    } finally {
      await context.close();
    }
  });
}

/** @param {Page} page */
async function signIn(page) {
  await page.goto(members);
  await signInButton(page).click();
  await page.getByRole("heading", { level: 1, name: "Members" }).waitFor();
}

journey("a user signs in with the organization's own page, comes back to the page that was opened, and signs out", async (page) => {
  await signIn(page);
  assert.equal(page.url(), members);
  await page.getByText("Olivia").first().waitFor();
  const kept = await page.evaluate(() => [document.cookie, { ...sessionStorage }, { ...localStorage }]);
  assert.deepEqual(kept, ["", { "drafts of": '"00u1abcd"' }, {}], "scripts have neither the refresh token nor the verifier, only whose drafts they keep");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Members" }).waitFor();
  await page.getByRole("button", { name: "Account menu" }).click();
  assert.equal(await page.getByRole("button", { name: "End all sessions" }).count(), 0, "only the identity provider can do that");
  await page.getByRole("button", { name: "Sign out" }).click();
  await signInButton(page).waitFor();
  assert.equal(issuer.sessions.size, 0, "revoked");
  await page.reload();
  await signInButton(page).waitFor();
});

journey("tabs renew one after the other, because each refresh token is valid once", async (page) => {
  await signIn(page);
  const tabs = [page, await page.context().newPage(), await page.context().newPage()];
  for (let rounds = 0; rounds < 3; rounds++) {
    await Promise.all(tabs.map((tab) => tab.goto(members)));
    for (const tab of tabs) await tab.getByRole("heading", { level: 1, name: "Members" }).waitFor();
  }
});

journey("a response with another state signs nobody in, and its code is not exchanged", async (page) => {
  issuer.next = "wrong state";
  await page.goto(members);
  await signInButton(page).click();
  await alertOf(page).filter({ hasText: "was not started here" }).waitFor();
  assert.deepEqual(issuer.calls, []);
  assert.equal(new URL(page.url()).search, "", "the code is not in the address");
  issuer.next = "code";
  await signIn(page);
});

journey("a response that comes again signs nobody in, and its code is refused", async (page) => {
  let verifier = "";
  let nonce = "";
  page.on("request", (request) => {
    if (request.url().endsWith("/session/redeem")) ({ verifier, nonce } = request.postDataJSON());
  });
  await signIn(page);
  const [used] = issuer.callbacks;
  await page.goto(used);
  await page.getByRole("navigation", { name: "Team" }).waitFor(); // the session that is there stays
  const { page: other, context } = await openWindow(browser);
  await other.goto(used);
  await alertOf(other).filter({ hasText: "was not started here" }).waitFor();
  const body = { code: new URL(used).searchParams.get("code"), verifier, nonce };
  const answer = await fetch(`${stack.consoleUrl}session/redeem`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  assert.equal(answer.status, 401);
  assert.equal((await answer.json()).code, "sign_in_refused");
  await context.close();
});

journey("an error of the identity provider is a sentence, and the next attempt works", async (page) => {
  await page.goto(members);
  for (const [next, words] of /** @type {const} */ ([["access_denied", "refused access"], ["server_error", "reported an error"]])) {
    issuer.next = next;
    await signInButton(page).click();
    await alertOf(page).filter({ hasText: words }).waitFor();
    assert.equal(await page.getByText("Do not show this").count(), 0);
  }
  issuer.next = "code";
  await signInButton(page).click();
  await page.getByRole("heading", { level: 1, name: "Members" }).waitFor();
});

journey("the code of another sign-in is refused by its nonce", async (page) => {
  issuer.idClaims = { nonce: "of-another-sign-in" };
  await page.goto(members);
  await signInButton(page).click();
  await alertOf(page).filter({ hasText: "not valid any more" }).waitFor();
  await page.reload();
  await signInButton(page).waitFor();
});

journey("without a refresh token, a user signs in again after a reload", async (page) => {
  issuer.givesRefreshTokens = false;
  await signIn(page);
  await page.reload();
  await signInButton(page).click();
  await page.getByRole("heading", { level: 1, name: "Members" }).waitFor();
  assert.equal(page.url(), members);
});

journey("the sign-in page has no serious accessibility problem", async (page) => {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme });
    issuer.next = "server_error";
    await page.goto(members);
    await signInButton(page).click();
    await alertOf(page).waitFor();
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run());
    const serious = violations.filter((/** @type {any} */ one) => ["serious", "critical"].includes(one.impact));
    assert.deepEqual(serious.map((/** @type {any} */ one) => one.id), [], colorScheme);
  }
});

journey("an identity provider that is down can be tried again", async (page) => {
  await page.goto(members);
  await page.route(/\/session\/authorize$/, (route) => route.fulfill({
    status: 503, contentType: "application/problem+json", json: { code: "unavailable", detail: "Sign-in is not available at the moment. Try again." },
  }));
  await signInButton(page).click();
  await alertOf(page).filter({ hasText: "not available" }).waitFor();
  await page.unroute(/\/session\/authorize$/);
  await signInButton(page).click();
  await page.getByRole("heading", { level: 1, name: "Members" }).waitFor();
});
