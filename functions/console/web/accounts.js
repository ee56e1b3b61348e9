/** The signed-in user with their teams and accounts. An account is an inbox that they read and send from. */

import { request } from "./api.js";
import { onChange } from "./live.js";
import { session } from "./session.js";
import { effect, signal } from "./vendor/signals.js";

/** @import { Account, Me } from "./types.d.ts" */

/** @type {import("./vendor/signals.js").Signal<Me | null>} */
export const me = signal(null);

/** @type {import("./vendor/signals.js").Signal<string>} */
export const meError = signal("");

export async function loadMe() {
  try {
    me.value = await request("GET", "v1/me");
    meError.value = "";
  } catch (error) {
    if (!me.value) meError.value = /** @type {Error} */ (error).message;
    throw error;
  }
}

/**
 * @param {string} inboxId
 * @returns {Account | undefined}
 */
export function accountOf(inboxId) {
  return me.value?.accounts.find((account) => account.inboxId === inboxId);
}

/**
 * Whether the user manages the team.
 * @param {string} teamId
 */
export function isAdminOf(teamId) {
  const team = me.value?.teams.find((team) => team.teamId === teamId);
  return Boolean(me.value?.user.owner || team?.role === "admin");
}

onChange(loadMe);
effect(() => {
  if (session.value === "signedOut") me.value = null;
  if (session.value === "signedIn") loadMe().catch(() => {});
});
