/** One broadcast: its draft with the estimate, or its progress and its recipients. */

import { accountOf } from "../accounts.js";
import { download, request } from "../api.js";
import { formatNumber } from "../contact.js";
import { ConfirmDialog } from "../dialog.js";
import { FormError, useSubmission } from "../form.js";
import { html } from "../html.js";
import { navigate, teamPath } from "../router.js";
import { texts } from "../texts.js";
import { dateAndTime } from "../time.js";
import { attempt } from "../toast.js";
import { useEffect, useState } from "../vendor/hooks.js";
import { BroadcastForm } from "./broadcast-form.js";
import { describeRecurrence } from "./broadcast-options.js";
import { Meter } from "./broadcasts.js";
import { Pending, teamApi, useLive, useLoaded } from "./resource.js";

/** @import { Broadcast, BroadcastRecipient, Estimate, Page, Segment } from "../types.d.ts" */

const t = texts.broadcasts;
/** A reply is counted without an event of the broadcast. */
const CHANGES = /^(broadcast\.|message\.created\.inbound)/;
const IS_DRAFT = ["draft", "scheduled"];
const CAN_STOP = ["scheduled", "preparing", "running", "paused"];

/** @param {{ teamId: string, broadcastId: string, isEditing: boolean }} properties */
export function BroadcastPage({ teamId, broadcastId, isEditing }) {
  const path = `v1/broadcasts/${encodeURIComponent(broadcastId)}`;
  const { value, error, reload } = useLoaded(() => /** @type {Promise<Broadcast>} */ (request("GET", path)), path);
  const [asked, setAsked] = useState(/** @type {"cancel" | "remove" | null} */ (null));
  const { isBusy, error: refusal, submit } = useSubmission();
  useLive(reload, CHANGES);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  if (isEditing && IS_DRAFT.includes(value.status)) return html`<${BroadcastForm} teamId=${teamId} broadcast=${value} onSaved=${reload} />`;
  /** @param {"pause" | "resume" | "cancel"} action */
  const act = (action) => submit(async () => {
    await request("POST", `${path}/${action}`);
    await reload();
  });
  const remove = () => attempt(async () => {
    await request("DELETE", path);
    navigate(teamPath(teamId, "broadcasts"));
  });
  const isDraft = value.status === "draft";
  return html`
    <p class="bar start"><a class="back-link" href=${teamPath(teamId, "broadcasts")}>‹ ${t.all}</a></p>
    <div class="bar item-bar">
      <h2 class="item-title" dir="auto">${value.name} <span class=${`badge small ${value.status}`}>${t.statuses[value.status]}</span></h2>
      ${IS_DRAFT.includes(value.status) && html`<a class="button" href=${teamPath(teamId, "broadcasts", broadcastId, "edit")}>${texts.team.edit}</a>`}
      ${value.status === "running" && html`<button type="button" disabled=${isBusy} onClick=${() => act("pause")}>${t.pause}</button>`}
      ${value.status === "paused" && html`<button type="button" class="primary" disabled=${isBusy} onClick=${() => act("resume")}>${t.resume}</button>`}
      ${CAN_STOP.includes(value.status) && html`<button type="button" class="danger" disabled=${isBusy} onClick=${() => setAsked("cancel")}>${t.cancel}</button>`}
      ${isDraft && html`<button type="button" class="danger" onClick=${() => setAsked("remove")}>${texts.remove}</button>`}
    </div>
    <${FormError} text=${refusal} />
    ${value.reason && html`<p class="banner warning">${t.reasons[value.reason] ?? value.reason}</p>`}
    ${value.waitingFor && html`<p class="banner" role="status">${t.waiting(t.waits[value.waitingFor.reason] ?? value.waitingFor.reason, value.waitingFor.until && dateAndTime(value.waitingFor.until))}</p>`}
    ${value.progress.total > 0 && html`<${ProgressPanel} broadcast=${value} />`}
    ${value.question && value.progress.replied > 0 && html`<${Answers} broadcast=${value} />`}
    <div class="columns">
      <${Facts} teamId=${teamId} broadcast=${value} />
      ${isDraft && html`<${EstimatePanel} path=${path} broadcast=${value} onConfirmed=${reload} />`}
    </div>
    ${!IS_DRAFT.includes(value.status) && value.status !== "preparing" && html`<${Recipients} path=${path} broadcast=${value} />`}
    ${asked === "cancel" && html`<${ConfirmDialog} title=${t.cancel} hint=${t.cancelHint} action=${t.cancel} onConfirm=${() => act("cancel")} onClose=${() => setAsked(null)} />`}
    ${asked === "remove" && html`<${ConfirmDialog} title=${t.removeTitle} hint=${t.removeHint} action=${texts.remove} onConfirm=${remove} onClose=${() => setAsked(null)} />`}`;
}

