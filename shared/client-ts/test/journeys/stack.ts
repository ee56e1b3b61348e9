import { readFileSync } from "node:fs";
import { randomInt } from "node:crypto";
import { setTimeout } from "node:timers/promises";

import { type Conversation, SharedInboxClient } from "shared-inbox-client";

export interface User {
  id: string;
  name: string;
  token: string;
  owner: boolean;
  teams: { teamId: string; role: string }[];
}

interface Inbox {
  inboxId: string;
  teamId: string;
  phoneNumber: string;
  registered: boolean;
}

interface Stack {
  apiUrl: string;
  carrierUrl: string;
  twilio: { accountSid: string; authToken: string };
  users: User[];
  inboxes: Inbox[];
}

const file = process.env.STACK_FILE ?? new URL("../../../../../.local/stack.json", import.meta.url);
/** The local cloud. */
export const stack: Stack = JSON.parse(readFileSync(file, "utf8"));

/** The inbox that demo users work in. */
export const inbox = stack.inboxes.find((inbox) => inbox.registered)!;

const inTeam = (role: string) =>
  stack.users.filter((user) => !user.owner && user.teams.some((team) => team.teamId === inbox.teamId && team.role === role));
export const [amelia, ben] = inTeam("member") as [User, User];
export const [admin] = inTeam("admin") as [User];

export function clientOf(user: User): SharedInboxClient {
  return new SharedInboxClient({ baseUrl: stack.apiUrl, token: () => user.token });
}

/** Sends a text from a new phone, and returns its conversation once the inbox shows it. */
export async function newConversation(text: string): Promise<Conversation & { phone: string }> {
  const phone = `+1202${randomInt(200, 999)}${String(randomInt(0, 9999)).padStart(4, "0")}`;
  await sendInbound(phone, text);
  for (;;) {
    for (const conversation of (await clientOf(amelia).conversations.list(inbox.inboxId, { limit: 10 }).page()).items) {
      if (conversation.contact.phoneNumber === phone) return { ...conversation, phone };
    }
    await setTimeout(200);
  }
}

/** Sends a message to the inbox from a phone. */
export async function sendInbound(from: string, text: string): Promise<void> {
  const { accountSid, authToken } = stack.twilio;
  const response = await fetch(`${stack.carrierUrl}/_twilio/simulate/inbound-message`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${accountSid}:${authToken}`)}` },
    body: new URLSearchParams({ To: inbox.phoneNumber, From: from, Body: text }),
  });
  if (!response.ok) throw new Error(`the simulator answered ${response.status}: ${await response.text()}`);
}
