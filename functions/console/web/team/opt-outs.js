/** Opt-outs: messages to review, and the ledger. */

import { me } from "../accounts.js";
import { download, listAll, request } from "../api.js";
import { contactName, formatNumber } from "../contact.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { Time, dateAndTime, isoTime } from "../time.js";
import { attempt } from "../toast.js";
import { useState } from "../vendor/hooks.js";
import { Nothing, Pending, teamApi, useLive, useLoaded } from "./resource.js";

/** @import { OptOutEntry, OptOutReview, Page } from "../types.d.ts" */

const t = texts.optOuts;
/** Browsers let people enter longer years than this. */
const LAST_DAY = "9999-12-31";

/** @param {{ teamId: string }} properties */
export function OptOutsPage({ teamId }) {
  const accounts = (me.value?.accounts ?? []).filter((account) => account.teamId === teamId);
  return html`
    ${accounts.map((account) => html`<${Reviews} key=${account.inboxId} inboxId=${account.inboxId} name=${account.name} />`)}
    <${Ledger} teamId=${teamId} />`;
}

/** @param {{ inboxId: string, name: string }} properties */
function Reviews({ inboxId, name }) {
  const path = `v1/inboxes/${encodeURIComponent(inboxId)}/opt-out-reviews`;
  const { value, reload } = useLoaded(() => /** @type {Promise<OptOutReview[]>} */ (listAll(path, { limit: 100 })), inboxId);
  useLive(reload, /^(message\.created|opt_out\.)/);
  const open = (value ?? []).filter((review) => !review.decided);
  if (open.length === 0) return null;
  /** @param {OptOutReview} review @param {"opted_out" | "dismissed"} decision */
  const decide = (review, decision) => attempt(async () => {
    await request("PUT", `${path}/${encodeURIComponent(review.reviewId)}`, { body: { decision } });
    await reload();
  });
  return html`
    <section class="block">
      <h2>${t.reviews} <small>${name}</small></h2><p class="hint">${t.reviewsHint}</p>
      <ul class="cards">${open.map((review) => html`
        <li key=${review.reviewId}>
          <div><h3 dir="auto">${contactName(review.contact)} <small><${Time} at=${review.at} /></small></h3><p class="pre" dir="auto">${review.text}</p></div>
          <div class="actions">
            <button type="button" onClick=${() => decide(review, "dismissed")}>${t.dismiss}</button>
            <button type="button" class="danger" onClick=${() => decide(review, "opted_out")}>${t.isOptOut}</button>
          </div>
        </li>`)}</ul>
    </section>`;
}

/** @param {{ teamId: string }} properties */
function Ledger({ teamId }) {
  const path = `${teamApi(teamId)}/opt-outs`;
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [more, setMore] = useState(/** @type {{ key: string, items: OptOutEntry[], nextCursor: string | null } | null} */ (null));
  const key = `${teamId} ${from} ${to}`;
  const period = { from: isoTime(`${from}T00:00`), to: isoTime(`${to}T23:59:59.999`) };
  const isInvalid = Boolean((from && !period.from) || (to && !period.to));
  const query = { ...period, limit: 50 };
  const { value, error, reload } = useLoaded(() => /** @type {Promise<Page<OptOutEntry>>} */ (request("GET", path, { query })), key);
  useLive(reload, /^opt_out\./);
  const older = more?.key === key ? more : null;
  const entries = [...(value?.items ?? []), ...(older?.items ?? [])];
  const cursor = older ? older.nextCursor : value?.nextCursor;
  const loadMore = () => attempt(async () => {
    const page = await request("GET", path, { query: { ...query, cursor: cursor ?? undefined } });
    setMore({ key, items: [...(older?.items ?? []), ...page.items], nextCursor: page.nextCursor });
  });
  /** @param {(value: string) => void} set */
  const input = (set) => (/** @type {Event} */ event) => set(/** @type {HTMLInputElement} */ (event.target).value);
  return html`
    <section class="block">
      <div class="bar"><h2>${t.ledger}</h2>
        <label>${t.from} <input type="date" value=${from} max=${LAST_DAY} aria-invalid=${from && !period.from ? "true" : undefined} onInput=${input(setFrom)} /></label>
        <label>${t.to} <input type="date" value=${to} max=${LAST_DAY} aria-invalid=${to && !period.to ? "true" : undefined} onInput=${input(setTo)} /></label>
        <button type="button" onClick=${() => attempt(() => download(path, "opt-outs.csv", period))}>${texts.team.download}</button>
      </div>
      ${isInvalid && html`<p class="error" role="alert">${texts.badDate}</p>`}
      ${!value && html`<${Pending} error=${error} onRetry=${reload} />`}
      ${value && entries.length === 0 && html`<${Nothing} title=${t.none} />`}
      ${entries.length > 0 && html`
        <table>
          <thead><tr><th>${texts.team.when}</th><th>${texts.team.number}</th><th>${texts.team.status}</th><th>${t.source}</th></tr></thead>
          <tbody>${entries.map((entry) => html`
            <tr><td>${dateAndTime(entry.at)}</td><td>${formatNumber(entry.phoneNumber)}</td><td>${t.status[entry.status]}</td>
              <td>${t.sources[entry.source] ?? entry.source}${entry.userId ? ` (${entry.userId})` : ""}</td></tr>`)}</tbody>
        </table>
        ${cursor && html`<p class="more"><button type="button" onClick=${loadMore}>${texts.loadMore}</button></p>`}`}
    </section>`;
}
