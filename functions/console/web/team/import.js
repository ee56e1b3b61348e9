/** The dialog that imports a file of contacts. */

import { newKey, request } from "../api.js";
import { Dialog } from "../dialog.js";
import { Field, FormError, useSubmission } from "../form.js";
import { html } from "../html.js";
import { onChange } from "../live.js";
import { texts } from "../texts.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { teamApi } from "./resource.js";

/** @import { ImportReport } from "../types.d.ts" */

const t = texts.imports;
/** A larger file is uploaded to a presigned URL. */
const DIRECT_BYTES = 4 * 1024 * 1024;
/** Events of small imports may come before the dialog waits for them. */
const LONGEST_WAIT_MS = 5_000;

/**
 * The API gives reasons as parts of a sentence.
 * @param {string | null | undefined} reason
 */
function sentence(reason) {
  if (!reason) return "";
  return reason[0].toUpperCase() + reason.slice(1) + (reason.endsWith(".") ? "" : ".");
}

/** Waits for an event of an import, or a while. @returns {Promise<void>} */
function nextChange() {
  return new Promise((resolve) => {
    const finish = async () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(finish, LONGEST_WAIT_MS);
    const stop = onChange(finish, /^import\./);
  });
}

/** @param {{ teamId: string, onClose: () => void }} properties */
export function ImportDialog({ teamId, onClose }) {
  const path = `${teamApi(teamId)}/contact-imports`;
  const [file, setFile] = useState(/** @type {File | null} */ (null));
  const [report, setReport] = useState(/** @type {ImportReport | null} */ (null));
  const isClosed = useRef(false);
  /** The start whose response did not come. @type {{ current: { key: string, file: File, dryRun: boolean } | null }} */
  const started = useRef(null);
  const { isBusy, error, fields, setFields, submit } = useSubmission();
  useEffect(() => () => void (isClosed.current = true), []);

  /** @param {boolean} dryRun */
  const run = async (dryRun) => {
    if (!file) return setFields({ "/file": t.chooseFile });
    setReport(null);
    await submit(async () => {
      const known = started.current;
      const attempt = known?.file === file && known.dryRun === dryRun ? known : { key: newKey(), file, dryRun };
      started.current = attempt;
      const accepted = await begin(path, attempt);
      started.current = null; // a file can be imported again
      await upload(accepted, file);
      let current = accepted;
      setReport(current);
      while (!isClosed.current && (current.status === "queued" || current.status === "running")) {
        await nextChange();
        current = await request("GET", `${path}/${encodeURIComponent(current.importId)}`);
        setReport(current);
      }
    });
  };
  /** @param {Event} event */
  const choose = (event) => {
    setFile(/** @type {HTMLInputElement} */ (event.target).files?.[0] ?? null);
    setReport(null);
    setFields({});
  };
  return html`
    <${Dialog} isKept title=${t.title} size="wide" onClose=${onClose}>
      <p class="hint">${t.hint}</p>
      <${FormError} text=${sentence(error)} />
      <${Field} label=${t.file} error=${fields["/file"]}>${(/** @type {Record<string, unknown>} */ attributes) => html`
        <input ...${attributes} type="file" accept=".csv,.tsv,.txt,text/csv" onChange=${choose} />`}</${Field}>
      ${report && html`<${Report} report=${report} />`}
      <div class="actions">
        <button type="button" disabled=${isBusy} onClick=${() => run(true)}>${t.dryRun}</button>
        <button type="button" class="primary" disabled=${isBusy} onClick=${() => run(false)}>${t.start}</button>
      </div>
    </${Dialog}>`;
}

/**
 * @param {string} path
 * @param {{ key: string, file: File, dryRun: boolean }} attempt
 * @returns {Promise<ImportReport>}
 */
function begin(path, { key, file, dryRun }) {
  const query = dryRun ? { dryRun: true } : {};
  return request("POST", path, { ...(file.size <= DIRECT_BYTES ? { file } : { body: {} }), query, key });
}

/** Uploads a file that is too large for a request. @param {ImportReport} report @param {File} file */
async function upload(report, file) {
  if (!report.upload) return;
  const { url, method, headers } = report.upload;
  const response = await fetch(url, { method, headers, body: file }).catch(() => null);
  if (!response?.ok) throw new Error(texts.uploadFailed);
}

/** @param {{ report: ImportReport }} properties */
function Report({ report }) {
  const isDone = report.status === "completed";
  const total = report.totalRows ?? 0;
  const percent = isDone ? 100 : total ? Math.round((report.rows / total) * 100) : 0;
  return html`
    <div class="progress" role="progressbar" aria-label=${t.progress} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
      <span style=${{ width: `${percent}%` }} /></div>
    <p role="status">${report.status === "failed" ? sentence(report.reason)
      : isDone ? (report.dryRun ? t.wouldBe(report) : t.summary(report))
      : report.dryRun ? t.checking : t.running}</p>
    ${report.errors.length > 0 && html`
      <table class="small" aria-label=${t.refusedRows}>
        <thead><tr><th>${t.row}</th><th>${t.field}</th><th>${t.reason}</th></tr></thead>
        <tbody>${report.errors.map((error) => html`<tr><td>${error.row}</td><td>${error.field}</td><td>${error.reason}</td></tr>`)}</tbody>
      </table>
      ${report.errorsBeyond > 0 && html`<p class="hint">${t.more(report.errorsBeyond)}</p>`}`}`;
}
