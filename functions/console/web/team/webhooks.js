/** Endpoints that get events, and what was delivered to them. */

import { me } from "../accounts.js";
import { listAll, newKey, request } from "../api.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { FormError, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { navigate, teamPath } from "../router.js";
import { texts } from "../texts.js";
import { Time, dateAndTime } from "../time.js";
import { attempt, showToast } from "../toast.js";
import { useRef, useState } from "../vendor/hooks.js";
import { expectUnchanged, Nothing, Pending, useLoaded } from "./resource.js";
import { SecretDialog } from "./secret.js";

/** @import { Page, WebhookDelivery, WebhookEndpoint } from "../types.d.ts" */

const t = texts.webhooks;
const PATH = "v1/webhook-endpoints";
const DAY_MS = 86_400_000;
/** How long deliveries are kept. */
const KEPT_DAYS = 14;

/** @param {{ teamId: string, item: string | null }} properties */
export function WebhooksPage({ teamId, item }) {
  return item ? html`<${Endpoint} teamId=${teamId} endpointId=${item} />` : html`<${List} teamId=${teamId} />`;
}

/** @param {{ teamId: string }} properties */
function List({ teamId }) {
  const [isCreating, setCreating] = useState(false);
  const [secret, setSecret] = useState("");
  const { value, error, reload } = useLoaded(() => /** @type {Promise<WebhookEndpoint[]>} */ (listAll(PATH, { limit: 100 })), teamId);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const create = html`<button type="button" class="primary" onClick=${() => setCreating(true)}>${t.create}</button>`;
  /** @param {WebhookEndpoint} made */
  const saved = (made) => {
    setCreating(false);
    setSecret(made.secret ?? "");
    reload();
  };
  return html`
    ${value.length > 0 && html`<div class="bar">${create}</div>`}
    ${value.length === 0 && html`<${Nothing} title=${t.none} hint=${t.noneHint}>${create}</${Nothing}>`}
    ${value.length > 0 && html`
      <table>
        <thead><tr><th>${t.url}</th><th>${t.types}</th><th>${texts.team.status}</th></tr></thead>
        <tbody>${value.map((endpoint) => html`
          <tr key=${endpoint.endpointId}>
            <td><a class="strong" href=${teamPath(teamId, "webhooks", endpoint.endpointId)}>${endpoint.url}</a>${endpoint.description && html`<br /><small dir="auto">${endpoint.description}</small>`}</td>
            <td class="code">${endpoint.types.join(", ")}</td><td><${Status} endpoint=${endpoint} /></td>
          </tr>`)}</tbody>
      </table>`}
    ${isCreating && html`<${EndpointDialog} teamId=${teamId} endpoint=${null} onClose=${() => setCreating(false)} onSaved=${saved} />`}
    ${secret && html`<${SecretDialog} rows=${[[t.secret, secret]]} onClose=${() => setSecret("")} />`}`;
}

/** @param {{ endpoint: WebhookEndpoint }} properties */
function Status({ endpoint }) {
  const name = endpoint.status === "disabled" ? "failed" : endpoint.failingSince ? "paused" : "approved";
  const text = endpoint.status === "disabled" ? t.disabled[endpoint.disabledReason ?? "by_user"] : endpoint.failingSince ? t.failing : t.enabled;
  return html`<span class=${`badge small ${name}`}>${text}</span>`;
}

/** What people edit of an endpoint. @param {WebhookEndpoint} endpoint */
function contentOf({ url, types, description, inboxIds }) {
  return [url, types, description, inboxIds];
}