/** @param {{ broadcast: Broadcast }} properties */
function ProgressPanel({ broadcast: { progress } }) {
  const figures = /** @type {[string, number, string][]} */ ([
    [t.states.delivered, progress.delivered, "delivered"], [t.states.sent, progress.sent, ""], [t.onTheWay, progress.queued, ""], [t.toSend, progress.pending + progress.held, ""],
    [t.notDelivered, progress.failed + progress.undelivered, "failed"], [t.states.skipped, progress.skipped, ""], [t.replied, progress.replied, "replied"],
  ]);
  return html`
    <section class="panel" aria-label=${t.progress}>
      <${Meter} progress=${progress} />
      <dl class="figures">${figures.map(([name, count, kind]) => html`<div class=${count > 0 ? kind : ""}><dt>${name}</dt><dd>${count.toLocaleString()}</dd></div>`)}</dl>
    </section>`;
}

/** The letters a to h stand for the choices. @param {Broadcast["question"]} question @param {string} answer */
function answerName(question, answer) {
  return (question?.kind === "choice" && question.choices?.[answer.charCodeAt(0) - 97]) || t.answers[answer] || answer;
}

/** How many recipients gave each answer. @param {{ broadcast: Broadcast }} properties */
function Answers({ broadcast: { answers = [], question } }) {
  const total = answers.reduce((sum, { count }) => sum + count, 0);
  return html`
    <section class="panel" aria-label=${t.answersTitle}>
      <h2>${t.answersTitle}</h2>
      <ul class="answers">${answers.map(({ answer, count }) => html`
        <li key=${answer}><span dir="auto">${answerName(question, answer)}</span><span class="bar-of" aria-hidden="true"><span style=${{ width: `${total ? (count / total) * 100 : 0}%` }} /></span><strong>${count.toLocaleString()}</strong></li>`)}</ul>
    </section>`;
}

/** @param {{ teamId: string, broadcast: Broadcast }} properties */
function Facts({ teamId, broadcast }) {
  const { segmentIds, contactIds, phoneNumbers } = broadcast.audience;
  const segments = useLoaded(() => Promise.all(segmentIds.map((id) => /** @type {Promise<Segment>} */ (request("GET", `${teamApi(teamId)}/segments/${encodeURIComponent(id)}`)).catch(() => null))), segmentIds.join());
  const audience = [
    ...(segments.value ?? []).map((segment) => (segment ? `${segment.name} (${texts.segments.people(segment.count, segment.complete)})` : t.segmentGone)),
    contactIds.length ? t.contactCount(contactIds.length) : "", phoneNumbers.length ? t.numberCount(phoneNumbers.length) : "",
  ].filter(Boolean);
  const rows = [
    [t.from, accountOf(broadcast.from.inboxId)?.name ?? broadcast.from.inboxId],
    [t.audience, audience.join("\n") || texts.inboxes.none],
    [t.scheduledAt, broadcast.scheduledAt ? dateAndTime(broadcast.scheduledAt) : t.atOnce],
    [t.hours, t.hoursModes[broadcast.hours.mode] ?? broadcast.hours.mode],
    ...(broadcast.question ? [[t.question, [t.questionKinds[broadcast.question.kind], ...(broadcast.question.choices ?? [])].join("\n")]] : []),
    ...Object.entries(broadcast.question?.followUps ?? {}).map(([answer, text]) => [t.followUpOf(answerName(broadcast.question, answer)), text]),
    ...(broadcast.replyWindowHours ? [[t.replyWindow, t.hourCount(broadcast.replyWindowHours)]] : []),
    ...(broadcast.recurrence ? [[t.repeat, describeRecurrence(broadcast.recurrence)]] : []),
    [t.createdBy, `${broadcast.createdBy.name}, ${dateAndTime(broadcast.createdAt)}`],
    ...(broadcast.confirmedBy ? [[t.confirmedBy, broadcast.confirmedBy.name]] : []),
    ...(broadcast.finishedAt ? [[t.finishedAt, dateAndTime(broadcast.finishedAt)]] : []),
  ];
  return html`
    <section>
      <div class="message outbound sample-text"><p class="text" dir="auto">${broadcast.text}</p></div>
      <dl class="facts">${rows.map(([name, text]) => html`<div><dt>${name}</dt><dd class="pre" dir="auto">${text}</dd></div>`)}</dl>
    </section>`;
}

