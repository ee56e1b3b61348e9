/** Texts that are not sent yet. They are stored until they are sent or the tab is closed. */

const PREFIX = "draft ";

/** @param {string} conversationId */
export function draftOf(conversationId) {
  return sessionStorage.getItem(PREFIX + conversationId) ?? "";
}

/**
 * @param {string} conversationId
 * @param {string} text
 */
export function keepDraft(conversationId, text) {
  if (text) sessionStorage.setItem(PREFIX + conversationId, text);
  else sessionStorage.removeItem(PREFIX + conversationId);
}

/** Removes all drafts, because another person may sign in. */
export function forgetDrafts() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
}
