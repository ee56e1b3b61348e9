/** What admins changed. */

import { request } from "../api.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { dateAndTime } from "../time.js";
import { attempt } from "../toast.js";
import { useState } from "../vendor/hooks.js";
import { Nothing, Pending, teamApi, useLoaded } from "./resource.js";

/** @import { AuditEntry, Page } from "../types.d.ts" */

/** @param {{ teamId: string }} properties */
export function AuditPage({ teamId }) {
  const path = `${teamApi(teamId)}/audit`;
  const [older, setOlder] = useState(/** @type {Page<AuditEntry>} */ ({ items: [], nextCursor: "" }));
  const { value, error, reload } = useLoaded(() => request("GET", path, { query: { limit: 50 } }), teamId);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const entries = /** @type {AuditEntry[]} */ ([...value.items, ...older.items]);
  const cursor = older.nextCursor === "" ? value.nextCursor : older.nextCursor;
  const loadMore = () => attempt(async () => {
    const page = await request("GET", path, { query: { limit: 50, cursor } });
    setOlder({ items: [...older.items, ...page.items], nextCursor: page.nextCursor });
  });
  if (entries.length === 0) return html`<${Nothing} title=${texts.team.empty} />`;
  return html`
    <table>
      <thead><tr><th>${texts.team.when}</th><th>${texts.team.userId}</th><th>${texts.team.action}</th><th>${texts.team.target}</th></tr></thead>
      <tbody>${entries.map((entry) => html`<tr><td>${dateAndTime(entry.at)}</td><td>${entry.userId}</td><td>${entry.action.replaceAll("_", " ").replaceAll(".", " ")}</td><td class="code">${entry.target}</td></tr>`)}</tbody>
    </table>
    ${cursor && html`<p class="more"><button type="button" onClick=${loadMore}>${texts.loadMore}</button></p>`}`;
}
