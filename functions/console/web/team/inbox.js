/** One shared inbox: its settings, its members, and Out of Office. */

import { loadMe } from "../accounts.js";
import { listAll, Problem, readTagged, request } from "../api.js";
import { formatNumber } from "../contact.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { Field, FormError, TextField, useSubmission } from "../form.js";
import { html } from "../html.js";
import { navigate, teamPath } from "../router.js";
import { texts } from "../texts.js";
import { attempt, showToast } from "../toast.js";
import { useLayoutEffect, useState } from "../vendor/hooks.js";
import { KeywordReplies } from "./keyword-replies.js";
import { OutOfOfficeForm } from "./out-of-office.js";
import { Pending, teamApi, useLoaded } from "./resource.js";

/** @import { Inbox, TeamMember, UserName } from "../types.d.ts" */

const t = texts.inboxes;

/** @param {{ teamId: string, isAdmin: boolean, item: string | null, view: string | null }} properties */
export function InboxPage({ teamId, isAdmin, item, view }) {
  const id = item ?? "";
  const path = `v1/inboxes/${encodeURIComponent(id)}`;
  const { value: read, error, reload } = useLoaded(() => /** @type {ReturnType<typeof readTagged<Inbox>>} */ (readTagged(path)), path);
  if (!read) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const { value, tag } = read;
  const views = [
    { name: texts.outOfOffice.title, href: teamPath(teamId, "inboxes", id), isCurrent: !view },
    { name: t.members, href: teamPath(teamId, "inboxes", id, "members"), isCurrent: view === "members" },
    ...(isAdmin ? [{ name: texts.keywordReplies.title, href: teamPath(teamId, "inboxes", id, "keyword-replies"), isCurrent: view === "keyword-replies" }] : []),
    ...(isAdmin ? [{ name: t.settings, href: teamPath(teamId, "inboxes", id, "settings"), isCurrent: view === "settings" }] : []),
  ];
  return html`
    <p class="bar start"><a class="back-link" href=${teamPath(teamId, "inboxes")}>‹ ${t.all}</a></p>
    <h2 class="item-title" style=${{ "--color": value.color ?? "#888888" }}><span class="dot" aria-hidden="true" /> ${value.name ?? formatNumber(value.phoneNumber)}
      <small>${formatNumber(value.phoneNumber)}${value.retired ? ` · ${t.retired}` : ""}</small></h2>
    ${!value.member && html`<p class="banner">${t.notMember}</p>`}
    <nav class="tabs" aria-label=${value.name ?? formatNumber(value.phoneNumber)}>${views.map((one) => html`
      <a href=${one.href} aria-current=${one.isCurrent ? "page" : undefined}>${one.name}</a>`)}</nav>
    <section class="form-width">
      ${!view && html`<${OutOfOfficeForm} path=${`${path}/out-of-office`} />`}
      ${view === "members" && html`<${Members} teamId=${teamId} path=${`${path}/members`} isAdmin=${isAdmin && !value.retired} />`}
      ${view === "keyword-replies" && isAdmin && html`<${KeywordReplies} path=${`${path}/keyword-replies`} />`}
      ${view === "settings" && isAdmin && html`
        <${SettingsForm} path=${path} inbox=${value} tag=${tag} onSaved=${reload} />
        ${!value.retired && html`<${Retire} teamId=${teamId} path=${path} />`}`}
    </section>`;
}

