/** Templates: read by members, written by admins. */

import { listAll, readTagged, request } from "../api.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { FormError, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { attempt } from "../toast.js";
import { useRef, useState } from "../vendor/hooks.js";
import { Nothing, Pending, saveVersion, teamApi, useLoaded } from "./resource.js";

/** @import { Template } from "../types.d.ts" */

const t = texts.templates;

/** @param {{ teamId: string, isAdmin: boolean }} properties */
export function TemplatesPage({ teamId, isAdmin }) {
  const path = `${teamApi(teamId)}/templates`;
  const [removed, setRemoved] = useState(/** @type {Template | null} */ (null));
  const [edited, setEdited] = useState(/** @type {{ value: Template | null, tag?: string } | null} */ (null));
  const { value, error, reload } = useLoaded(() => /** @type {Promise<Template[]>} */ (listAll(path, { limit: 100 })), teamId);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const create = isAdmin && html`<button type="button" class="primary" onClick=${() => setEdited({ value: null })}>${t.create}</button>`;
  const close = () => setEdited(null);
  /** @param {Template} template */
  const edit = ({ templateId }) => attempt(async () => setEdited(await readTagged(`${path}/${encodeURIComponent(templateId)}`)));
  /** @param {Template} template */
  const remove = (template) => attempt(async () => {
    await request("DELETE", `${path}/${encodeURIComponent(template.templateId)}`);
    await reload();
  });
  return html`
    ${value.length > 0 && html`<div class="bar">${create}</div>`}
    ${value.length === 0 && html`<${Nothing} title=${t.none} hint=${isAdmin ? "" : t.noneHint}>${create}</${Nothing}>`}
    <ul class="cards">${value.map((template) => html`
      <li key=${template.templateId}>
        <div><h3>${template.name}</h3><p class="pre" dir="auto">${template.text}</p></div>
        ${isAdmin && html`<div class="actions">
          <button type="button" onClick=${() => edit(template)} aria-label=${`${texts.team.edit} ${template.name}`}>${texts.team.edit}</button>
          <button type="button" class="danger" onClick=${() => setRemoved(template)} aria-label=${`${t.delete} ${template.name}`}>${t.delete}</button>
        </div>`}
      </li>`)}</ul>
    ${removed && html`<${ConfirmDialog} title=${`${t.delete} ${removed.name}`} hint=${t.deleteHint} action=${t.delete} onConfirm=${() => remove(removed)} onClose=${() => setRemoved(null)} />`}
    ${edited && html`<${TemplateDialog} path=${path} template=${edited.value} version=${edited.tag} onClose=${close}
      onSaved=${() => { close(); reload(); }} />`}`;
}

/** @param {{ path: string, template: Template | null, version: string | undefined, onClose: () => void, onSaved: () => void }} properties */
function TemplateDialog({ path, template, version, onClose, onSaved }) {
  const tag = useRef(version);
  const [name, setName] = useState(template?.name ?? "");
  const [text, setText] = useState(template?.text ?? "");
  const keyOf = useKey();
  const { isBusy, error, fields, submit } = useSubmission();
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const body = { name, text };
    const isSaved = await submit(() => template
      ? saveVersion("PATCH", `${path}/${encodeURIComponent(template.templateId)}`, body, tag)
      : request("POST", path, { body, key: keyOf(body) }));
    if (isSaved) onSaved();
  };
  return html`
    <${Dialog} title=${template ? t.edit : t.create} size="wide" onClose=${onClose}>
      <form onSubmit=${save} noValidate>
        <${FormError} text=${error} />
        <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} more=${{ maxlength: 80 }} />
        <${TextField} label=${t.text} rows=${5} value=${text} onInput=${setText} error=${fields["/text"]} hint=${t.textHint} more=${{ dir: "auto" }} />
        <div class="actions"><button type="button" onClick=${onClose}>${texts.cancel}</button>
          <button class="primary" disabled=${isBusy}>${texts.save}</button></div>
      </form>
    </${Dialog}>`;
}