/** @param {{ teamId: string, endpoint: WebhookEndpoint | null, onClose: () => void, onSaved: (endpoint: WebhookEndpoint) => void }} properties */
function EndpointDialog({ teamId, endpoint, onClose, onSaved }) {
  const inboxes = (me.value?.accounts ?? []).filter((account) => account.kind === "shared" && (account.teamId === teamId || me.value?.user.owner));
  const [url, setUrl] = useState(endpoint?.url ?? "");
  const [types, setTypes] = useState(endpoint?.types.join(", ") ?? "message.*");
  const [description, setDescription] = useState(endpoint?.description ?? "");
  const [inboxIds, setInboxIds] = useState(endpoint?.inboxIds ?? []);
  const seen = useRef(JSON.stringify(endpoint && contentOf(endpoint)));
  const keyOf = useKey();
  const { isBusy, error, fields, submit } = useSubmission();
  /** @param {string} id */
  const toggle = (id) => setInboxIds(inboxIds.includes(id) ? inboxIds.filter((other) => other !== id) : [...inboxIds, id]);
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const body = {
      url: url.trim(), types: types.split(/[\s,]+/).filter(Boolean),
      ...(endpoint || description ? { description } : {}), ...(endpoint || inboxIds.length ? { inboxIds } : {}),
    };
    /** @type {WebhookEndpoint | undefined} */
    let saved;
    const isSaved = await submit(async () => {
      if (!endpoint) return void (saved = await request("POST", PATH, { body, key: keyOf(body) }));
      const path = `${PATH}/${encodeURIComponent(endpoint.endpointId)}`;
      await expectUnchanged(seen, async () => contentOf(await request("GET", path)));
      saved = await request("PATCH", path, { body });
    });
    if (isSaved && saved) onSaved(saved);
  };
  /** @param {string} pointer */
  const errorBelow = (pointer) => Object.entries(fields).find(([other]) => other.startsWith(pointer))?.[1];
  return html`
    <${Dialog} title=${endpoint ? t.edit : t.create} size="wide" onClose=${onClose}>
      <form onSubmit=${save} noValidate>
        <${FormError} text=${error} />
        <${TextField} label=${t.url} type="url" value=${url} onInput=${setUrl} error=${errorBelow("/url")} hint=${t.urlHint} more=${{ autofocus: !endpoint }} />
        <${TextField} label=${t.types} value=${types} onInput=${setTypes} error=${errorBelow("/types")} hint=${t.typesHint} />
        <${TextField} label=${t.description} value=${description} onInput=${setDescription} error=${errorBelow("/description")} more=${{ maxlength: 200, dir: "auto" }} />
        ${inboxes.length > 0 && html`<fieldset class="choices"><legend>${t.inboxes}</legend><p class="hint">${t.inboxesHint}</p>${inboxes.map((inbox) => html`
          <label class="check" key=${inbox.inboxId}><input type="checkbox" checked=${inboxIds.includes(inbox.inboxId)} onChange=${() => toggle(inbox.inboxId)} />${inbox.name}</label>`)}
          ${errorBelow("/inboxIds") && html`<p class="error">${errorBelow("/inboxIds")}</p>`}</fieldset>`}
        <div class="actions"><button type="button" onClick=${onClose}>${texts.cancel}</button><button class="primary" disabled=${isBusy}>${texts.save}</button></div>
      </form>
    </${Dialog}>`;
}

/** @param {{ teamId: string, endpointId: string }} properties */
function Endpoint({ teamId, endpointId }) {
  const path = `${PATH}/${encodeURIComponent(endpointId)}`;
  const [open, setOpen] = useState(/** @type {"edit" | "rotate" | "remove" | "recover" | null} */ (null));
  const [secret, setSecret] = useState("");
  const { value, error, reload } = useLoaded(() => /** @type {Promise<WebhookEndpoint>} */ (request("GET", path)), path);
  const deliveries = useLoaded(() => /** @type {Promise<Page<WebhookDelivery>>} */ (request("GET", `${path}/deliveries`, { query: { limit: 50 } })), path);
  const rotationKey = useRef(newKey());
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const close = () => setOpen(null);
  /** @param {() => Promise<unknown>} task @param {string} [success] */
  const run = (task, success) => attempt(async () => {
    await task();
    await Promise.all([reload(), deliveries.reload()]);
  }, success);
  const rotate = () => run(async () => {
    const { secret } = await request("POST", `${path}/rotate-secret`, { key: rotationKey.current });
    rotationKey.current = newKey();
    setSecret(secret ?? "");
  });
  const remove = () => attempt(async () => {
    await request("DELETE", path);
    navigate(teamPath(teamId, "webhooks"));
  });
  const isDisabled = value.status === "disabled";
  return html`
    <p class="bar start"><a class="back-link" href=${teamPath(teamId, "webhooks")}>‹ ${t.all}</a></p>
    <div class="bar item-bar">
      <h2 class="item-title">${value.url} <${Status} endpoint=${value} /></h2>
      ${isDisabled
        ? html`<button type="button" class="primary" onClick=${() => run(() => request("PATCH", path, { body: { status: "enabled" } }), t.enabledAgain)}>${t.enable}</button>`
        : html`<button type="button" onClick=${() => run(() => request("POST", `${path}/test`, { key: newKey() }), t.testSent)}>${t.test}</button>`}
      <button type="button" onClick=${() => setOpen("edit")}>${texts.team.edit}</button>
      <button type="button" onClick=${() => setOpen("rotate")}>${t.rotate}</button>
      <button type="button" class="danger" onClick=${() => setOpen("remove")}>${texts.remove}</button>
    </div>
    ${value.failingSince && html`<p class="banner warning">${t.failingSince(dateAndTime(value.failingSince))}</p>`}
    <section class="block" aria-label=${t.deliveries}>
      <div class="bar"><h2>${t.deliveries}</h2>
        <button type="button" onClick=${() => deliveries.reload()}>${t.refresh}</button>
        <button type="button" onClick=${() => setOpen("recover")}>${t.recover}</button></div>
      <${Deliveries} path=${path} loaded=${deliveries} />
    </section>
    ${open === "edit" && html`<${EndpointDialog} teamId=${teamId} endpoint=${value} onClose=${close} onSaved=${() => { close(); reload(); }} />`}
    ${open === "rotate" && html`<${ConfirmDialog} title=${t.rotate} hint=${t.rotateHint} action=${t.rotate} onConfirm=${rotate} onClose=${close} />`}
    ${open === "remove" && html`<${ConfirmDialog} title=${t.removeTitle} hint=${t.removeHint} action=${texts.remove} onConfirm=${remove} onClose=${close} />`}
    ${open === "recover" && html`<${RecoverDialog} path=${path} onClose=${close} onDone=${() => { close(); deliveries.reload(); }} />`}
    ${secret && html`<${SecretDialog} rows=${[[t.secret, secret]]} onClose=${() => setSecret("")} />`}`;
}

