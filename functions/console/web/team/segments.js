/** Groups of contacts that broadcasts go to. */

import { listAll, readTagged, request } from "../api.js";
import { contactName, formatNumber } from "../contact.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { FormError, SelectField, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { Time } from "../time.js";
import { attempt, showToast } from "../toast.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { Nothing, Pending, saveVersion, teamApi, useLoaded } from "./resource.js";
import { FilterRows, filterOf, isComplete, rowsOf } from "./segment-filter.js";

/** @import { Broadcast, Segment, SegmentFilter, SegmentPreview, TeamMember } from "../types.d.ts" */
/** @import { Rows } from "./segment-filter.js" */

const t = texts.segments;
const PREVIEW_PAUSE_MS = 400;

/** @param {{ teamId: string }} properties */
export function SegmentsPage({ teamId }) {
  const path = `${teamApi(teamId)}/segments`;
  const [edited, setEdited] = useState(/** @type {{ value: Segment | null, tag?: string } | null} */ (null));
  const [filled, setFilled] = useState(/** @type {Segment | null} */ (null));
  const [removed, setRemoved] = useState(/** @type {Segment | null} */ (null));
  const { value, error, reload } = useLoaded(() => /** @type {Promise<Segment[]>} */ (listAll(path, { limit: 100 })), teamId);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const create = html`<button type="button" class="primary" onClick=${() => setEdited({ value: null })}>${t.create}</button>`;
  /** @param {Segment} segment */
  const edit = ({ segmentId }) => attempt(async () => setEdited(await readTagged(`${path}/${encodeURIComponent(segmentId)}`)));
  /** @param {Segment} segment */
  const remove = (segment) => attempt(async () => {
    await request("DELETE", `${path}/${encodeURIComponent(segment.segmentId)}`);
    await reload();
  });
  return html`
    ${value.length > 0 && html`<div class="bar">${create}</div>`}
    ${value.length === 0 && html`<${Nothing} title=${t.none} hint=${t.noneHint}>${create}</${Nothing}>`}
    ${value.length > 0 && html`
      <table>
        <thead><tr><th>${texts.team.name}</th><th>${t.kind}</th><th class="number">${t.count}</th><th>${t.countedAt}</th><th><span class="hidden">${texts.team.action}</span></th></tr></thead>
        <tbody>${value.map((segment) => html`
          <tr key=${segment.segmentId}>
            <td><button type="button" class="link strong" dir="auto" onClick=${() => edit(segment)}>${segment.name}</button></td>
            <td>${t.kinds[segment.kind]}</td><td class="number">${t.number(segment.count, segment.complete)}</td><td><${Time} at=${segment.countedAt} /></td>
            <td class="end"><span class="actions">
              ${segment.kind === "static" && html`<button type="button" aria-label=${t.contactsOf(segment.name)} onClick=${() => setFilled(segment)}>${t.contacts}</button>`}
              <button type="button" class="danger" aria-label=${t.remove(segment.name)} onClick=${() => setRemoved(segment)}>${texts.remove}</button></span></td>
          </tr>`)}</tbody>
      </table>`}
    ${edited && html`<${SegmentDialog} teamId=${teamId} segment=${edited.value} version=${edited.tag} onClose=${() => setEdited(null)}
      onSaved=${(/** @type {Segment} */ saved) => { setEdited(null); reload(); if (!edited.value && saved.kind === "static") setFilled(saved); }} />`}
    ${filled && html`<${ContactsDialog} path=${`${path}/${encodeURIComponent(filled.segmentId)}/contacts`} segment=${filled} onClose=${() => { setFilled(null); reload(); }} />`}
    ${removed && html`<${ConfirmDialog} title=${t.remove(removed.name)} hint=${t.removeHint} action=${texts.remove} onConfirm=${() => remove(removed)} onClose=${() => setRemoved(null)} />`}`;
}

