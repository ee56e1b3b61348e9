/** The team's contacts. */

import { listAll, request } from "../api.js";
import { contactName, formatNumber } from "../contact.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { FormError, SelectField, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { attempt } from "../toast.js";
import { useEffect, useState } from "../vendor/hooks.js";
import { ImportDialog } from "./import.js";
import { Nothing, Pending, teamApi, useLoaded } from "./resource.js";

/** @import { Contact, Page, TeamMember } from "../types.d.ts" */

const t = texts.contacts;
const SEARCH_PAUSE_MS = 250;

/** @param {{ teamId: string, isAdmin: boolean }} properties */
export function ContactsPage({ teamId, isAdmin }) {
  const path = `${teamApi(teamId)}/contacts`;
  const [q, setQ] = useState("");
  const [typed, setTyped] = useState("");
  const [more, setMore] = useState(/** @type {{ key: string, items: Contact[], nextCursor: string | null } | null} */ (null));
  const [edited, setEdited] = useState(/** @type {Contact | "new" | null} */ (null));
  const [isImporting, setImporting] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setQ(typed.trim()), SEARCH_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const { value, error, reload } = useLoaded(
    () => /** @type {Promise<Page<Contact>>} */ (request("GET", path, { query: { q: q || undefined, limit: 50 } })), `${teamId} ${q}`);
  const members = useLoaded(() => /** @type {Promise<TeamMember[]>} */ (listAll(`${teamApi(teamId)}/members`)), teamId);
  const names = new Map(members.value?.map((member) => [member.userId, member.name]));
  const older = more?.key === q ? more : null;
  const contacts = [...(value?.items ?? []), ...(older?.items ?? [])];
  const cursor = older ? older.nextCursor : value?.nextCursor;
  const loadMore = () => attempt(async () => {
    const page = await request("GET", path, { query: { q: q || undefined, limit: 50, cursor: cursor ?? undefined } });
    setMore({ key: q, items: [...(older?.items ?? []), ...page.items], nextCursor: page.nextCursor });
  });
  const refresh = () => {
    setMore(null);
    reload();
  };
  return html`
    <div class="bar">
      <input type="search" aria-label=${t.search} placeholder=${t.searchHint} value=${typed} onInput=${(/** @type {Event} */ event) => setTyped(/** @type {HTMLInputElement} */ (event.target).value)} />
      ${isAdmin && html`<button type="button" onClick=${() => setImporting(true)}>${t.import}</button>`}
      <button type="button" class="primary" onClick=${() => setEdited("new")}>${t.create}</button>
    </div>
    ${!value && html`<${Pending} error=${error} onRetry=${reload} />`}
    ${value && contacts.length === 0 && html`<${Nothing} title=${t.none} hint=${q ? "" : t.noneHint} />`}
    ${contacts.length > 0 && html`
      <table>
        <thead><tr><th>${texts.team.name}</th><th>${t.mobileNumber}</th><th>${t.externalId}</th><th>${t.assignedUser}</th><th>${texts.team.status}</th></tr></thead>
        <tbody>${contacts.map((contact) => html`
          <tr key=${contact.contactId}>
            <td><button type="button" class="link strong" dir="auto" onClick=${() => setEdited(contact)}>${contactName(contact)}</button></td>
            <td>${formatNumber(contact.mobileNumber)}</td><td class="code">${contact.externalId}</td><td>${names.get(contact.assignedUserId ?? "") ?? contact.assignedUserId}</td>
            <td>${[contact.optedOut && t.optedOut, contact.blocked && t.blocked, contact.provisional && texts.conversation.provisional].filter(Boolean).join(", ")}</td>
          </tr>`)}</tbody>
      </table>
      ${cursor && html`<p class="more"><button type="button" onClick=${loadMore}>${texts.loadMore}</button></p>`}`}
    ${edited && html`<${ContactDialog} teamId=${teamId} contact=${edited === "new" ? null : edited} onClose=${() => setEdited(null)}
      onSaved=${() => { setEdited(null); refresh(); }} />`}
    ${isImporting && html`<${ImportDialog} teamId=${teamId} onClose=${() => { setImporting(false); refresh(); }} />`}`;
}

