import { ProblemError } from "./problem.js";
import type { components } from "./schema.js";
import { sleep } from "./time.js";

type Schemas = components["schemas"];

/** What happened in the inboxes and teams of the user since the update before. */
export interface EventUpdate {
  /** What changed. Events of one inbox or team are in their order. */
  events: Schemas["Event"][];
  /** IDs of inboxes and teams whose events begin with this update. Load what you show of them. */
  joined: string[];
  /** IDs of inboxes and teams that the user left. */
  left: string[];
  /** IDs of inboxes and teams of which events are missing, because the cursor was older than three days. Load them again. */
  resync: string[];
  /** The position after this update. Store it to continue later. */
  cursor: string;
}

export interface EventOptions {
  /** Where to begin. The default is the present position. */
  cursor?: string;
  /** Milliseconds between requests while nothing happens. The default is 5,000. */
  interval?: number;
  /** Ends the iteration. */
  signal?: AbortSignal;
}

const INTERVAL = 5_000;

/** Polls the feed. Yields an update as soon as there is one. */
export async function* pollEvents(
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Schemas["Feed"]>,
  { cursor, interval = INTERVAL, signal = new AbortController().signal }: EventOptions,
): AsyncGenerator<EventUpdate, void> {
  let position = cursor;
  try {
    position ??= (await read(undefined, signal)).nextCursor;
    while (!signal.aborted) {
      const update = await readUpdate((cursor) => read(cursor, signal), position);
      position = update.cursor;
      const { events, joined, left, resync } = update;
      if (events.length + joined.length + left.length + resync.length > 0) yield update;
      else await sleep(interval, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Reads the events after a position. An expired position is an update as well. */
export async function readUpdate(
  read: (cursor: string) => Promise<Schemas["Feed"]>,
  position: string,
): Promise<EventUpdate> {
  try {
    const { items, joined, left, nextCursor } = await read(position);
    return { events: items, joined, left, resync: [], cursor: nextCursor };
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "cursor_expired") throw error;
    return { events: [], joined: [], left: [], resync: error.resync, cursor: error.nextCursor };
  }
}
