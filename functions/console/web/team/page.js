/** The pages of a team. */

import { isAdminOf } from "../accounts.js";
import { html } from "../html.js";
import { route } from "../router.js";
import { texts } from "../texts.js";
import { AuditPage } from "./audit.js";
import { BroadcastsPage } from "./broadcasts.js";
import { ContactsPage } from "./contacts.js";
import { InboxPage } from "./inbox.js";
import { InboxesPage } from "./inboxes.js";
import { MachineClientsPage } from "./machine-clients.js";
import { MembersPage } from "./members.js";
import { NotificationsPage } from "./notifications.js";
import { OptOutsPage } from "./opt-outs.js";
import { RegistrationPage } from "./registration.js";
import { Outdated } from "./resource.js";
import { SegmentsPage } from "./segments.js";
import { TemplatesPage } from "./templates.js";
import { WebhooksPage } from "./webhooks.js";

/** @typedef {{ teamId: string, isAdmin: boolean, item: string | null, view: string | null }} PageProperties */

/** @type {Record<string, (properties: PageProperties) => any>} */
const PAGES = {
  inboxes: (properties) => (properties.item ? html`<${InboxPage} ...${properties} />` : html`<${InboxesPage} ...${properties} />`),
  contacts: (properties) => html`<${ContactsPage} ...${properties} />`,
  "opt-outs": (properties) => html`<${OptOutsPage} ...${properties} />`,
  members: (properties) => html`<${MembersPage} ...${properties} />`,
  templates: (properties) => html`<${TemplatesPage} ...${properties} />`,
  segments: (properties) => html`<${SegmentsPage} ...${properties} />`,
  broadcasts: (properties) => html`<${BroadcastsPage} ...${properties} />`,
  registration: (properties) => html`<${RegistrationPage} ...${properties} />`,
  notifications: (properties) => html`<${NotificationsPage} ...${properties} />`,
  webhooks: (properties) => html`<${WebhooksPage} ...${properties} />`,
  "machine-clients": () => html`<${MachineClientsPage} />`,
  audit: (properties) => html`<${AuditPage} ...${properties} />`,
};

export function TeamPage() {
  const current = route.value;
  if (current.page !== "team") return null;
  const { teamId, section, item, view } = current;
  const isKnown = Object.hasOwn(PAGES, section);
  return html`
    <div class="page" tabindex="0" key=${`${teamId}/${section}/${item}`}>
      <header>
        <div><h1>${isKnown ? texts.sections[section] : texts.team.unknown}</h1>${isKnown && html`<p>${texts.team.hints[section]}</p>`}</div>
      </header>
      <${Outdated} />
      ${isKnown && PAGES[section]({ teamId, isAdmin: isAdminOf(teamId), item, view })}
    </div>`;
}
