/**
 * What is written and not sent yet, by conversation. It stays until it is sent, its user signs out, or the tab is
 * closed.
 */

const PREFIX = "draft ";
const OWNER = "drafts of";

/**
 * A file that is uploaded and not sent yet.
 * @typedef {object} AttachedFile
 * @property {string} mediaId
 * @property {string} name
 */

/**
 * @typedef {object} Draft
 * @property {string} text
 * @property {AttachedFile[]} files
 */

/**
 * @param {string} conversationId
 * @returns {Draft}
 */
export function draftOf(conversationId) {
  const stored = sessionStorage.getItem(PREFIX + conversationId) ?? "";
  try {
    const { text, files } = JSON.parse(stored);
    if (typeof text === "string" && Array.isArray(files)) return { text, files };
  } catch {
    // An earlier version of the console kept the text as it is.
  }
  return { text: stored, files: [] };
}

/**
 * The key of a draft of something else than a conversation.
 * @param {string} name
 */
export function draftKey(name) {
  return PREFIX + name;
}

/**
 * Stores a value for this tab. If the browser's storage is full, the value is only lost with the page.
 * @param {string} key
 * @param {unknown} value `null` removes it
 */
export function keep(key, value) {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify(value));
  } catch (error) {
    console.warn(error);
  }
}

/**
 * @param {string} conversationId
 * @param {Draft} draft
 */
export function keepDraft(conversationId, draft) {
  keep(PREFIX + conversationId, draft.text || draft.files.length ? draft : null);
}

/**
 * A draft with what came back put before what was written since.
 * @param {Draft} back
 * @param {Draft} since
 * @returns {Draft}
 */
export function joined(back, since) {
  return { text: [back.text, since.text].filter(Boolean).join("\n"), files: [...back.files, ...since.files] };
}

/**
 * Notes who writes from now on. What another user left is removed.
 * @param {string} userId
 * @returns {boolean} whether that was another user
 */
export function claimDrafts(userId) {
  const owner = sessionStorage.getItem(OWNER);
  const isOther = owner !== null && owner !== JSON.stringify(userId);
  if (isOther) forgetDrafts();
  keep(OWNER, userId);
  return isOther;
}

/** How many drafts there are. */
export function draftCount() {
  return Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX)).length;
}

/** Removes all drafts, because another person may sign in. */
export function forgetDrafts() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
}