/** @param {{ path: string, loaded: { value: Page<WebhookDelivery> | undefined, error: any, reload: () => Promise<void> } }} properties */
function Deliveries({ path, loaded: { value, error, reload } }) {
  const [older, setOlder] = useState(/** @type {Page<WebhookDelivery> | null} */ (null));
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const shown = new Map([...(older?.items ?? []), ...value.items].map((one) => [one.deliveryId, one]));
  const all = [...shown.values()].sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  const cursor = older ? older.nextCursor : value.nextCursor;
  const loadMore = () => attempt(async () => {
    const page = await request("GET", `${path}/deliveries`, { query: { limit: 50, cursor: cursor ?? undefined } });
    setOlder({ items: [...(older?.items ?? []), ...page.items], nextCursor: page.nextCursor });
  });
  /** @param {WebhookDelivery} delivery */
  const replay = (delivery) => attempt(async () => {
    await request("POST", `${path}/deliveries/${encodeURIComponent(delivery.deliveryId)}/replay`);
    await reload();
  }, t.replayed);
  if (all.length === 0) return html`<p class="hint">${t.noDeliveries}</p>`;
  return html`
    <table>
      <thead><tr><th>${texts.team.when}</th><th>${t.type}</th><th>${texts.team.status}</th><th>${t.lastAttempt}</th><th><span class="hidden">${t.replay}</span></th></tr></thead>
      <tbody>${all.map((delivery) => html`
        <tr key=${delivery.deliveryId}><td><${Time} at=${delivery.createdAt} /></td><td class="code">${delivery.type}</td>
          <td><span class=${`badge small ${delivery.state}`}>${t.states[delivery.state]}</span></td><td>${outcome(delivery)}</td>
          <td class="end">${delivery.state !== "pending" && html`<button type="button" onClick=${() => replay(delivery)}>${t.replay}</button>`}</td></tr>`)}</tbody>
    </table>
    ${cursor && html`<p class="more"><button type="button" onClick=${loadMore}>${texts.loadMore}</button></p>`}`;
}

/** @param {WebhookDelivery} delivery */
function outcome({ attempts, nextAttemptAt }) {
  const last = attempts.at(-1);
  const result = last ? `${last.status ?? t.errors[last.error ?? ""] ?? last.error ?? ""} · ${last.ms} ms · ${t.attempts(attempts.length)}` : "";
  return [result, nextAttemptAt ? t.nextAttempt(dateAndTime(nextAttemptAt)) : ""].filter(Boolean).join(" · ");
}

/** @param {{ path: string, onClose: () => void, onDone: () => void }} properties */
function RecoverDialog({ path, onClose, onDone }) {
  const [days, setDays] = useState("1");
  const { isBusy, error, submit } = useSubmission();
  /** @param {Event} event */
  const recover = async (event) => {
    event.preventDefault();
    const since = new Date(Date.now() - Number(days) * DAY_MS).toISOString();
    const isDone = await submit(async () => {
      const { queued } = await request("POST", `${path}/recover`, { body: { since } });
      showToast(t.recovered(queued));
    });
    if (isDone) onDone();
  };
  return html`
    <${Dialog} title=${t.recover} onClose=${onClose}>
      <form onSubmit=${recover} noValidate>
        <${FormError} text=${error} />
        <p class="hint">${t.recoverHint}</p>
        <${TextField} label=${t.days} type="number" value=${days} onInput=${setDays} more=${{ min: 1, max: KEPT_DAYS, autofocus: true }} />
        <div class="actions"><button type="button" onClick=${onClose}>${texts.cancel}</button><button class="primary" disabled=${isBusy || !(Number(days) >= 1 && Number(days) <= KEPT_DAYS)}>${t.recover}</button></div>
      </form>
    </${Dialog}>`;
}
