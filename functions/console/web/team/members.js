/** People of the team. */

import { me } from "../accounts.js";
import { listAll, request } from "../api.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { FormError, SelectField, TextField, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { attempt } from "../toast.js";
import { useState } from "../vendor/hooks.js";
import { Pending, teamApi, useLive, useLoaded } from "./resource.js";

/** @import { TeamMember } from "../types.d.ts" */

const t = texts.members;
const ROLES = /** @type {[string, string][]} */ (Object.entries(texts.team.roles));

/** @param {{ teamId: string, isAdmin: boolean }} properties */
export function MembersPage({ teamId, isAdmin }) {
  const path = `${teamApi(teamId)}/members`;
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState(/** @type {TeamMember | null} */ (null));
  const { value, error, reload } = useLoaded(() => /** @type {Promise<TeamMember[]>} */ (listAll(path)), teamId);
  useLive(reload, /^membership\./);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const user = me.value?.user;
  /** @param {TeamMember} member */
  const remove = (member) => attempt(async () => {
    await request("DELETE", `${path}/${encodeURIComponent(member.userId)}`);
    await reload();
  });
  /** @param {TeamMember} member @param {string} role */
  const changeRole = (member, role) => attempt(async () => {
    await request("PUT", `${path}/${encodeURIComponent(member.userId)}`, { body: { role } });
    await reload();
  }, texts.saved);
  /** @param {TeamMember} member @param {boolean} canBroadcast */
  const allow = (member, canBroadcast) => attempt(async () => {
    await request("PUT", `${path}/${encodeURIComponent(member.userId)}`, { body: { role: member.role, canBroadcast } });
    await reload();
  }, texts.saved);
  const mayRemove = (/** @type {TeamMember} */ member) => user?.owner || (isAdmin && member.role === "member");
  return html`
    ${isAdmin && html`<div class="bar"><button type="button" class="primary" onClick=${() => setAdding(true)}>${t.add}</button></div>`}
    <table>
      <thead><tr><th>${texts.team.name}</th><th>${texts.team.userId}</th>${isAdmin && html`<th>${texts.team.email}</th>`}<th>${texts.team.role}</th>${isAdmin && html`<th>${t.broadcasts}</th>`}<th><span class="hidden">${texts.remove}</span></th></tr></thead>
      <tbody>${value.map((member) => html`
        <tr key=${member.userId}>
          <td>${member.name}${member.userId === user?.userId && html` <small>(${t.you})</small>`}</td><td class="code">${member.userId}</td>
          ${isAdmin && html`<td>${member.email}</td>`}
          <td>${user?.owner
            ? html`<select aria-label=${t.role(member.name)} value=${member.role} onChange=${(/** @type {Event} */ event) => changeRole(member, /** @type {HTMLSelectElement} */ (event.target).value)}>
                ${ROLES.map(([role, text]) => html`<option value=${role}>${text}</option>`)}</select>`
            : texts.team.roles[member.role]}</td>
          ${isAdmin && html`<td>${member.role === "admin" ? texts.always : html`<input type="checkbox" role="switch" class="switch" aria-label=${t.canBroadcast(member.name)} checked=${member.canBroadcast}
            onChange=${(/** @type {Event} */ event) => allow(member, /** @type {HTMLInputElement} */ (event.target).checked)} />`}</td>`}
          <td class="end">${mayRemove(member) && html`<button type="button" class="danger" aria-label=${t.remove(member.name)} onClick=${() => setRemoved(member)}>${texts.remove}</button>`}</td>
        </tr>`)}</tbody>
    </table>
    ${removed && html`<${ConfirmDialog} title=${t.remove(removed.name)} hint=${t.removeHint} action=${texts.remove} onConfirm=${() => remove(removed)} onClose=${() => setRemoved(null)} />`}
    ${isAdding && html`<${MemberDialog} path=${path} members=${value} onClose=${() => setAdding(false)} onSaved=${() => { setAdding(false); reload(); }} />`}`;
}

/** @param {{ path: string, members: TeamMember[], onClose: () => void, onSaved: () => void }} properties */
function MemberDialog({ path, members, onClose, onSaved }) {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [userId, setUserId] = useState("");
  const [role, setRole] = useState("member");
  const { isBusy, error, fields, setFields, submit } = useSubmission();
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    if (!userId.trim()) return setFields({ "/userId": texts.required });
    // The API would change that person.
    const known = members.find((member) => member.userId === userId.trim());
    if (known) return setFields({ "/userId": t.taken(known.name) });
    const body = { role, ...(name ? { name } : {}), ...(email ? { email } : {}) };
    if (await submit(() => request("PUT", `${path}/${encodeURIComponent(userId.trim())}`, { body }))) onSaved();
  };
  const roles = me.value?.user.owner ? ROLES : ROLES.filter(([role]) => role === "member");
  return html`
    <${Dialog} title=${t.add} onClose=${onClose}>
      <form onSubmit=${save} noValidate>
        <${FormError} text=${error} />
        <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} />
        <${TextField} label=${texts.team.email} type="email" value=${email} onInput=${setEmail} error=${fields["/email"]} />
        <${TextField} label=${texts.team.userId} value=${userId} onInput=${setUserId} error=${fields["/userId"] ?? fields["?userId"]} hint=${t.userIdHint} />
        <${SelectField} label=${texts.team.role} value=${role} options=${roles} onInput=${setRole} error=${fields["/role"]} />
        <div class="actions"><button type="button" onClick=${onClose}>${texts.cancel}</button>
          <button class="primary" disabled=${isBusy}>${texts.add}</button></div>
      </form>
    </${Dialog}>`;
}
