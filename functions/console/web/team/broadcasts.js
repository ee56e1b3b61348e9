/** The team's broadcasts: the list, and the pages of one of them. */

import { me } from "../accounts.js";
import { request } from "../api.js";
import { html } from "../html.js";
import { teamPath } from "../router.js";
import { texts } from "../texts.js";
import { Time, dateAndTime } from "../time.js";
import { attempt } from "../toast.js";
import { useState } from "../vendor/hooks.js";
import { BroadcastForm } from "./broadcast-form.js";
import { BroadcastPage } from "./broadcast.js";
import { Nothing, Pending, useLive, useLoaded } from "./resource.js";

/** @import { Broadcast, Page } from "../types.d.ts" */

const t = texts.broadcasts;

/** @param {{ teamId: string, item: string | null, view: string | null }} properties */
export function BroadcastsPage({ teamId, item, view }) {
  if (item === "new") return html`<${BroadcastForm} teamId=${teamId} broadcast=${null} />`;
  if (item) return html`<${BroadcastPage} teamId=${teamId} broadcastId=${item} isEditing=${view === "edit"} />`;
  return html`<${List} teamId=${teamId} />`;
}

/** @param {{ teamId: string }} properties */
function List({ teamId }) {
  const [older, setOlder] = useState(/** @type {Page<Broadcast>} */ ({ items: [], nextCursor: "" }));
  const { value, error, reload } = useLoaded(() => /** @type {Promise<Page<Broadcast>>} */ (request("GET", "v1/broadcasts", { query: { limit: 50 } })), teamId);
  useLive(reload, /^broadcast\./);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const shown = new Map([...older.items, ...value.items].map((one) => [one.broadcastId, one]));
  const broadcasts = [...shown.values()].filter((one) => one.teamId === teamId).sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  const cursor = older.nextCursor === "" ? value.nextCursor : older.nextCursor;
  const loadMore = () => attempt(async () => {
    const page = await request("GET", "v1/broadcasts", { query: { limit: 50, cursor: cursor ?? undefined } });
    setOlder({ items: [...older.items, ...page.items], nextCursor: page.nextCursor });
  });
  const hasInbox = me.value?.accounts.some((account) => account.teamId === teamId && account.kind === "shared");
  const create = hasInbox && html`<a class="button primary" href=${teamPath(teamId, "broadcasts", "new")}>${t.create}</a>`;
  return html`
    ${broadcasts.length > 0 && html`<div class="bar">${create}</div>`}
    ${broadcasts.length === 0 && html`<${Nothing} title=${t.none} hint=${hasInbox ? t.noneHint : t.noInbox}>${create}</${Nothing}>`}
    ${broadcasts.length > 0 && html`
      <table>
        <thead><tr><th>${texts.team.name}</th><th>${texts.team.status}</th><th>${t.progress}</th><th>${texts.team.when}</th></tr></thead>
        <tbody>${broadcasts.map((one) => html`
          <tr key=${one.broadcastId}>
            <td><a class="strong" dir="auto" href=${teamPath(teamId, "broadcasts", one.broadcastId)}>${one.name}</a></td>
            <td><span class=${`badge small ${one.status}`}>${t.statuses[one.status]}</span></td>
            <td>${one.progress.total > 0 && html`<${Meter} progress=${one.progress} /><small>${t.deliveredOf(one.progress.delivered, one.progress.total)}${one.progress.replied > 0 ? `, ${t.replies(one.progress.replied)}` : ""}</small>`}</td>
            <td>${one.status === "scheduled" && one.scheduledAt ? dateAndTime(one.scheduledAt) : html`<${Time} at=${one.startedAt ?? one.createdAt} />`}</td>
          </tr>`)}</tbody>
      </table>`}
    ${cursor && html`<p class="more"><button type="button" onClick=${loadMore}>${texts.loadMore}</button></p>`}`;
}

/** A bar with a part for each outcome. @param {{ progress: Broadcast["progress"] }} properties */
export function Meter({ progress }) {
  const parts = /** @type {const} */ ([
    ["delivered", progress.delivered], ["sent", progress.sent + progress.queued], ["failed", progress.failed + progress.undelivered], ["skipped", progress.skipped],
  ]);
  const done = progress.total - progress.pending - progress.held - progress.queued;
  const percent = progress.total ? Math.round((done / progress.total) * 100) : 0;
  return html`
    <div class="progress meter" role="progressbar" aria-label=${t.progress} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
      ${parts.map(([name, count]) => count > 0 && html`<span class=${name} style=${{ width: `${(count / progress.total) * 100}%` }} />`)}</div>`;
}
