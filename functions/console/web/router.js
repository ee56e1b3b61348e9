/** The page's routes, below the console's URL. */

import { computed, signal } from "./vendor/signals.js";

/** @import { Filters, Folder } from "./types.d.ts" */

/** Path of the console, with a slash at the end. */
const ROOT = new URL("../../", import.meta.url).pathname;

/**
 * @typedef {{ page: "start" }
 *   | { page: "work", inboxId: string, folder: Folder, conversationId: string | null, filters: Filters }
 *   | { page: "team", teamId: string, section: string, item: string | null, view: string | null }} Route
 */

const address = signal(location.pathname + location.search);

/** Changes when a link to the current page is followed. */
export const revisits = signal(0);

export const route = computed(() => parse(address.value));

/** @param {string} part of a path @returns {string} as it is if it cannot be decoded, so that nothing has this ID */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * @param {string} text path and query
 * @returns {Route}
 */
function parse(text) {
  const url = new URL(text, location.origin);
  const parts = url.pathname.slice(ROOT.length).split("/").filter(Boolean).map(decoded);
  if (parts[0] === "inboxes" && parts[1]) {
    const read = url.searchParams.get("read");
    return {
      page: "work",
      inboxId: parts[1],
      folder: parts[2] === "archived" ? "archived" : "inbox",
      conversationId: parts[3] ?? null,
      filters: {
        assignedTo: url.searchParams.get("assignedTo") ?? undefined,
        read: read === "read" || read === "unread" ? read : undefined,
        q: url.searchParams.get("q") ?? undefined,
      },
    };
  }
  if (parts[0] === "teams" && parts[1]) {
    return { page: "team", teamId: parts[1], section: parts[2] ?? "inboxes", item: parts[3] ?? null, view: parts[4] ?? null };
  }
  return { page: "start" };
}

/**
 * @param {string} inboxId
 * @param {Folder} folder
 * @param {Filters} [filters]
 * @param {string | null} [conversationId]
 */
export function inboxPath(inboxId, folder, filters = {}, conversationId = null) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value);
  const path = ["inboxes", inboxId, folder, conversationId].filter((part) => part !== null);
  const search = query.size ? `?${query}` : "";
  return `${ROOT}${path.map((part) => encodeURIComponent(String(part))).join("/")}${search}`;
}

/**
 * @param {string} teamId
 * @param {string} section
 * @param {string[]} more
 */
export function teamPath(teamId, section, ...more) {
  return ROOT + ["teams", teamId, section, ...more].map(encodeURIComponent).join("/");
}

/**
 * @param {string} path
 * @param {{ replace?: boolean }} [options]
 */
export function navigate(path, { replace = false } = {}) {
  if (path === address.value) {
    revisits.value++;
    return;
  }
  history[replace ? "replaceState" : "pushState"](null, "", path);
  address.value = path;
}

addEventListener("popstate", () => (address.value = location.pathname + location.search));

// Links to the console's own pages change the route instead of loading the page.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || link.target || link.download) return;
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || !link.pathname.startsWith(ROOT)) return;
  event.preventDefault();
  // A link within the page moves the focus.
  if (link.hash) document.getElementById(link.hash.slice(1))?.focus();
  else navigate(link.pathname + link.search);
});
