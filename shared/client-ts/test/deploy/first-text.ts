/**
 * What happens after the deploy section of README.md: the invited owner signs in, creates a team, and invites a
 * colleague, who gets a personal inbox. A customer writes to it, and the colleague answers through the client.
 * It can run again: then everything is there already, except for the customer's message.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

import { ProblemError, SharedInboxClient } from "shared-inbox-client";

interface Stack {
  apiUrl: string;
  consoleUrl: string;
  carrierUrl: string;
  twilio: { accountSid: string; authToken: string };
  inspect: { emails: string };
}

interface Email {
  To: string[];
  Subject: string;
  BodyHtml?: string;
  BodyText?: string;
}

const stack: Stack = JSON.parse(readFileSync(process.env.STACK_FILE!, "utf8"));
const [ownerEmail] = process.argv.slice(2) as [string];
const PASSWORD = "Chosen-by-the-user-1";
const NUMBER = "+12025550140";
const PHONE = "+12025550141";

async function post(url: string, body: unknown): Promise<any> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** The temporary password in the newest invitation to an address. */
async function temporaryPassword(address: string): Promise<string> {
  for (;;) {
    const sent: { messages: Record<string, Email[]> } = await (await fetch(stack.inspect.emails)).json();
    const emails = Object.values(sent.messages).flat().filter((email) => email.To.includes(address));
    const found = emails.map((email) => /temporary password\s+(\S+?)<br>/.exec(email.BodyHtml || email.BodyText || ""));
    const password = found.reverse().find((match) => match)?.[1];
    if (password) return password.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
    await setTimeout(200);
  }
}

/** Signs in as the page does: with the chosen password, or else with that of the invitation. */
async function signIn(email: string): Promise<SharedInboxClient> {
  const session = new URL("session/", stack.consoleUrl).href;
  const known = await post(`${session}sign-in`, { email, password: PASSWORD }).catch(() => undefined);
  const answer = known ?? (await firstSignIn(session, email));
  assert.equal(typeof answer.token, "string");
  return new SharedInboxClient({ baseUrl: stack.apiUrl, token: () => answer.token });
}

async function firstSignIn(session: string, email: string): Promise<any> {
  const invited = await post(`${session}sign-in`, { email, password: await temporaryPassword(email) });
  assert.equal(invited.challenge, "new_password");
  return post(`${session}new-password`, { email, password: PASSWORD, session: invited.session });
}

const owner = await signIn(ownerEmail);
const { teams } = await owner.me();
const team = teams[0] ?? (await owner.post("/v1/teams", { body: { name: "Front desk" } }));
const path = { teamId: team.teamId };
const { user } = await owner.me();
await owner.put("/v1/teams/{teamId}/members/{userId}", {
  params: { path: { ...path, userId: user.userId } },
  body: { role: "admin" },
});
await owner.put("/v1/teams/{teamId}/members/{userId}", {
  params: { path: { ...path, userId: "amelia" } },
  body: { role: "member", name: "Amelia Hart", email: "amelia@clinic.example" },
});
await owner
  .post("/v1/teams/{teamId}/inboxes", {
    params: { path },
    body: { kind: "personal", ownerId: "amelia", phoneNumber: NUMBER },
  })
  .catch((error: unknown) => {
    if (!(error instanceof ProblemError && error.code === "personal_inbox_exists")) throw error;
  });

const amelia = await signIn("amelia@clinic.example");
const inbox = (await amelia.me()).accounts[0]!;
assert.equal(inbox.phoneNumber, NUMBER);

const authorization = `Basic ${btoa(`${stack.twilio.accountSid}:${stack.twilio.authToken}`)}`;
const inbound = await fetch(`${stack.carrierUrl}/_twilio/simulate/inbound-message`, {
  method: "POST",
  headers: { authorization },
  body: new URLSearchParams({ From: PHONE, To: NUMBER, Body: "Is the 3 pm slot still free?" }),
});
assert.equal((await inbound.json()).webhookStatus, 200);

const { items: [newest] } = await amelia.conversations.list(inbox.inboxId).page();
const conversation = await amelia.openConversation(inbox.inboxId, newest!.conversationId);
assert.equal(conversation.recentMessages[0]?.text, "Is the 3 pm slot still free?");
const reply = await conversation.reply({ text: "Yes, see you at three." });
await conversation.leave();

for (let tries = 0; ; tries++) {
  const message = await amelia.get("/v1/messages/{messageId}", { params: { path: { messageId: reply.messageId } } });
  if (message.state === "delivered") break;
  assert.ok(tries < 150, `the reply is still ${message.state}`);
  await setTimeout(200);
}
console.log("A customer's message was received, and answered by an invited user.");
