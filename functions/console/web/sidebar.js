/** The navigation: accounts with their folders, the team's pages, and the account menu. */

import { isAdminOf, me, teams } from "./accounts.js";
import { openDialog } from "./dialogs.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { useMenu } from "./menu.js";
import { inboxPath, route, teamPath } from "./router.js";
import { signInKind } from "./session.js";
import { askToSignOut, askToSignOutEverywhere } from "./sign-out.js";
import { texts } from "./texts.js";
import { signal } from "./vendor/signals.js";

/** @import { Account } from "./types.d.ts" */

const t = texts.navigation;
const ADMIN_SECTIONS = ["notifications", "webhooks", "audit"];
const OWNER_SECTIONS = ["machine-clients"];

/**
 * The team's pages that the user may open.
 * @param {string} teamId
 */
export function sectionsOf(teamId) {
  return Object.keys(texts.sections).filter((section) =>
    (!ADMIN_SECTIONS.includes(section) || isAdminOf(teamId)) && (!OWNER_SECTIONS.includes(section) || me.value?.user.owner));
}

/** On a narrow screen, only the accounts are shown until the navigation is opened. */
const isMenuOpen = signal(false);

/** The team whose pages the navigation links. */
function currentTeam() {
  const accounts = me.value?.accounts ?? [];
  const current = route.value;
  const teamId =
    current.page === "team" ? current.teamId
    : current.page === "work" ? accounts.find((account) => account.inboxId === current.inboxId)?.teamId
    : undefined;
  return teams.value.find((team) => team.teamId === teamId) ?? teams.value[0];
}

/** @param {{ account: Account }} properties */
function AccountLink({ account }) {
  const current = route.value;
  const isCurrent = current.page === "work" && current.inboxId === account.inboxId;
  const { name, color, unreadCount } = account;
  return html`
    <li style=${{ "--color": color }}>
      <a class="account" href=${inboxPath(account.inboxId, "inbox")} aria-current=${isCurrent ? "true" : undefined}>
        <span class="dot" aria-hidden="true" />
        <span class="name">${name || t.personal}</span>
        ${unreadCount > 0 && html`<span class="count">${unreadCount}<span class="hidden"> ${t.unread(unreadCount).replace(/^\d+ /, "")}</span></span>`}
      </a>
      ${isCurrent && html`
        <ul class="folders">
          ${/** @type {const} */ (["inbox", "archived"]).map((folder) => html`
            <li><a href=${inboxPath(account.inboxId, folder)} aria-current=${current.folder === folder ? "page" : undefined}>${t[folder]}</a></li>`)}
        </ul>`}
    </li>`;
}

function TeamLinks() {
  const team = currentTeam();
  if (!team) return null;
  const current = route.value;
  const others = teams.value.filter((other) => other !== team);
  const sections = sectionsOf(team.teamId);
  return html`
    <nav aria-label=${t.team}>
      <h2>${team.name}</h2>
      <ul>${sections.map((section) => html`
        <li><a href=${teamPath(team.teamId, section)}
          aria-current=${current.page === "team" && current.section === section ? "page" : undefined}>${texts.sections[section]}</a></li>`)}
      </ul>
      ${others.length > 0 && html`<ul class="teams">${others.map((other) => html`
        <li key=${other.teamId}><a href=${teamPath(other.teamId, "inboxes")}>${other.name}</a></li>`)}</ul>`}
      ${me.value?.user.owner && html`<button type="button" class="link new-team" onClick=${() => openDialog("team")}>${t.newTeam}</button>`}
    </nav>`;
}

function AccountMenu() {
  const { isOpen, setOpen, element, onKeyDown } = useMenu();
  const user = me.value?.user;
  if (!user) return null;
  return html`
    <div class="account-menu" ref=${element} onKeyDown=${onKeyDown}>
      ${isOpen && html`
        <div class="menu">
          <p class="who">${user.name}<span>${user.email}</span></p>
          <button type="button" onClick=${() => (setOpen(false), openDialog("keys"))}>${t.shortcuts}<kbd>?</kbd></button>
          <button type="button" onClick=${askToSignOut}>${t.signOut}</button>
          ${signInKind === "pool" && html`<button type="button" onClick=${askToSignOutEverywhere}>${t.signOutEverywhere}</button>`}
        </div>`}
      <span class="name">${user.name}</span>
      <button type="button" class="icon" aria-label=${t.accountMenu} aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>···</button>
    </div>`;
}

export function Sidebar() {
  const accounts = me.value?.accounts ?? [];
  const close = () => (isMenuOpen.value = false);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key !== "Escape" || !isMenuOpen.peek()) return;
    event.preventDefault();
    close();
  };
  return html`
    ${isMenuOpen.value && html`<div class="beside narrow" onClick=${close} />`}
    <aside class=${isMenuOpen.value ? "sidebar open" : "sidebar"} onKeyDown=${onKeyDown}>
      <button type="button" class="icon narrow" aria-label=${isMenuOpen.value ? t.closeMenu : t.menu} aria-expanded=${isMenuOpen.value}
        onClick=${() => (isMenuOpen.value = !isMenuOpen.value)}>${isMenuOpen.value ? "×" : html`<${Icon} name="menu" />`}</button>
      <div class="brand"><span class="logo" aria-hidden="true" />${texts.product}</div>
      <button type="button" class="primary compose" onClick=${() => (close(), openDialog("compose"))}>
        <${Icon} name="compose" /><span class="text">${t.compose}</span></button>
      <div class="links" onClick=${close}>
        <nav aria-label=${t.accounts}>
          <h2>${t.accounts}</h2>
          <ul>${accounts.map((account) => html`<${AccountLink} key=${account.inboxId} account=${account} />`)}</ul>
        </nav>
        <${TeamLinks} />
      </div>
      <${AccountMenu} />
    </aside>`;
}
