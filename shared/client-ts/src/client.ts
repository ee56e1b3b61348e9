import createFetchClient, { type Client as FetchClient, type MaybeOptionalInit } from "openapi-fetch";
import type { PathsWithMethod, ResponseObjectMap, SuccessResponse } from "openapi-typescript-helpers";

import { type EventOptions, type EventUpdate, pollEvents } from "./events.js";
import { List, type Page } from "./list.js";
import { ConversationLock } from "./lock.js";
import type { components, operations, paths } from "./schema.js";
import { type SubscribeOptions, type Subscription, subscribe } from "./subscription.js";
import { Transport, type TransportOptions } from "./transport.js";

type Schemas = components["schemas"];
type Method = "get" | "put" | "post" | "patch" | "delete";

/** Paths of the API that have a method. */
export type PathsWith<M extends Method> = PathsWithMethod<paths, M>;

/** The parameters and the body of a request, and options of `fetch`. */
export type Init<P extends keyof paths, M extends Method> = MaybeOptionalInit<paths[P], M>;

/** Required only if the request has required parameters or a body. */
type InitArguments<P extends keyof paths, M extends Method> = undefined extends Init<P, M>
  ? [init?: Init<P, M>]
  : [init: Init<P, M>];

/** The body of the successful response. */
export type Result<P extends keyof paths, M extends Method> = paths[P][M] extends infer Operation extends object
  ? SuccessResponse<ResponseObjectMap<Operation>, "application/json">
  : never;

/** Paths of lists. The feed has no last page: `events()` reads it. */
export type ListPath = {
  [P in Exclude<PathsWith<"get">, "/v1/events">]: Result<P, "get"> extends Page<unknown> ? P : never;
}[Exclude<PathsWith<"get">, "/v1/events">];

type ItemOf<P extends ListPath> = Result<P, "get"> extends Page<infer Item> ? Item : never;
type Query<Name extends keyof operations> = Omit<NonNullable<operations[Name]["parameters"]["query"]>, "cursor">;

export interface ClientOptions extends TransportOptions {
  /** URL of the API, such as `https://api.example.com`. */
  baseUrl: string;
}

/** A client of one stack, for one user or one machine client. */
export class SharedInboxClient {
  /**
   * The typed client of openapi-fetch, for requests that need the whole response. It sends tokens, retries and
   * throws errors as the other methods do.
   */
  readonly http: FetchClient<paths>;

  readonly conversations = {
    /** Lists the conversations of an inbox, the most recent activity first. */
    list: (inboxId: string, query: Query<"listConversations"> = {}): List<Schemas["Conversation"]> =>
      this.list("/v1/inboxes/{inboxId}/conversations", { params: { path: { inboxId }, query } }),
  };

  readonly messages = {
    /** Lists the messages of a conversation, the newest first. */
    list: (inboxId: string, conversationId: string, query: Query<"listMessages"> = {}): List<Schemas["Message"]> =>
      this.list("/v1/inboxes/{inboxId}/conversations/{conversationId}/messages", {
        params: { path: { inboxId, conversationId }, query },
      }),
  };

  readonly #transport: Transport;
  readonly #baseUrl: string;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
    this.#baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.http = createFetchClient<paths>({
      baseUrl: this.#baseUrl,
      fetch: (request) => this.#transport.send(request),
      bodySerializer: (body) => (typeof body === "string" ? body : JSON.stringify(body)),
    });
  }

  /** Returns the limits and lock times of the stack, and how users sign in. Sends no token. */
  async config(): Promise<Schemas["Config"]> {
    const response = await this.#transport.send(new Request(`${this.#baseUrl}/v1/config`), { needsToken: false });
    return (await response.json()) as Schemas["Config"];
  }

  /** Returns the signed-in user with their teams, their inboxes with counts, and the locks that they hold. */
  me(): Promise<Schemas["Me"]> {
    return this.get("/v1/me");
  }

  /**
   * Acquires the lock of a conversation and renews it until it is left or lost. Throws a `ProblemError` with the
   * code `locked` if another user is responding. A conversation of a personal inbox needs no lock and is opened
   * without one.
   */
  openConversation(inboxId: string, conversationId: string): Promise<ConversationLock> {
    return ConversationLock.acquire(
      { http: this.http, transport: this.#transport, baseUrl: this.#baseUrl },
      { inboxId, conversationId },
    );
  }

  /**
   * Iterates over what changes in the inboxes and teams of the user, until `signal` aborts. Polls the feed every few
   * seconds, and at once while there are more events.
   */
  events(options: EventOptions = {}): AsyncGenerator<EventUpdate, void> {
    return pollEvents((cursor, signal) => this.#feed(cursor, signal), options);
  }

  /**
   * Calls `onUpdate` with what changes in the inboxes and teams of the user, within a moment, until `signal` aborts.
   * The events come over a WebSocket. The feed brings what it does not, and is polled while there is no connection.
   */
  subscribe(options: SubscribeOptions): Subscription {
    return subscribe(
      {
        feed: (cursor, signal) => this.#feed(cursor, signal),
        ticket: (signal) => this.post("/v1/realtime-tickets", { signal }),
      },
      options,
    );
  }

  #feed(cursor: string | undefined, signal: AbortSignal): Promise<Schemas["Feed"]> {
    const query = { limit: 100, ...(cursor === undefined ? {} : { cursor }) };
    return this.get("/v1/events", { params: { query }, signal });
  }

  get<P extends PathsWith<"get">>(path: P, ...[init]: InitArguments<P, "get">): Promise<Result<P, "get">> {
    return this.#request("get", path, init);
  }

  put<P extends PathsWith<"put">>(path: P, ...[init]: InitArguments<P, "put">): Promise<Result<P, "put">> {
    return this.#request("put", path, init);
  }

  /** Sends a `POST` with an idempotency key. Set the header `Idempotency-Key` to choose the key. */
  post<P extends PathsWith<"post">>(path: P, ...[init]: InitArguments<P, "post">): Promise<Result<P, "post">> {
    return this.#request("post", path, init);
  }

  patch<P extends PathsWith<"patch">>(path: P, ...[init]: InitArguments<P, "patch">): Promise<Result<P, "patch">> {
    return this.#request("patch", path, init);
  }

  delete<P extends PathsWith<"delete">>(path: P, ...[init]: InitArguments<P, "delete">): Promise<Result<P, "delete">> {
    return this.#request("delete", path, init);
  }

  /** Returns a list of the API. It sends no request until you iterate. */
  list<P extends ListPath>(path: P, ...[init]: InitArguments<P, "get">): List<ItemOf<P>> {
    return new List((cursor) => {
      const params = (init as { params?: { query?: object } } | undefined)?.params;
      const query = { ...params?.query, ...(cursor === undefined ? {} : { cursor }) };
      return this.#request<Page<ItemOf<P>>>("get", path, { ...init, params: { ...params, query } });
    });
  }

  // The public methods check the types. Their generic types are too deep to check here again.
  async #request<Body>(method: Method, path: string, init: unknown): Promise<Body> {
    const request = this.http.request as (method: Method, path: string, init: unknown) => Promise<{ data: Body }>;
    return (await request(method, path, init)).data;
  }
}