/** @param {{ teamId: string, contact: Contact | null, onClose: () => void, onSaved: () => void }} properties */
function ContactDialog({ teamId, contact, onClose, onSaved }) {
  const path = `${teamApi(teamId)}/contacts`;
  const own = contact && `${path}/${encodeURIComponent(contact.contactId)}`;
  const [firstName, setFirstName] = useState(contact?.firstName ?? "");
  const [lastName, setLastName] = useState(contact?.lastName ?? "");
  const [mobileNumber, setMobileNumber] = useState(contact?.mobileNumber ?? "");
  const [externalId, setExternalId] = useState(contact?.externalId ?? "");
  const [assignedUserId, setAssigned] = useState(contact?.assignedUserId ?? "");
  const [asked, setAsked] = useState(/** @type {"remove" | "optIn" | null} */ (null));
  const keyOf = useKey();
  const members = useLoaded(() => /** @type {Promise<TeamMember[]>} */ (listAll(`${teamApi(teamId)}/members`)), teamId);
  const { isBusy, error, fields, submit } = useSubmission();
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const given = { firstName, lastName, externalId, assignedUserId };
    const before = { firstName: contact?.firstName ?? "", lastName: contact?.lastName ?? "", externalId: contact?.externalId ?? "", assignedUserId: contact?.assignedUserId ?? "" };
    const changed = /** @type {[keyof typeof given, string][]} */ (Object.entries(given)).filter(([name, value]) => value.trim() !== before[name]);
    const body = {
      ...Object.fromEntries(changed.map(([name, value]) => [name, value.trim() || null])),
      ...(mobileNumber === contact?.mobileNumber ? {} : { mobileNumber }),
    };
    const isSaved = await submit(() => (own ? request("PATCH", own, { body }) : request("POST", path, { body, key: keyOf(body) })));
    if (isSaved) onSaved();
  };
  /** @param {() => Promise<unknown>} change */
  const apply = async (change) => (await submit(change)) && onSaved();
  const names = new Map(members.value?.map((member) => [member.userId, member.name]));
  // The user may have left the team, and the members may not be known.
  const assigned = contact?.assignedUserId;
  if (assigned && !names.has(assigned)) names.set(assigned, assigned);
  const options = /** @type {[string, string][]} */ ([["", t.nobody], ...names]);
  return html`
    <${Dialog} title=${contact ? t.edit : t.create} size="wide" onClose=${onClose}>
      <form onSubmit=${save} noValidate>
        <${FormError} text=${error} />
        <div class="side-by-side">
          <${TextField} label=${t.firstName} value=${firstName} onInput=${setFirstName} error=${fields["/firstName"]} more=${{ dir: "auto" }} />
          <${TextField} label=${t.lastName} value=${lastName} onInput=${setLastName} error=${fields["/lastName"]} more=${{ dir: "auto" }} />
        </div>
        <${TextField} label=${t.mobileNumber} type="tel" value=${mobileNumber} onInput=${setMobileNumber} error=${fields["/mobileNumber"]} />
        <${TextField} label=${t.externalId} value=${externalId} onInput=${setExternalId} error=${fields["/externalId"]} />
        <${SelectField} label=${t.assignedUser} value=${assignedUserId} options=${options} onInput=${setAssigned} error=${fields["/assignedUserId"]} />
        <div class="actions">
          ${own && html`
            <span class="start">
              ${contact.optedOut
                ? html`<button type="button" onClick=${() => setAsked("optIn")}>${t.optIn}</button>`
                : html`<button type="button" onClick=${() => apply(() => request("PUT", `${own}/opt-out`))}>${t.optOut}</button>`}
              <button type="button" onClick=${() => apply(() => request("PATCH", own, { body: { blocked: !contact.blocked } }))}>${contact.blocked ? t.unblock : t.block}</button>
              <button type="button" class="danger" onClick=${() => setAsked("remove")}>${texts.remove}</button>
            </span>`}
          <button type="button" onClick=${onClose}>${texts.cancel}</button>
          <button class="primary" disabled=${isBusy}>${texts.save}</button>
        </div>
      </form>
      ${own && asked === "remove" && html`<${ConfirmDialog} title=${t.removeOf(contactName(contact))} hint=${t.removeHint} action=${texts.remove}
        onConfirm=${() => apply(() => request("DELETE", own))} onClose=${() => setAsked(null)} />`}
      ${own && asked === "optIn" && html`<${ConfirmDialog} title=${t.optInOf(contactName(contact))} hint=${t.optInHint} action=${t.optIn} tone="primary"
        onConfirm=${() => apply(() => request("DELETE", `${own}/opt-out`))} onClose=${() => setAsked(null)} />`}
    </${Dialog}>`;
}