/** @param {{ path: string, inbox: Inbox, tag: string | undefined, onSaved: () => unknown }} properties */
function SettingsForm({ path, inbox, tag, onSaved }) {
  const [name, setName] = useState(inbox.name ?? "");
  const [apiCode, setApiCode] = useState(inbox.apiCode);
  const [color, setColor] = useState(inbox.color ?? "#888888");
  const [forwarding, setForwarding] = useState(inbox.voiceForwardingNumber ?? "");
  const { isBusy, error, fields, submit } = useSubmission();
  // Before anybody can type into the fields.
  useLayoutEffect(() => {
    setName(inbox.name ?? "");
    setApiCode(inbox.apiCode);
    setColor(inbox.color ?? "#888888");
    setForwarding(inbox.voiceForwardingNumber ?? "");
  }, [JSON.stringify(inbox)]);
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    // Only what changed, so that two admins do not undo each other's changes.
    const body = {
      ...(name === (inbox.name ?? "") ? {} : { name }),
      ...(apiCode === inbox.apiCode ? {} : { apiCode }),
      ...(color === (inbox.color ?? "#888888") ? {} : { color }),
      ...(forwarding === (inbox.voiceForwardingNumber ?? "") ? {} : { voiceForwardingNumber: forwarding.trim() || null }),
    };
    const isSaved = await submit(async () => {
      try {
        await request("PATCH", path, { body, tag });
      } catch (problem) {
        if (!(problem instanceof Problem && problem.code === "edit_conflict")) throw problem;
        onSaved();
        throw new Error(t.changedMeanwhile);
      }
    });
    if (!isSaved) return;
    showToast(texts.saved);
    loadMe().catch(() => {});
    onSaved();
  };
  return html`
    <form onSubmit=${save} noValidate>
      <${FormError} text=${error} />
      <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} />
      <${TextField} label=${t.apiCode} value=${apiCode} onInput=${setApiCode} error=${fields["/apiCode"]} />
      <${Field} label=${t.color} error=${fields["/color"]}>${(/** @type {Record<string, unknown>} */ attributes) => html`
        <input ...${attributes} type="color" value=${color} onInput=${(/** @type {Event} */ event) => setColor(/** @type {HTMLInputElement} */ (event.target).value)} />`}</${Field}>
      <${TextField} label=${t.forwarding} type="tel" value=${forwarding} onInput=${setForwarding} error=${fields["/voiceForwardingNumber"]} hint=${t.forwardingHint} />
      <div class="actions"><button class="primary" disabled=${isBusy || inbox.retired}>${texts.save}</button></div>
    </form>`;
}

/** @param {{ teamId: string, path: string, isAdmin: boolean }} properties */
function Members({ teamId, path, isAdmin }) {
  const [chosen, setChosen] = useState("");
  const [removed, setRemoved] = useState(/** @type {UserName | null} */ (null));
  const { value, error, reload } = useLoaded(() => /** @type {Promise<UserName[]>} */ (listAll(path)), path);
  const team = useLoaded(() => /** @type {Promise<TeamMember[]>} */ (listAll(`${teamApi(teamId)}/members`)), teamId);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const others = (team.value ?? []).filter((member) => !value.some((known) => known.userId === member.userId));
  const add = () => attempt(async () => {
    await request("PUT", `${path}/${encodeURIComponent(chosen)}`);
    setChosen("");
    await reload();
  });
  /** @param {UserName} member */
  const remove = (member) => attempt(async () => {
    await request("DELETE", `${path}/${encodeURIComponent(member.userId)}`);
    await reload();
  });
  return html`
    <ul class="people">${value.map((member) => html`
      <li key=${member.userId}>${member.name}${isAdmin && html`<button type="button" class="icon" aria-label=${t.removeMember(member.name)} onClick=${() => setRemoved(member)}>×</button>`}</li>`)}</ul>
    ${removed && html`<${ConfirmDialog} title=${t.removeMember(removed.name)} hint=${t.removeMemberHint} action=${texts.remove} onConfirm=${() => remove(removed)} onClose=${() => setRemoved(null)} />`}
    ${isAdmin && others.length > 0 && html`
      <div class="side-by-side">
        <select aria-label=${t.addMember} value=${chosen} onChange=${(/** @type {Event} */ event) => setChosen(/** @type {HTMLSelectElement} */ (event.target).value)}>
          <option value="">${t.addMember}…</option>${others.map((member) => html`<option value=${member.userId}>${member.name}</option>`)}</select>
        <button type="button" disabled=${!chosen} onClick=${add}>${texts.add}</button>
      </div>`}`;
}

/** @param {{ teamId: string, path: string }} properties */
function Retire({ teamId, path }) {
  const [isAsking, setAsking] = useState(false);
  const [isReleased, setReleased] = useState(false);
  const { isBusy, error, submit } = useSubmission();
  const retire = async () => {
    if (await submit(() => request("DELETE", path, { query: { releaseNumber: isReleased } }))) {
      loadMe().catch(() => {});
      navigate(teamPath(teamId, "inboxes"));
    }
  };
  return html`
    <p class="bar start"><button type="button" class="danger" onClick=${() => setAsking(true)}>${t.retire}</button></p>
    ${isAsking && html`
      <${Dialog} role="alertdialog" title=${t.retire} onClose=${() => setAsking(false)}>
        <${FormError} text=${error} />
        <p>${t.retireHint}</p>
        <label class="check"><input type="checkbox" checked=${isReleased} onChange=${(/** @type {Event} */ event) => setReleased(/** @type {HTMLInputElement} */ (event.target).checked)} />${t.releaseNumber}</label>
        <div class="actions"><button type="button" onClick=${() => setAsking(false)}>${texts.cancel}</button>
          <button type="button" class="danger" disabled=${isBusy} onClick=${retire}>${t.retire}</button></div>
      </${Dialog}>`}`;
}