/** @param {{ path: string, broadcast: Broadcast, onConfirmed: () => unknown }} properties */
function EstimatePanel({ path, broadcast, onConfirmed }) {
  const [estimate, setEstimate] = useState(/** @type {Estimate | null} */ (null));
  const [isAsking, setAsking] = useState(false);
  const { isBusy, error, submit, setError } = useSubmission();
  const run = () => submit(async () => setEstimate(await request("POST", `${path}/estimate`)));
  const confirm = async () => {
    const isConfirmed = await submit(async () => {
      await request("POST", `${path}/confirm`, { body: { estimateId: estimate?.estimateId } });
      await onConfirmed();
    });
    // Another estimate is needed, and the user confirms what it says.
    if (!isConfirmed) setEstimate(null);
  };
  // Someone else may have edited the draft.
  useEffect(() => setEstimate(null), [broadcast.text, JSON.stringify(broadcast.audience), broadcast.scheduledAt, broadcast.hours.mode]);
  useEffect(() => setError(""), [broadcast.status]);
  const isStopped = estimate?.checks.some((check) => check.level === "stop");
  const action = broadcast.scheduledAt ? t.schedule : t.sendNow;
  return html`
    <section class="panel" aria-label=${t.estimate}>
      <h2>${t.estimate}</h2>
      <${FormError} text=${error} />
      ${!estimate && html`<p class="hint">${t.estimateHint}</p><div class="actions left"><button type="button" class="primary" disabled=${isBusy} onClick=${run}>${t.runEstimate}</button></div>`}
      ${estimate && html`
        <dl class="figures">
          <div class="delivered"><dt>${t.recipients}</dt><dd>${estimate.recipients.toLocaleString()}</dd></div>
          <div><dt>${t.segments}</dt><dd>${estimate.segments.total.toLocaleString()}</dd></div>
          <div><dt>${t.price}</dt><dd>${estimate.price ? formatPrice(estimate.price) : html`<small>${t.noPrice}</small>`}</dd></div>
        </dl>
        <dl class="facts">
          ${estimate.startsAt && html`<div><dt>${t.startsAt}</dt><dd>${dateAndTime(estimate.startsAt)}</dd></div>`}
          ${estimate.endsAt && html`<div><dt>${t.endsAt}</dt><dd>${dateAndTime(estimate.endsAt)}</dd></div>`}
          ${estimate.excluded.length > 0 && html`<div><dt>${t.excluded}</dt><dd>${estimate.excluded.map(({ reason, count }) => `${count} ${t.reasons[reason] ?? reason}`).join(", ")}</dd></div>`}
          ${estimate.unicode.length > 0 && html`<div><dt>${t.unicode}</dt><dd>${estimate.unicode.slice(0, 8).map(({ character, count }) => html`<bdi><kbd>${character}</kbd> ×${count}</bdi> `)}</dd></div>`}
        </dl>
        <ul class="checklist" aria-label=${t.checklist}>${estimate.checks.map((check) => html`
          <li class=${check.level} key=${check.code}><span class="hidden">${t.levels[check.level]}: </span>${check.detail}</li>`)}</ul>
        <div class="actions">
          <button type="button" disabled=${isBusy} onClick=${run}>${t.again}</button>
          <button type="button" class="primary" disabled=${isBusy || isStopped} onClick=${() => setAsking(true)}>${action(estimate.recipients)}</button>
        </div>`}
      ${isAsking && estimate && html`<${ConfirmDialog} title=${action(estimate.recipients)} hint=${confirmHint(broadcast, estimate)} action=${t.confirm} tone="primary" onConfirm=${confirm} onClose=${() => setAsking(false)} />`}
    </section>`;
}

