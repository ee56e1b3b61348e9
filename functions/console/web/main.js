/** Starts the console. */

import { accountOf, isAdminOf, loadMe, me, meError, teams } from "./accounts.js";
import { CommandMenu, KeysDialog } from "./command-menu.js";
import { ComposeDialog } from "./compose.js";
import { isConnected } from "./connection.js";
import { ConversationList } from "./conversation-list.js";
import { ConversationView } from "./conversation-view.js";
import { dialog } from "./dialogs.js";
import { html } from "./html.js";
import "./keys.js";
import { readNow } from "./live.js";
import { NewTeamDialog } from "./new-team.js";
import { inboxPath, navigate, route, teamPath } from "./router.js";
import { finishSignIn, resumeError, resumeNow, resumeSession, session } from "./session.js";
import { SignInPage } from "./sign-in.js";
import { SignOutDialog } from "./sign-out.js";
import { Sidebar } from "./sidebar.js";
import { texts } from "./texts.js";
import { Toast } from "./toast.js";
import { useEffect, useErrorBoundary, useState } from "./vendor/hooks.js";
import { render } from "./vendor/preact.js";

/**
 * Shows a sentence instead of what cannot be shown because of a fault in the console, until the user goes to another
 * page.
 * @param {{ place: unknown, children: import("./vendor/preact.js").ComponentChildren }} properties
 */
function Boundary({ place, children }) {
  const [fault, reset] = useErrorBoundary((/** @type {unknown} */ error) => console.error(error));
  useEffect(() => reset(), [place]);
  return fault ? html`<${Broken} title=${texts.broken} hint=${texts.brokenHint} />` : children;
}

/** @param {{ title: string, hint: string }} properties */
function Broken({ title, hint }) {
  return html`<div class="empty" role="alert"><strong>${title}</strong><p>${hint}</p><button type="button" onClick=${() => location.reload()}>${texts.reload}</button></div>`;
}

function App() {
  if (session.value === "starting") return html`<${Starting} />`;
  if (session.value === "signedOut") return html`<${SignInPage} />`;
  if (!me.value) {
    return meError.value
      ? html`<main class="empty" role="alert"><p>${meError.value}</p><button type="button" onClick=${() => loadMe().catch(() => {})}>${texts.retry}</button></main>`
      : html`<main class="empty" aria-busy="true"><p role="status">${texts.loading}</p></main>`;
  }
  return html`
    <a class="skip" href="#content">${texts.navigation.skip}</a>
    <div class="frame">
      <${Sidebar} />
      <main id="content" tabindex="-1"><${Boundary} place=${route.value}><${Page} /></${Boundary}></main>
    </div>
    <div class="connection" role="status">${!isConnected.value && html`<p>${texts.connectionLost} <button type="button" onClick=${readNow}>${texts.retry}</button></p>`}</div>
    <${Toast} />
    ${dialog.value === "compose" && html`<${ComposeDialog} />`}
    ${dialog.value === "keys" && html`<${KeysDialog} />`}
    ${dialog.value === "team" && html`<${NewTeamDialog} />`}
    ${dialog.value === "menu" && html`<${CommandMenu} />`}
    <${SignOutDialog} />`;
}

/** While it is not known whether there is a session. */
function Starting() {
  const error = resumeError.value;
  if (!error) return html`<main class="empty" aria-busy="true"><p role="status">${texts.loading}</p></main>`;
  return html`<main class="empty"><div role="alert"><p>${error}</p><p>${texts.tryingAgain}</p></div><button type="button" onClick=${resumeNow}>${texts.retry}</button></main>`;
}

function Page() {
  const current = route.value;
  const accounts = me.value?.accounts ?? [];
  const account = current.page === "work" ? accountOf(current.inboxId) : undefined;
  useEffect(() => {
    if (current.page !== "start" || !me.value) return;
    // A team's messages wait in its shared inboxes.
    const first = accounts.find((account) => account.kind === "shared") ?? accounts[0];
    if (first) navigate(inboxPath(first.inboxId, "inbox"), { replace: true });
    else if (teams.value.some((team) => isAdminOf(team.teamId))) navigate(teamPath(teams.value[0].teamId, "inboxes"), { replace: true });
  });
  if (current.page === "team") return html`<${TeamPage} />`;
  if (account && current.page === "work") {
    return html`
      <div class=${current.conversationId ? "work reading" : "work"}>
        <${ConversationList} account=${account} folder=${current.folder} filters=${current.filters} conversationId=${current.conversationId} />
        <${ConversationView} />
      </div>`;
  }
  if (current.page === "work") return html`<div class="empty"><strong>${texts.navigation.unknownAccount}</strong></div>`;
  return html`<div class="empty">
    <strong>${texts.navigation.noAccounts}</strong><p>${texts.navigation.noAccountsHint}</p></div>`;
}

/** The team's pages are loaded when they are needed. */
function TeamPage() {
  const [module, setModule] = useState(/** @type {typeof import("./team/page.js") | null} */ (null));
  const [isMissing, setMissing] = useState(false);
  useEffect(() => {
    import("./team/page.js").then(setModule, () => setMissing(true));
  }, []);
  // The files of an earlier version are gone after an update.
  if (isMissing) return html`<${Broken} title=${texts.notLoaded} hint=${texts.notLoadedHint} />`;
  return module ? html`<${module.TeamPage} />` : html`<p class="empty" role="status">${texts.loading}</p>`;
}

const root = document.getElementById("app");
if (root) render(html`<${Boundary} place=${null}><${App} /></${Boundary}>`, root);

async function start() {
  const path = await finishSignIn();
  if (path) navigate(path, { replace: true });
  if (session.value === "starting") await resumeSession();
}
start();
