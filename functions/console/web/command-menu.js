/** The menu of all commands, and the list of keyboard shortcuts. */

import { me, teams } from "./accounts.js";
import { opened } from "./conversation.js";
import { leaveConversation, markUnread, moveConversation } from "./conversation-view.js";
import { Dialog } from "./dialog.js";
import { closeDialog, openDialog } from "./dialogs.js";
import { html } from "./html.js";
import { areSingleKeysOn, switchSingleKeys } from "./keys.js";
import { inboxPath, navigate, teamPath } from "./router.js";
import { askToSignOut } from "./sign-out.js";
import { sectionsOf } from "./sidebar.js";
import { texts } from "./texts.js";
import { useState } from "./vendor/hooks.js";

const t = texts.keys;

/** @typedef {{ name: string, key?: string, run: () => unknown }} Command */

/** @returns {Command[]} */
function commands() {
  const accounts = me.peek()?.accounts ?? [];
  const conversation = opened.peek()?.conversation.peek();
  const ofConversation = conversation
    ? [
        { name: conversation.folder === "inbox" ? texts.conversation.archive : texts.conversation.unarchive, key: "e", run: moveConversation },
        { name: texts.conversation.markUnread, key: "u", run: markUnread },
        { name: texts.conversation.leave, key: "Esc", run: leaveConversation },
      ]
    : [];
  const ofAccounts = accounts.flatMap((account) => /** @type {const} */ (["inbox", "archived"]).map((folder) => ({
    name: `${account.name || texts.navigation.personal}: ${texts.navigation[folder]}`,
    run: () => navigate(inboxPath(account.inboxId, folder)),
  })));
  const ofTeams = teams.peek().flatMap((team) => sectionsOf(team.teamId)
    .map((section) => ({ name: `${team.name}: ${texts.sections[section]}`, run: () => navigate(teamPath(team.teamId, section)) })));
  return [
    ...ofConversation,
    { name: texts.navigation.compose, key: "c", run: () => openDialog("compose") },
    { name: texts.list.search, key: "/", run: () => document.getElementById("search")?.focus() },
    ...ofAccounts,
    ...ofTeams,
    { name: texts.navigation.shortcuts, key: "?", run: () => openDialog("keys") },
    { name: texts.navigation.signOut, run: askToSignOut },
  ];
}

export function CommandMenu() {
  const [all] = useState(commands);
  const [text, setText] = useState("");
  const [active, setActive] = useState(0);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter((command) => words.every((word) => command.name.toLowerCase().includes(word)));
  /** @param {Command | undefined} command */
  const run = (command) => {
    if (!command) return;
    closeDialog();
    // After the dialog gave the focus back.
    setTimeout(command.run);
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key === "ArrowDown") setActive(Math.min(active + 1, found.length - 1));
    else if (event.key === "ArrowUp") setActive(Math.max(active - 1, 0));
    else if (event.key === "Enter") run(found[active]);
    else return;
    event.preventDefault();
  };
  /** @param {Event} event */
  const input = (event) => {
    setText(/** @type {HTMLInputElement} */ (event.target).value);
    setActive(0);
  };
  return html`
    <${Dialog} isKept title=${t.menuTitle} size="top" onClose=${closeDialog}>
      <input type="text" role="combobox" autofocus aria-label=${t.menuHint} placeholder=${t.menuHint} aria-expanded="true" aria-autocomplete="list"
        aria-controls="commands" aria-activedescendant=${found.length ? `command-${active}` : undefined} value=${text} onInput=${input} onKeyDown=${onKeyDown} />
      <ul id="commands" role="listbox" aria-label=${t.menuTitle}>
        ${found.map((command, index) => html`
          <li id=${`command-${index}`} role="option" aria-selected=${index === active} onClick=${() => run(command)} onPointerMove=${() => setActive(index)}>
            <span>${command.name}</span>${command.key && html`<kbd>${command.key}</kbd>`}</li>`)}
      </ul>
      ${found.length === 0 && html`<p class="empty">${t.menuEmpty}</p>`}
    </${Dialog}>`;
}

export function KeysDialog() {
  return html`
    <${Dialog} isKept title=${t.title} onClose=${closeDialog}>
      <dl class="keys">${t.list.map(([key, text]) => html`<div><dt>${key.split(" / ").map((part, index) => html`${index > 0 && " "}<kbd>${part}</kbd>`)}</dt><dd>${text}</dd></div>`)}</dl>
      <label class="check"><input type="checkbox" checked=${areSingleKeysOn.value}
        onChange=${(/** @type {Event} */ event) => switchSingleKeys(/** @type {HTMLInputElement} */ (event.target).checked)} />${t.enable}</label>
    </${Dialog}>`;
}
