/** The box in which a reply is written. */

import { listAll, request } from "./api.js";
import { OpenConversation } from "./conversation.js";
import { lengthOf } from "./form.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { useMenu } from "./menu.js";
import { texts } from "./texts.js";
import { attempt } from "./toast.js";
import { useEffect, useRef, useState } from "./vendor/hooks.js";

/** @import { Template } from "./types.d.ts" */

const t = texts.conversation;
const REPLY_LIMIT = 1_500;
/** The counter appears from here on. */
const COUNTED_FROM = 160;

/** @param {{ current: OpenConversation }} properties */
export function Composer({ current }) {
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const [isUploading, setUploading] = useState(false);
  const { kind } = current.lock.state.value;
  const contact = current.conversation.value?.contact;
  const isHeld = kind === "held" || kind === "notNeeded";
  // A conversation that became free is locked when the user turns to the box.
  const mayWrite = (isHeld || kind === "free" || (kind === "acquiring" && document.activeElement === box.current)) && !contact?.optedOut && !contact?.blocked;
  const { text, files } = current.draft.value;
  const length = lengthOf(text);
  const isTooLong = length > REPLY_LIMIT;
  const maySend = mayWrite && isHeld && !isUploading && !isTooLong && (text.trim() !== "" || files.length > 0);

  useEffect(() => {
    if (mayWrite && isHeld && (document.activeElement === document.body || document.activeElement?.matches("[data-conversation]"))) {
      box.current?.focus();
    }
  }, [mayWrite && isHeld]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [text]);

  /** @param {Event} [event] */
  const send = (event) => {
    event?.preventDefault();
    if (!maySend) return;
    current.send();
    box.current?.focus();
  };
  /** @param {Event} event */
  const attach = (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const [file] = input.files ?? [];
    input.value = "";
    if (!file) return;
    setUploading(true);
    attempt(async () => {
      const mediaId = await upload(current.account.inboxId, file);
      current.editDraft((draft) => ({ ...draft, files: [...draft.files, { mediaId, name: file.name }] }));
    }).finally(() => setUploading(false));
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
  };

  return html`
    <form class="composer" onSubmit=${send}>
      <textarea ref=${box} id="reply" aria-label=${t.reply} rows="2" dir="auto" placeholder=${mayWrite ? t.replyFrom(current.account.name) : ""}
        value=${text} disabled=${!mayWrite} aria-invalid=${isTooLong ? "true" : undefined} aria-describedby="reply-counter" onKeyDown=${onKeyDown}
        onFocus=${() => kind === "free" && current.acquire()}
        onInput=${(/** @type {Event} */ event) => current.setDraft({ ...current.draft.peek(), text: /** @type {HTMLTextAreaElement} */ (event.target).value })} />
      ${files.length > 0 && html`<ul class="files">${files.map((file) => html`
        <li>${file.name}<button type="button" class="icon" aria-label=${t.removeFile(file.name)}
          onClick=${() => current.setDraft({ text, files: files.filter((other) => other !== file) })}>×</button></li>`)}</ul>`}
      <div class="tools">
        <label class=${mayWrite ? "tool" : "tool disabled"} title=${t.attach}><${Icon} name="attach" /><span class="hidden">${t.attach}</span>
          <input type="file" class="hidden" disabled=${!mayWrite} onChange=${attach} /></label>
        <${TemplatePicker} current=${current} isDisabled=${!mayWrite} onPick=${() => box.current?.focus()} />
        <span id="reply-counter" class=${isTooLong ? "counter error" : "counter"} role="status">${isUploading ? t.uploading
          : isTooLong ? texts.tooLong(length - REPLY_LIMIT)
          : length >= COUNTED_FROM ? texts.characters(length, REPLY_LIMIT) : ""}</span>
        <button class="primary" disabled=${!maySend}>${t.send}<kbd aria-hidden="true">Ctrl Enter</kbd></button>
      </div>
    </form>`;
}

/**
 * @param {string} inboxId
 * @param {File} file
 * @returns {Promise<string>} the ID of the uploaded file
 */
async function upload(inboxId, file) {
  const path = `v1/inboxes/${encodeURIComponent(inboxId)}/media`;
  const place = await request("POST", path, { body: { contentType: file.type, size: file.size } });
  const { url, method, headers } = place.upload;
  const response = await fetch(url, { method, headers, body: file }).catch(() => null);
  if (!response?.ok) throw new Error(texts.uploadFailed);
  return place.mediaId;
}

/** @param {{ current: OpenConversation, isDisabled: boolean, onPick: () => void }} properties */
function TemplatePicker({ current, isDisabled, onPick }) {
  const { isOpen, setOpen, element, onKeyDown } = useMenu();
  const [templates, setTemplates] = useState(/** @type {Template[]} */ ([]));
  const path = `v1/teams/${encodeURIComponent(current.account.teamId)}/templates`;
  const toggle = () => {
    if (isOpen) return setOpen(false);
    attempt(async () => {
      setTemplates(await listAll(path, { limit: 100 }));
      setOpen(true);
    });
  };
  /** @param {Template} template */
  const pick = (template) => attempt(async () => {
    const contactId = current.conversation.peek()?.contact.contactId;
    const { text, missing } = await request("POST", `${path}/${encodeURIComponent(template.templateId)}/render`, { body: { contactId } });
    if (text === null) throw new Error(t.missingValues(missing));
    current.editDraft((draft) => ({ ...draft, text: draft.text ? `${draft.text} ${text}` : text }));
    setOpen(false);
    onPick();
  });
  return html`
    <div class="picker" ref=${element} onKeyDown=${onKeyDown}>
      <button type="button" class="tool" disabled=${isDisabled} aria-expanded=${isOpen} title=${t.insertTemplate} onClick=${toggle}>
        <${Icon} name="template" /><span class="hidden">${t.insertTemplate}</span></button>
      ${isOpen && html`
        <div class="menu">
          ${templates.length === 0 && html`<p>${t.noTemplates}</p>`}
          ${templates.map((template) => html`<button type="button" onClick=${() => pick(template)}>
            <strong>${template.name}</strong><span>${template.text}</span></button>`)}
        </div>`}
    </div>`;
}
