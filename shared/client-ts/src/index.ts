export { SharedInboxClient } from "./client.js";
export type { ClientOptions, Init, ListPath, PathsWith, Result } from "./client.js";
export type { EventOptions, EventUpdate } from "./events.js";
export { List } from "./list.js";
export type { Page } from "./list.js";
export { ConversationLock } from "./lock.js";
export type { LockEvents, LockLoss, ReplyOptions } from "./lock.js";
export { ConnectionError, ProblemError } from "./problem.js";
export type { GatewayProblem, Problem, ProblemCode } from "./problem.js";
export type { components, operations, paths } from "./schema.js";
export type { SubscribeOptions, Subscription, Viewers } from "./subscription.js";
export type { TokenProvider } from "./transport.js";

import type { components } from "./schema.js";

type Schemas = components["schemas"];
export type Config = Schemas["Config"];
export type ChangeEvent = Schemas["Event"];
export type Contact = Schemas["Contact"];
export type Conversation = Schemas["Conversation"];
export type HeldLock = Schemas["HeldLock"];
export type Holder = Schemas["Holder"];
export type Inbox = Schemas["Inbox"];
export type Me = Schemas["Me"];
export type Message = Schemas["Message"];
export type Team = Schemas["Team"];
