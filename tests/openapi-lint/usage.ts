// Compiles only if the generated clients have the types that the API has.

import { acquireLock, composeMessage, listConversations } from "./generated/hey-api";
import type { components, operations } from "./generated/types";

type Body<Operation extends { responses: unknown }, Status> = Operation["responses"] extends infer Responses
  ? Status extends keyof Responses
    ? Responses[Status] extends { content: infer Content }
      ? Content[keyof Content]
      : never
    : never
  : never;

// A list has items of its own kind, and its values are enumerations.
type Conversation = Body<operations["listConversations"], 200>["items"][number];
export const folder: Conversation["folder"] = "archived";
export const direction: Conversation["lastMessage"]["direction"] = "inbound";
// @ts-expect-error there is no such folder
export const noFolder: Conversation["folder"] = "trash";

// Errors are told apart by their code, and each has its own fields.
export function whoIsResponding(problem: Body<operations["reply"], 412 | 423>): string | undefined {
  if (!("code" in problem)) return undefined;
  switch (problem.code) {
    case "locked":
      return problem.holder.name;
    case "lock_lost":
      return problem.brokenBy?.name ?? problem.holder?.name;
    case "lock_required":
      return undefined;
  }
}

// Exactly one of two fields.
export const recipient: components["schemas"]["Recipient"] = { contactId: "con_01KB5Q8Z7M4T9XRA" };
// @ts-expect-error one of the fields is required
export const nobody: components["schemas"]["Recipient"] = {};

// A text or a template, and a filter exactly for segments that have one.
export const change: components["schemas"]["BroadcastChange"] = { name: "Ice day" };
// @ts-expect-error not both
export const both: components["schemas"]["BroadcastChange"] = { text: "Closed", templateId: "tpl_01KB5Q8Z7M4T9XRA" };
export const byHand: components["schemas"]["NewSegment"] = { name: "Bus 12", kind: "static" };
// @ts-expect-error the filter is required
export const unfiltered: components["schemas"]["NewSegment"] = { name: "Parents", kind: "filter" };

// The functions are named after the operations.
export async function calls(): Promise<string[]> {
  const list = await listConversations({ path: { inboxId: "inb_1" }, query: { folder: "inbox", read: "unread" } });
  const lock = await acquireLock({ path: { inboxId: "inb_1", conversationId: "cnv_1" } });
  if (lock.error && "code" in lock.error && lock.error.code === "too_many_locks") {
    return lock.error.held.map((held) => held.conversationId);
  }
  await composeMessage({ body: { from: { apiCode: "FRONT" }, to: { phoneNumber: "+12025550143" }, text: "Hello" } });
  return list.data?.items.map((conversation) => conversation.contact.phoneNumber) ?? [];
}
