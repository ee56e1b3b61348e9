/** The dialog in which a new message is written. */

import { me } from "./accounts.js";
import { newKey, request } from "./api.js";
import { serverNow } from "./clock.js";
import { contactName, formatNumber } from "./contact.js";
import { refreshList } from "./conversations.js";
import { Dialog } from "./dialog.js";
import { closeDialog, dialog } from "./dialogs.js";
import { draftKey, keep } from "./drafts.js";
import { Field, FormError, SelectField, TextField, useSubmission } from "./form.js";
import { html } from "./html.js";
import { isRepeatable, noteAttempt } from "./outgoing.js";
import { inboxPath, navigate } from "./router.js";
import { texts } from "./texts.js";
import { showToast } from "./toast.js";
import { useEffect, useId, useRef, useState } from "./vendor/hooks.js";
import { effect, signal, untracked } from "./vendor/signals.js";

/** @import { Contact } from "./types.d.ts" */

const t = texts.compose;
const COMPOSE_LIMIT = 306;
const SEARCH_PAUSE_MS = 200;
const STORED = draftKey("compose");

/**
 * What is written. It outlives the dialog and the session, so that a message which fails later is not lost.
 * @typedef {object} Composed
 * @property {string} inboxId
 * @property {string} recipient as typed
 * @property {Contact | null} contact the recipient, if chosen from the contacts
 * @property {string} text
 * @property {{ key: string, content: string, firstTriedAt: number } | null} attempt the last one: its idempotency key,
 *   and the time by the server's clock, in milliseconds since 1970
 */

/** @type {Composed} */
const EMPTY = { inboxId: "", recipient: "", contact: null, text: "", attempt: null };

/** `null` before it is read. @type {import("./vendor/signals.js").Signal<Composed | null>} */
const composed = signal(null);
/** Whether an answer is on its way. Until it comes, nothing is edited. */
const isSending = signal(false);

/** What is written, once drafts of other users have been removed. */
function current() {
  if (composed.peek() === null) composed.value = stored();
  return composed.peek() ?? EMPTY;
}

/** @returns {Composed} */
function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? "null") ?? EMPTY;
  } catch {
    return EMPTY;
  }
}

/** @param {Partial<Composed>} change */
function edit(change) {
  const next = { ...current(), ...change };
  composed.value = next;
  keep(STORED, next.recipient.trim() || next.text.trim() ? next : null);
}

function discard() {
  composed.value = EMPTY;
  keep(STORED, null);
}

effect(() => {
  if (dialog.value === "compose") untracked(current);
});

/**
 * The idempotency key of what is sent. A repeated attempt with the same content has the same key, so that the text is
 * sent once. Throws once if the server has forgotten the key.
 * @param {unknown} body
 */
function keyOf(body) {
  const content = JSON.stringify(body);
  const { attempt } = current();
  if (attempt?.content !== content) {
    const key = newKey();
    edit({ attempt: { key, content, firstTriedAt: serverNow() } });
    return key;
  }
  if (isRepeatable(attempt)) return attempt.key;
  edit({ attempt: null });
  throw new Error(t.tooOld);
}

export function ComposeDialog() {
  const accounts = me.value?.accounts ?? [];
  const { inboxId: chosen, recipient, contact, text } = composed.value ?? EMPTY;
  const account = accounts.length === 1 ? accounts[0] : accounts.find((account) => account.inboxId === chosen);
  const inboxId = account?.inboxId ?? "";
  const { error, fields, setFields, submit } = useSubmission();
  const isShown = useRef(true);
  useEffect(() => () => void (isShown.current = false), []);

  /** @param {Event} event */
  const submitForm = async (event) => {
    event.preventDefault();
    const missing = {
      ...(inboxId ? {} : { "/from": t.chooseFrom + "." }),
      ...(recipient.trim() ? {} : { "/to": t.chooseTo }),
      ...(text.trim() ? {} : { "/text": texts.required }),
    };
    setFields(missing);
    if (isSending.peek() || Object.keys(missing).length) return;
    const to = contact ? { contactId: contact.contactId } : { phoneNumber: asNumber(recipient) };
    await submit(() => deliver({ from: { inboxId }, to, text }, isShown));
  };

  return html`
    <${Dialog} isKept title=${t.title} size="wide" onClose=${closeDialog}>
      <form onSubmit=${submitForm} noValidate>
        <${FormError} text=${error} />
        <fieldset class="plain" disabled=${isSending.value}>
        <${SelectField} label=${t.from} value=${inboxId} onInput=${(/** @type {string} */ inboxId) => edit({ inboxId })} error=${fields["/from"] ?? fields["/from/inboxId"]}
          options=${[...(accounts.length === 1 ? [] : [["", `${t.chooseFrom}…`]]), ...accounts.map((account) => [account.inboxId, `${account.name || texts.navigation.personal} · ${formatNumber(account.phoneNumber)}`])]} />
        <${RecipientField} teamId=${account?.teamId ?? me.value?.teams[0]?.teamId ?? ""} value=${recipient}
          error=${fields["/to"] ?? fields["/to/phoneNumber"] ?? fields["/to/contactId"]}
          onInput=${(/** @type {string} */ recipient, /** @type {Contact | null} */ contact) => edit({ recipient, contact })} />
        <${TextField} label=${t.message} rows=${5} value=${text} onInput=${(/** @type {string} */ text) => edit({ text })} error=${fields["/text"]}
          limit=${COMPOSE_LIMIT} more=${{ dir: "auto" }} />
        </fieldset>
        <div class="actions"><button type="button" disabled=${isSending.value} onClick=${() => { discard(); closeDialog(); }}>${recipient || text ? texts.discard : texts.cancel}</button>
          <button class="primary" disabled=${isSending.value}>${t.send}</button></div>
      </form>
    </${Dialog}>`;
}

