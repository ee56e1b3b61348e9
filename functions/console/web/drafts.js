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
  return JSON.parse(sessionStorage.getItem(PREFIX + conversationId) ?? '{"text":"","files":[]}');
}

/**
 * @param {string} conversationId
 * @param {Draft} draft
 */
export function keepDraft(conversationId, draft) {
  if (draft.text || draft.files.length) sessionStorage.setItem(PREFIX + conversationId, JSON.stringify(draft));
  else sessionStorage.removeItem(PREFIX + conversationId);
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
  const isSame = sessionStorage.getItem(OWNER) === userId;
  if (!isSame) forgetDrafts();
  sessionStorage.setItem(OWNER, userId);
  return !isSame;
}

/** Removes all drafts, because another person may sign in. */
export function forgetDrafts() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
}
