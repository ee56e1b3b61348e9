/** Keyboard shortcuts. Single keys do nothing while the user types, and can be switched off. */

import { me } from "./accounts.js";
import { opened } from "./conversation.js";
import { leaveConversation, markUnread, moveConversation } from "./conversation-view.js";
import { dialog, openDialog } from "./dialogs.js";
import { signal } from "./vendor/signals.js";

const SETTING = "single-key shortcuts";

export const areSingleKeysOn = signal(localStorage.getItem(SETTING) !== "off");

/** @param {boolean} isOn */
export function switchSingleKeys(isOn) {
  areSingleKeysOn.value = isOn;
  localStorage.setItem(SETTING, isOn ? "on" : "off");
}

/** @param {1 | -1} step */
function moveInList(step) {
  const links = [...document.querySelectorAll("[data-conversation]")];
  const from = links.findIndex((link) => link === document.activeElement);
  const current = links.findIndex((link) => link.getAttribute("aria-current") === "true");
  const start = from >= 0 ? from : current;
  const next = links[start < 0 ? 0 : Math.min(links.length - 1, Math.max(0, start + step))];
  if (next instanceof HTMLElement) next.focus();
}

async function reply() {
  const current = opened.peek();
  if (!current) {
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && focused.matches("[data-conversation]")) focused.click();
    return;
  }
  await current.acquire();
  document.getElementById("reply")?.focus();
}

/** @type {Record<string, () => unknown>} */
const SINGLE_KEYS = {
  j: () => moveInList(1),
  k: () => moveInList(-1),
  r: reply,
  e: moveConversation,
  u: markUnread,
  "/": () => document.getElementById("search")?.focus(),
  c: () => openDialog("compose"),
  "?": () => openDialog("keys"),
};

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select") || target.isContentEditable);
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || !me.peek()) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openDialog("menu");
    return;
  }
  if (dialog.peek() || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && !event.defaultPrevented) {
    const search = document.activeElement;
    if (search?.id === "search") /** @type {HTMLElement} */ (search).blur();
    else if (opened.peek()) leaveConversation();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !areSingleKeysOn.peek()) return;
  const action = SINGLE_KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