/** What is confirmed, in sentences. @param {Broadcast} broadcast @param {Estimate} estimate */
function confirmHint({ from, recurrence }, { price }) {
  const repetition = recurrence ? describeRecurrence(recurrence).replaceAll("\n", ", ") : "";
  return [
    t.confirmFrom(accountOf(from.inboxId)?.name ?? from.inboxId),
    price ? t.confirmPrice(formatPrice(price)) : "",
    repetition ? t.confirmRepeat(repetition, !recurrence?.count && !recurrence?.until) : "",
    t.confirmHint,
  ].filter(Boolean).join(" ");
}

/** @param {{ amount: string, currency: string }} price */
function formatPrice({ amount, currency }) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(Number(amount));
}

/** @param {{ path: string, broadcast: Broadcast }} properties */
function Recipients({ path, broadcast }) {
  const [state, setState] = useState("");
  const [more, setMore] = useState(/** @type {{ key: string, items: BroadcastRecipient[], nextCursor: string | null } | null} */ (null));
  const key = `${path} ${state}`;
  const query = { state: state || undefined, limit: 50 };
  const { value, error, reload } = useLoaded(() => /** @type {Promise<Page<BroadcastRecipient>>} */ (request("GET", `${path}/recipients`, { query })), key);
  useLive(reload, CHANGES);
  const older = more?.key === key ? more : null;
  const recipients = [...(value?.items ?? []), ...(older?.items ?? [])];
  const cursor = older ? older.nextCursor : value?.nextCursor;
  const loadMore = () => attempt(async () => {
    const page = await request("GET", `${path}/recipients`, { query: { ...query, cursor: cursor ?? undefined } });
    setMore({ key, items: [...(older?.items ?? []), ...page.items], nextCursor: page.nextCursor });
  });
  const states = /** @type {[string, string][]} */ (Object.entries(t.states));
  return html`
    <section class="block" aria-label=${t.recipients}>
      <div class="bar"><h2>${t.recipients}</h2>
        <select aria-label=${t.state} class="auto" value=${state} onChange=${(/** @type {Event} */ event) => setState(/** @type {HTMLSelectElement} */ (event.target).value)}>
          <option value="">${t.anyState}</option>${states.map(([name, text]) => html`<option value=${name}>${text} (${broadcast.progress[/** @type {keyof Broadcast["progress"]} */ (name)] ?? 0})</option>`)}</select>
        <button type="button" onClick=${() => attempt(() => download(`${path}/recipients`, "recipients.csv", { state: state || undefined }))}>${texts.team.download}</button>
      </div>
      ${!value && html`<${Pending} error=${error} onRetry=${reload} />`}
      ${value && recipients.length === 0 && !cursor && html`<p class="hint">${t.noRecipients}</p>`}
      ${recipients.length > 0 && html`
        <table>
          <thead><tr><th>${texts.team.number}</th><th>${t.state}</th><th>${t.reason}</th><th>${t.replied}</th></tr></thead>
          <tbody>${recipients.map((recipient) => html`
            <tr key=${recipient.phoneNumber}><td>${formatNumber(recipient.phoneNumber)}</td><td>${t.states[recipient.state]}</td>
              <td>${recipient.reason ? t.reasons[recipient.reason] ?? t.waits[recipient.reason] ?? recipient.reason : ""}</td>
              <td>${recipient.answer ? t.answers[recipient.answer] ?? recipient.answer : ""} ${recipient.repliedAt ? dateAndTime(recipient.repliedAt) : ""}</td></tr>`)}</tbody>
        </table>`}
      ${cursor && html`<p class="more"><button type="button" onClick=${loadMore}>${texts.loadMore}</button></p>`}
    </section>`;
}