/** @param {{ teamId: string, segment: Segment | null, version: string | undefined, onClose: () => void, onSaved: (segment: Segment) => void }} properties */
function SegmentDialog({ teamId, segment, version, onClose, onSaved }) {
  const tag = useRef(version);
  const path = `${teamApi(teamId)}/segments`;
  const [name, setName] = useState(segment?.name ?? "");
  const [kind, setKind] = useState(/** @type {Segment["kind"]} */ (segment?.kind ?? "filter"));
  const [rows, setRows] = useState(/** @type {Rows | null} */ (rowsOf(segment?.filter)));
  const [code, setCode] = useState(JSON.stringify(segment?.filter ?? {}, null, 2));
  const keyOf = useKey();
  const members = useLoaded(() => /** @type {Promise<TeamMember[]>} */ (listAll(`${teamApi(teamId)}/members`)), teamId);
  const broadcasts = useLoaded(async () => /** @type {Broadcast[]} */ ((await request("GET", "v1/broadcasts", { query: { limit: 100 } })).items).filter((one) => one.teamId === teamId), teamId);
  const { isBusy, error, fields, setFields, submit } = useSubmission();
  const filter = kind === "static" ? undefined : rows ? filterOf(rows) : parse(code);
  const isReady = kind === "static" || (rows ? isComplete(rows) : filter !== null);
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    if (!name.trim()) return setFields({ "/name": texts.required });
    if (!isReady) return setFields({ "/filter": t.incomplete });
    const body = { name: name.trim(), ...(segment ? {} : { kind }), ...(filter ? { filter } : {}) };
    /** @type {Segment | undefined} */
    let saved;
    const isSaved = await submit(async () => {
      saved = segment ? await saveVersion("PATCH", `${path}/${encodeURIComponent(segment.segmentId)}`, body, tag) : await request("POST", path, { body, key: keyOf(body) });
    });
    if (isSaved && saved) onSaved(saved);
  };
  return html`
    <${Dialog} title=${segment ? t.edit : t.create} size="wider" onClose=${onClose}>
      <form onSubmit=${save} noValidate>
        <${FormError} text=${error} />
        <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} more=${{ maxlength: 80, dir: "auto", autofocus: !segment }} />
        ${!segment && html`<${SelectField} label=${t.kind} value=${kind} options=${Object.entries(t.kindChoices)} onInput=${setKind} hint=${t.kindHints[kind]} />`}
        ${kind === "filter" && (rows
          ? html`<${FilterRows} rows=${rows} onInput=${(/** @type {Rows} */ next) => { setRows(next); setFields({}); }} errors=${fields} members=${members.value ?? []} broadcasts=${broadcasts.value ?? []} />`
          : html`<${TextField} label=${t.code} rows=${8} value=${code} onInput=${setCode} hint=${t.codeHint} more=${{ class: "code", spellcheck: false }} />`)}
        ${fields["/filter"] && html`<p class="error" role="alert">${fields["/filter"]}</p>`}
        ${kind === "filter" && html`<${Preview} path=${`${path}/preview`} filter=${isReady ? filter : null} />`}
        <div class="actions"><button type="button" onClick=${onClose}>${texts.cancel}</button><button class="primary" disabled=${isBusy}>${texts.save}</button></div>
      </form>
    </${Dialog}>`;
}

/** @param {string} code @returns {SegmentFilter | null} */
function parse(code) {
  try {
    return JSON.parse(code);
  } catch {
    return null;
  }
}

/** Who the filter matches at the moment. @param {{ path: string, filter: SegmentFilter | null | undefined }} properties */
function Preview({ path, filter }) {
  const [preview, setPreview] = useState(/** @type {SegmentPreview | null} */ (null));
  const [problem, setProblem] = useState("");
  const content = JSON.stringify(filter ?? null);
  useEffect(() => {
    if (!filter) return setPreview(null);
    let isCurrent = true;
    const timer = setTimeout(async () => {
      try {
        const found = await request("POST", path, { body: { filter } });
        if (isCurrent) (setPreview(found), setProblem(""));
      } catch (error) {
        if (isCurrent) setProblem(/** @type {Error} */ (error).message);
      }
    }, PREVIEW_PAUSE_MS);
    return () => void ((isCurrent = false), clearTimeout(timer));
  }, [content]);
  return html`
    <section class="matches" aria-label=${t.preview} role="status">
      ${problem && html`<p class="error">${problem}</p>`}
      ${!problem && !preview && html`<p class="hint">${t.previewHint}</p>`}
      ${!problem && preview && html`
        <p><strong>${t.matches(preview.count, preview.complete)}</strong>${preview.excluded.length > 0 && html` <span class="hint">${preview.excluded.map(({ reason, count }) => `${count} ${texts.broadcasts.reasons[reason] ?? reason}`).join(", ")}</span>`}</p>
        <ul class="sample">${preview.sample.map((contact) => html`<li key=${contact.contactId}><span dir="auto">${contactName(contact)}</span><small>${formatNumber(contact.mobileNumber)}</small></li>`)}</ul>`}
    </section>`;
}

/** @param {{ path: string, segment: Segment, onClose: () => void }} properties */
function ContactsDialog({ path, segment, onClose }) {
  const [text, setText] = useState("");
  const [outcome, setOutcome] = useState("");
  const { isBusy, error, submit } = useSubmission();
  const entries = text.split(/[\n,;]+/).map((entry) => entry.trim()).filter(Boolean);
  /** @param {"POST" | "DELETE"} method */
  const apply = (method) => submit(async () => {
    // Digits alone may be an ID of the team. Ten of them, or eleven with the country code, are a US number.
    const isNumber = (/** @type {string} */ entry) => /^[+(\d][\d\s().-]{6,}$/.test(entry) && (/\D/.test(entry) || /^1?\d{10}$/.test(entry));
    const body = { phoneNumbers: entries.filter(isNumber), externalIds: entries.filter((entry) => !isNumber(entry)) };
    const answer = await request(method, path, { body });
    const missing = /** @type {string[]} */ (answer?.missing ?? []);
    setOutcome(method === "POST" ? t.added(answer.added, missing) : t.takenOut(missing));
    setText(missing.join("\n"));
    if (missing.length === 0) showToast(texts.saved);
  });
  return html`
    <${Dialog} title=${t.contactsOf(segment.name)} size="wide" onClose=${onClose}>
      <${FormError} text=${error} />
      ${outcome && html`<p class="banner" role="status">${outcome}</p>`}
      <${TextField} label=${t.whom} rows=${6} value=${text} onInput=${setText} hint=${t.whomHint} more=${{ autofocus: true }} />
      <div class="actions">
        <button type="button" disabled=${isBusy || !entries.length} onClick=${() => apply("DELETE")}>${t.takeOut}</button>
        <button type="button" class="primary" disabled=${isBusy || !entries.length} onClick=${() => apply("POST")}>${t.put}</button>
      </div>
    </${Dialog}>`;
}
