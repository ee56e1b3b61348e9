/** The pages of a team. */

import { isAdminOf } from "../accounts.js";
import { html } from "../html.js";
import { route } from "../router.js";
import { texts } from "../texts.js";
import { AuditPage } from "./audit.js";
import { ContactsPage } from "./contacts.js";
import { InboxPage } from "./inbox.js";
import { InboxesPage } from "./inboxes.js";
import { MembersPage } from "./members.js";
import { NotificationsPage } from "./notifications.js";
import { OptOutsPage } from "./opt-outs.js";
import { RegistrationPage } from "./registration.js";
import { TemplatesPage } from "./templates.js";

/** @typedef {{ teamId: string, isAdmin: boolean, item: string | null, view: string | null }} PageProperties */

/** @type {Record<string, (properties: PageProperties) => any>} */
const PAGES = {
  inboxes: (properties) => (properties.item ? html`<${InboxPage} ...${properties} />` : html`<${InboxesPage} ...${properties} />`),
  contacts: (properties) => html`<${ContactsPage} ...${properties} />`,
  "opt-outs": (properties) => html`<${OptOutsPage} ...${properties} />`,
  members: (properties) => html`<${MembersPage} ...${properties} />`,
  templates: (properties) => html`<${TemplatesPage} ...${properties} />`,
  registration: (properties) => html`<${RegistrationPage} ...${properties} />`,
  notifications: (properties) => html`<${NotificationsPage} ...${properties} />`,
  audit: (properties) => html`<${AuditPage} ...${properties} />`,
};

export function TeamPage() {
  const current = route.value;
  if (current.page !== "team") return null;
  const { teamId, section, item, view } = current;
  const page = PAGES[section];
  return html`
    <div class="page" tabindex="0" key=${`${teamId}/${section}/${item}`}>
      <header>
        <div><h1>${texts.sections[section] ?? texts.team.unknown}</h1><p>${texts.team.hints[section] ?? texts.team.notFound}</p></div>
      </header>
      ${page?.({ teamId, isAdmin: isAdminOf(teamId), item, view })}
    </div>`;
}
