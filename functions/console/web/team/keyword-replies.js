/** The texts with which an inbox answers keywords by itself. */

import { listAll, request } from "../api.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { FormError, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { attempt } from "../toast.js";
import { useRef, useState } from "../vendor/hooks.js";
import { expectUnchanged, Nothing, Pending, useLoaded } from "./resource.js";

/** @import { KeywordReply } from "../types.d.ts" */

const t = texts.keywordReplies;

/** @param {{ path: string }} properties */
export function KeywordReplies({ path }) {
  const [edited, setEdited] = useState(/** @type {KeywordReply | "new" | null} */ (null));
  const [removed, setRemoved] = useState(/** @type {KeywordReply | null} */ (null));
  const { value, error, reload } = useLoaded(() => /** @type {Promise<KeywordReply[]>} */ (listAll(path)), path);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const create = html`<button type="button" class="primary" onClick=${() => setEdited("new")}>${t.create}</button>`;
  /** @param {KeywordReply} reply */
  const remove = (reply) => attempt(async () => {
    await request("DELETE", `${path}/${encodeURIComponent(reply.keywordReplyId)}`);
    await reload();
  });
  return html`
    <p class="hint">${t.hint}</p>
    ${value.length > 0 && html`<div class="bar">${create}</div>`}
    ${value.length === 0 && html`<${Nothing} title=${t.none} hint=${t.noneHint}>${create}</${Nothing}>`}
    <ul class="cards">${value.map((reply) => html`
      <li key=${reply.keywordReplyId}>
        <div><h3 dir="auto">${reply.keywords.join(", ")}${reply.tag && html` <small>${t.tagged(reply.tag)}</small>`}</h3><p class="pre" dir="auto">${reply.text}</p></div>
        <div class="actions">
          <button type="button" aria-label=${t.editOf(reply.keywords[0])} onClick=${() => setEdited(reply)}>${texts.team.edit}</button>
          <button type="button" class="danger" aria-label=${t.removeOf(reply.keywords[0])} onClick=${() => setRemoved(reply)}>${texts.remove}</button>
        </div>
      </li>`)}</ul>
    ${removed && html`<${ConfirmDialog} title=${t.removeOf(removed.keywords[0])} hint=${t.removeHint} action=${texts.remove} onConfirm=${() => remove(removed)} onClose=${() => setRemoved(null)} />`}
    ${edited && html`<${ReplyDialog} path=${path} reply=${edited === "new" ? null : edited} onClose=${() => setEdited(null)} onSaved=${() => { setEdited(null); reload(); }} />`}`;
}

/** What people edit of a keyword reply. @param {KeywordReply | undefined} reply */
function contentOf(reply) {
  return reply && [reply.keywords, reply.text, reply.tag];
}

/** @param {{ path: string, reply: KeywordReply | null, onClose: () => void, onSaved: () => void }} properties */
function ReplyDialog({ path, reply, onClose, onSaved }) {
  const [keywords, setKeywords] = useState(reply?.keywords.join("\n") ?? "");
  const [text, setText] = useState(reply?.text ?? "");
  const [tag, setTag] = useState(reply?.tag ?? "");
  const seen = useRef(JSON.stringify(reply ? contentOf(reply) : null));
  const keyOf = useKey();
  const { isBusy, error, fields, submit } = useSubmission();
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const body = {
      keywords: keywords.split(/[\n,]+/).map((word) => word.trim()).filter(Boolean), text,
      ...(tag.trim() ? { tag: tag.trim() } : reply ? { tag: null } : {}),
    };
    const isSaved = await submit(async () => {
      if (!reply) return request("POST", path, { body, key: keyOf(body) });
      const { keywordReplyId } = reply;
      await expectUnchanged(seen, async () => contentOf((/** @type {KeywordReply[]} */ (await listAll(path))).find((one) => one.keywordReplyId === keywordReplyId)));
      return request("PATCH", `${path}/${encodeURIComponent(keywordReplyId)}`, { body });
    });
    if (isSaved) onSaved();
  };
  return html`
    <${Dialog} title=${reply ? t.edit : t.create} size="wide" onClose=${onClose}>
      <form onSubmit=${save} noValidate>
        <${FormError} text=${error} />
        <${TextField} label=${t.keywords} rows=${2} value=${keywords} onInput=${setKeywords} hint=${t.keywordsHint} more=${{ dir: "auto", autofocus: !reply }}
          error=${Object.entries(fields).find(([pointer]) => pointer.startsWith("/keywords"))?.[1]} />
        <${TextField} label=${t.text} rows=${4} value=${text} onInput=${setText} error=${fields["/text"]} limit=${480} isLiteral more=${{ dir: "auto" }} />
        <${TextField} label=${t.tag} value=${tag} onInput=${setTag} error=${fields["/tag"]} hint=${t.tagHint} more=${{ maxlength: 40, dir: "auto" }} />
        <div class="actions"><button type="button" onClick=${onClose}>${texts.cancel}</button><button class="primary" disabled=${isBusy}>${texts.save}</button></div>
      </form>
    </${Dialog}>`;
}