/**
 * Sends what is written, and shows the conversation unless the dialog was closed before the answer came. Throws if it
 * was not accepted.
 * @param {{ from: { inboxId: string }, to: object, text: string }} body
 * @param {{ current: boolean }} isShown
 */
async function deliver(body, isShown) {
  const key = keyOf(body);
  const sending = send(body, key, isShown);
  noteAttempt(key, sending.then(() => true, () => false)); // signing out waits for it
  return sending;
}

/**
 * @param {{ from: { inboxId: string }, to: object, text: string }} body
 * @param {string} key
 * @param {{ current: boolean }} isShown
 */
async function send(body, key, isShown) {
  isSending.value = true;
  try {
    const message = await request("POST", "v1/messages", { body, key });
    discard();
    showToast(t.accepted);
    refreshList();
    if (!isShown.current) return;
    closeDialog();
    navigate(inboxPath(body.from.inboxId, "archived", {}, message.conversationId));
  } catch (error) {
    if (!isShown.current) showToast(t.notSent(/** @type {Error} */ (error).message), { isError: true });
    throw error;
  } finally {
    isSending.value = false;
  }
}

/**
 * The API takes numbers in E.164 format; people write them in many ways.
 * @param {string} text
 */
function asNumber(text) {
  const digits = text.replace(/\D/g, "");
  if (text.trim().startsWith("+")) return `+${digits}`;
  return digits.length === 10 ? `+1${digits}` : digits.length === 11 && digits.startsWith("1") ? `+${digits}` : text.trim();
}

/**
 * @param {object} properties
 * @param {string} properties.teamId
 * @param {string} properties.value
 * @param {string} [properties.error]
 * @param {(value: string, contact: Contact | null) => void} properties.onInput
 */
function RecipientField({ teamId, value, error, onInput }) {
  const [found, setFound] = useState(/** @type {Contact[]} */ ([]));
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const listId = useId();
  useEffect(() => {
    const q = value.trim();
    if (!isOpen || q.length < 2 || !teamId) return setFound([]);
    let isCurrent = true;
    const timer = setTimeout(async () => {
      const page = await request("GET", `v1/teams/${encodeURIComponent(teamId)}/contacts`, { query: { q, limit: 8 } }).catch(() => ({ items: [] }));
      if (!isCurrent) return;
      setFound(page.items);
      setActive(-1);
    }, SEARCH_PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [value, teamId, isOpen]);
  /** @param {Contact} contact */
  const choose = (contact) => {
    setOpen(false);
    onInput(`${contactName(contact)} · ${formatNumber(contact.mobileNumber)}`, contact);
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (!isOpen || found.length === 0) return;
    if (event.key === "ArrowDown") setActive((active + 1) % found.length);
    else if (event.key === "ArrowUp") setActive((active + found.length - 1) % found.length);
    else if (event.key === "Enter" && active >= 0) choose(found[active]);
    else if (event.key === "Escape") setOpen(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const isShown = isOpen && found.length > 0;
  return html`
    <${Field} label=${t.to} hint=${t.toHint} error=${error} value=${value}>${(/** @type {Record<string, unknown>} */ attributes) => html`
      <div class="combobox">
        <input ...${attributes} role="combobox" aria-autocomplete="list" aria-expanded=${isShown} aria-controls=${listId} autocomplete="off"
          aria-activedescendant=${isShown && active >= 0 ? `${listId}-${active}` : undefined} value=${value} onKeyDown=${onKeyDown}
          onInput=${(/** @type {Event} */ event) => { setOpen(true); onInput(/** @type {HTMLInputElement} */ (event.target).value, null); }}
          onBlur=${() => setTimeout(() => setOpen(false), 150)} />
        <ul id=${listId} role="listbox" aria-label=${t.suggestions} hidden=${!isShown}>
          ${found.map((contact, index) => html`
            <li id=${`${listId}-${index}`} role="option" aria-selected=${index === active} onPointerDown=${(/** @type {Event} */ event) => { event.preventDefault(); choose(contact); }}>
              <span>${contactName(contact)}</span><small>${formatNumber(contact.mobileNumber)}${contact.externalId ? ` · ${contact.externalId}` : ""}</small></li>`)}
        </ul>
      </div>`}</${Field}>`;
}
