/** The dialog in which a new message is written. */

import { me } from "./accounts.js";
import { newKey, request } from "./api.js";
import { contactName, formatNumber } from "./contact.js";
import { refreshList } from "./conversations.js";
import { Dialog } from "./dialog.js";
import { closeDialog } from "./dialogs.js";
import { Field, FormError, SelectField, TextField, useSubmission } from "./form.js";
import { html } from "./html.js";
import { inboxPath, navigate } from "./router.js";
import { texts } from "./texts.js";
import { showToast } from "./toast.js";
import { useEffect, useId, useRef, useState } from "./vendor/hooks.js";

/** @import { Contact } from "./types.d.ts" */

const t = texts.compose;
const COMPOSE_LIMIT = 306;
const SEARCH_PAUSE_MS = 200;

export function ComposeDialog() {
  const accounts = me.value?.accounts ?? [];
  const [inboxId, setInboxId] = useState(accounts.length === 1 ? accounts[0].inboxId : "");
  const [recipient, setRecipient] = useState("");
  const [contact, setContact] = useState(/** @type {Contact | null} */ (null));
  const [text, setText] = useState("");
  const { isBusy, error, fields, setFields, submit } = useSubmission();
  const attempt = useRef({ key: newKey(), content: "" });
  const account = accounts.find((account) => account.inboxId === inboxId);

  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    const missing = {
      ...(inboxId ? {} : { "/from": t.chooseFrom + "." }),
      ...(recipient.trim() ? {} : { "/to": t.chooseTo }),
      ...(text.trim() ? {} : { "/text": texts.required }),
    };
    setFields(missing);
    if (Object.keys(missing).length) return;
    const to = contact ? { contactId: contact.contactId } : { phoneNumber: asNumber(recipient) };
    const body = { from: { inboxId }, to, text };
    // A repeated attempt with the same content has the same key, so that the text is sent once.
    const content = JSON.stringify(body);
    if (content !== attempt.current.content) attempt.current = { key: newKey(), content };
    const isSent = await submit(async () => {
      const message = await request("POST", "v1/messages", { body, key: attempt.current.key });
      closeDialog();
      showToast(t.accepted);
      navigate(inboxPath(inboxId, "archived", {}, message.conversationId));
      refreshList();
    });
    if (!isSent) attempt.current = { ...attempt.current };
  };

  return html`
    <${Dialog} title=${t.title} size="wide" onClose=${closeDialog}>
      <form onSubmit=${send} noValidate>
        <${FormError} text=${error} />
        <${SelectField} label=${t.from} value=${inboxId} onInput=${setInboxId} error=${fields["/from"] ?? fields["/from/inboxId"]}
          options=${[...(accounts.length === 1 ? [] : [["", `${t.chooseFrom}…`]]), ...accounts.map((account) => [account.inboxId, `${account.name || texts.navigation.personal} · ${formatNumber(account.phoneNumber)}`])]} />
        <${RecipientField} teamId=${account?.teamId ?? me.value?.teams[0]?.teamId ?? ""} value=${recipient}
          error=${fields["/to"] ?? fields["/to/phoneNumber"] ?? fields["/to/contactId"]}
          onInput=${(/** @type {string} */ value, /** @type {Contact | null} */ chosen) => { setRecipient(value); setContact(chosen); }} />
        <${TextField} label=${t.message} rows=${5} value=${text} onInput=${setText} error=${fields["/text"]}
          hint=${texts.conversation.characters(text.length, COMPOSE_LIMIT)} more=${{ maxlength: COMPOSE_LIMIT, dir: "auto" }} />
        <div class="actions"><button type="button" onClick=${closeDialog}>${texts.cancel}</button>
          <button class="primary" disabled=${isBusy}>${t.send}</button></div>
      </form>
    </${Dialog}>`;
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
    <${Field} label=${t.to} hint=${t.toHint} error=${error}>${(/** @type {Record<string, unknown>} */ attributes) => html`
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
