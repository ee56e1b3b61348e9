/** The team's shared inboxes. */

import { me } from "../accounts.js";
import { listAll, request } from "../api.js";
import { formatNumber } from "../contact.js";
import { html } from "../html.js";
import { teamPath } from "../router.js";
import { texts } from "../texts.js";
import { useState } from "../vendor/hooks.js";
import { InboxWizardDialog } from "./inbox-wizard.js";
import { Nothing, Pending, teamApi, useLive, useLoaded } from "./resource.js";

/** @import { Inbox, Team } from "../types.d.ts" */

const t = texts.inboxes;

/** @param {{ teamId: string, isAdmin: boolean }} properties */
export function InboxesPage({ teamId, isAdmin }) {
  const [isCreating, setCreating] = useState(false);
  const [notice, setNotice] = useState("");
  const { value, error, reload } = useLoaded(() => inboxesOf(teamId, isAdmin), `${teamId} ${isAdmin}`);
  useLive(reload, /^(inbox|membership)\./);
  const team = useLoaded(() => /** @type {Promise<Team>} */ (request("GET", teamApi(teamId))), teamId);
  useLive(team.reload, /^registration\./);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const create = isAdmin && html`<button type="button" class="primary" onClick=${() => setCreating(true)}>${t.create}</button>`;
  const isRegistered = team.value?.registrationStatus === "approved";
  /** @param {Inbox} inbox */
  const status = (inbox) => (inbox.retired ? t.retired : team.value && !isRegistered ? t.notRegistered : t.active);
  return html`
    ${notice && html`<p class="banner warning" role="status"><span>${notice}</span> <a class="strong" href=${teamPath(teamId, "registration")}>${t.toRegistration}</a></p>`}
    ${value.length > 0 && html`<div class="bar">${create}</div>`}
    ${value.length === 0 && html`<${Nothing} title=${texts.team.empty}>${create}</${Nothing}>`}
    ${value.length > 0 && html`
      <table>
        <thead><tr><th>${texts.team.name}</th><th>${texts.team.number}</th><th>${t.apiCode}</th><th>${texts.team.status}</th><th><span class="hidden">${texts.outOfOffice.title}</span></th></tr></thead>
        <tbody>${value.map((inbox) => html`
          <tr key=${inbox.inboxId} style=${{ "--color": inbox.color ?? "#888888" }}>
            <td><a class="strong" href=${teamPath(teamId, "inboxes", inbox.inboxId)}><span class="dot" aria-hidden="true" /> ${inbox.name ?? formatNumber(inbox.phoneNumber)}</a></td>
            <td>${formatNumber(inbox.phoneNumber)}</td><td class="code">${inbox.apiCode}</td><td>${status(inbox)}</td>
            <td class="end"><a class="back-link" href=${teamPath(teamId, "inboxes", inbox.inboxId)}>${texts.outOfOffice.title}</a></td>
          </tr>`)}</tbody>
      </table>`}
    ${isCreating && html`<${InboxWizardDialog} teamId=${teamId} onClose=${() => setCreating(false)}
      onCreated=${(/** @type {string} */ text) => { setCreating(false); setNotice(text); reload(); }} />`}`;
}

/**
 * Admins see all inboxes of the team, members those that they use.
 * @param {string} teamId
 * @param {boolean} isAdmin
 * @returns {Promise<Inbox[]>}
 */
async function inboxesOf(teamId, isAdmin) {
  if (isAdmin) return (await /** @type {Promise<Inbox[]>} */ (listAll(`${teamApi(teamId)}/inboxes`))).filter((inbox) => inbox.kind === "shared");
  const accounts = me.peek()?.accounts ?? [];
  return accounts.filter((account) => account.teamId === teamId && account.kind === "shared")
    .map((account) => ({ ...account, retired: false, member: true, voiceForwardingNumber: null }));
}
