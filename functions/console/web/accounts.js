/** The signed-in user with their teams and accounts. An account is an inbox that they read and send from. */

import { listAll, request } from "./api.js";
import { onChange } from "./live.js";
import { session } from "./session.js";
import { computed, effect, signal } from "./vendor/signals.js";

/** @import { Account, Me, Team } from "./types.d.ts" */

/** @type {import("./vendor/signals.js").Signal<Me | null>} */
export const me = signal(null);

/** @type {import("./vendor/signals.js").Signal<string>} */
export const meError = signal("");

/** How many sessions have ended. An answer to an earlier one is of another user, perhaps. */
let ended = 0;

export async function loadMe() {
  const before = ended;
  try {
    const answer = await request("GET", "v1/me");
    if (before !== ended) return;
    me.value = answer;
    meError.value = "";
  } catch (error) {
    if (!me.value && before === ended) meError.value = /** @type {Error} */ (error).message;
    throw error;
  }
}

/** All teams of the organization, for its owner. @type {import("./vendor/signals.js").Signal<Team[]>} */
const allTeams = signal([]);

/** The teams whose pages the user can open. The user's own are the first. */
export const teams = computed(() => {
  const own = me.value?.teams ?? [];
  return [...own, ...allTeams.value.filter((team) => own.every((one) => one.teamId !== team.teamId))];
});

/** Reads the teams that the user owns without being a member. */
export async function loadAllTeams() {
  if (me.peek()?.user.owner) allTeams.value = await listAll("v1/teams", { limit: 100 });
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
  if (session.value === "signedOut") {
    ended++;
    me.value = null;
    meError.value = "";
    allTeams.value = [];
  }
  if (session.value === "signedIn") loadMe().then(loadAllTeams).catch(() => {});
});
