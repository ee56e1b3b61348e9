import type { Client as FetchClient } from "openapi-fetch";

import { LockTimes } from "./lock-times.js";
import { ProblemError } from "./problem.js";
import type { components, paths } from "./schema.js";
import { startStopwatch } from "./time.js";
import type { SendOptions, Transport } from "./transport.js";

type HeldLock = components["schemas"]["HeldLock"];

const PATH = "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock";

/** What a lock needs of its client. */
export interface Connection {
  http: FetchClient<paths>;
  transport: Transport;
  baseUrl: string;
}

export interface ConversationKey {
  inboxId: string;
  conversationId: string;
}

/** Acquires the lock. Returns `undefined` if the conversation needs no lock. */
export async function acquireLock(connection: Connection, key: ConversationKey): Promise<LockTimes | undefined> {
  const { fetch, sinceRequestMs } = timedFetch(connection.transport);
  try {
    const { data, response } = await connection.http.POST(PATH, { params: { path: key }, fetch });
    return new LockTimes(data as HeldLock, response, { sinceRequestMs });
  } catch (error) {
    if (error instanceof ProblemError && error.code === "no_lock") return undefined;
    throw error;
  }
}

/** Renews the lock once. The caller decides whether there is time for another attempt. */
export async function renewLock(
  connection: Connection,
  key: ConversationKey,
  { lock, sinceActivityMs }: LockTimes,
  active: boolean,
): Promise<LockTimes> {
  const { fetch, sinceRequestMs } = timedFetch(connection.transport, { maxRetries: 0 });
  const { data, response } = await connection.http.PUT(PATH, {
    params: { path: key },
    body: { token: lock.token, active },
    signal: AbortSignal.timeout(lock.renewAfterSeconds * 1000),
    fetch,
  });
  return new LockTimes(data as HeldLock, response, { sinceRequestMs, ...(active ? {} : { sinceActivityMs }) });
}

/** Releases the lock. If that fails, the lock expires by itself. */
export async function releaseLock(connection: Connection, key: ConversationKey, token: number): Promise<void> {
  await connection.http.DELETE(PATH, { params: { path: key, query: { token } } }).catch(() => {});
}

export function releaseLockOnPageHide({ baseUrl, transport }: Connection, key: ConversationKey, token: number): void {
  const path = PATH.replace("{inboxId}", encodeURIComponent(key.inboxId)) //
    .replace("{conversationId}", encodeURIComponent(key.conversationId));
  transport.sendOnPageHide(`${baseUrl}${path}?token=${token}`, "DELETE");
}

/** A `fetch` that measures the time since its last attempt. */
function timedFetch(transport: Transport, options: SendOptions = {}) {
  let sinceLastAttempt = startStopwatch();
  const onAttempt = () => {
    sinceLastAttempt = startStopwatch();
  };
  return {
    fetch: (request: Request) => transport.send(request, { ...options, onAttempt }),
    sinceRequestMs: () => sinceLastAttempt(),
  };
}
