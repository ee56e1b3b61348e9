/** The form of a draft. */

import { me } from "../accounts.js";
import { listAll, request } from "../api.js";
import { FormError, SelectField, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { navigate, teamPath } from "../router.js";
import { texts } from "../texts.js";
import { isoTime } from "../time.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { contactName, formatNumber } from "../contact.js";
import { QuestionFields, questionDraft, questionOf, RecurrenceFields, recurrenceDraft, recurrenceErrors, recurrenceOf } from "./broadcast-options.js";
import { expectUnchanged, teamApi, useLoaded } from "./resource.js";

/** @import { Broadcast, Contact, Page, Segment, Template } from "../types.d.ts" */

const t = texts.broadcasts;
/** The API's default. */
const TEXT_LIMIT = 306;
const SEARCH_PAUSE_MS = 250;
/** The API's default. */
const REPLY_HOURS = 72;

/** @param {string | null | undefined} time @returns {string} as a field of date and time has it */
function localTime(time) {
  if (!time) return "";
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What people edit of a broadcast. @param {Broadcast} broadcast */
function contentOf({ name, text, templateId, audience, hours, scheduledAt, question, recurrence, replyWindowHours }) {
  return [name, text, templateId, audience, hours, scheduledAt, question, recurrence, replyWindowHours];
}

/** @param {{ teamId: string, broadcast: Broadcast | null, onSaved?: () => unknown }} properties */
export function BroadcastForm({ teamId, broadcast, onSaved }) {
  const accounts = (me.value?.accounts ?? []).filter((account) => account.teamId === teamId && account.kind === "shared");
  const [name, setName] = useState(broadcast?.name ?? "");
  const [inboxId, setInboxId] = useState(broadcast?.from.inboxId ?? (accounts.length === 1 ? accounts[0].inboxId : ""));
  const [segmentIds, setSegmentIds] = useState(broadcast?.audience.segmentIds ?? []);
  const [contacts, setContacts] = useState(/** @type {{ contactId: string, name: string }[]} */ ((broadcast?.audience.contactIds ?? []).map((contactId) => ({ contactId, name: contactId }))));
  const [numbers, setNumbers] = useState((broadcast?.audience.phoneNumbers ?? []).join("\n"));
  const [templateId, setTemplateId] = useState(broadcast?.templateId ?? "");
  const [text, setText] = useState(broadcast?.text ?? "");
  const [scheduledAt, setScheduledAt] = useState(localTime(broadcast?.scheduledAt));
  const [hours, setHours] = useState(broadcast?.hours.mode ?? "recipient");
  const [replyHours, setReplyHours] = useState(String(broadcast?.replyWindowHours ?? REPLY_HOURS));
  const [question, setQuestion] = useState(questionDraft(broadcast));
  const [recurrence, setRecurrence] = useState(recurrenceDraft(broadcast));
  /** What the form was opened with. `broadcast` changes when somebody else saves. */
  const opened = useRef(broadcast);
  /** @type {{ current: Record<string, unknown> | null }} */
  const writtenBefore = useRef(null);
  const seen = useRef(JSON.stringify(broadcast && contentOf(broadcast)));
  const keyOf = useKey();
  const segments = useLoaded(() => /** @type {Promise<Segment[]>} */ (listAll(`${teamApi(teamId)}/segments`, { limit: 100 })), teamId);
  const templates = useLoaded(() => /** @type {Promise<Template[]>} */ (listAll(`${teamApi(teamId)}/templates`, { limit: 100 })), teamId);
  const { isBusy, error, fields, setFields, submit } = useSubmission();

  /** @param {string} id */
  const toggle = (id) => setSegmentIds(segmentIds.includes(id) ? segmentIds.filter((other) => other !== id) : [...segmentIds, id]);
  /** @param {string} id */
  const chooseTemplate = (id) => {
    setTemplateId(id);
    const template = templates.value?.find((one) => one.templateId === id);
    if (template) setText(template.text);
  };
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const missing = {
      ...(name.trim() ? {} : { "/name": texts.required }), ...(inboxId ? {} : { "/from": t.chooseFrom }), ...(text.trim() ? {} : { "/text": texts.required }),
      ...(recurrence.frequency && !scheduledAt ? { "/scheduledAt": t.repeatNeedsStart } : {}),
      ...(scheduledAt && !isoTime(scheduledAt) ? { "/scheduledAt": texts.badDate } : {}),
      ...(/^[1-9][0-9]{0,2}$/.test(replyHours) ? {} : { "/replyWindowHours": t.replyHoursNeeded }), ...recurrenceErrors(recurrence),
    };
    if (Object.keys(missing).length) return setFields(missing);
    await submit(async () => {
      const broadcastId = broadcast ? await change(broadcast.broadcastId) : (await request("POST", "v1/broadcasts", { body: written, key: keyOf(written) })).broadcastId;
      await onSaved?.();
      navigate(teamPath(teamId, "broadcasts", broadcastId));
    });
  };
  /**
   * Saves the fields that the user changed. If somebody else was faster, it throws once, and a second save replaces what
   * they wrote in the same fields.
   * @param {string} broadcastId
   */
  const change = async (broadcastId) => {
    const path = `v1/broadcasts/${encodeURIComponent(broadcastId)}`;
    const before = writtenBefore.current ?? {};
    const isSameText = text === opened.current?.text && templateId === (opened.current?.templateId ?? "");
    const body = Object.fromEntries(Object.entries(written).filter(([field, value]) =>
      field === "text" || field === "templateId" ? !isSameText : JSON.stringify(value) !== JSON.stringify(before[field])));
    await expectUnchanged(seen, async () => contentOf(await request("GET", path)));
    if (Object.keys(body).length) await request("PATCH", path, { body });
    return broadcastId;
  };
  /** A draft that had a value and has none now loses it by `null`. @param {"question" | "recurrence"} field @param {unknown} value */
  function optional(field, value) {
    return value || opened.current?.[field] ? { [field]: value } : {};
  }
  const template = templates.value?.find((one) => one.templateId === templateId);
  /** @type {Record<string, unknown>} */
  const written = {
    name: name.trim(), ...(broadcast ? {} : { from: { inboxId } }),
    audience: { segmentIds, contactIds: contacts.map((contact) => contact.contactId), phoneNumbers: numbers.split(/[\n,;]+/).map((number) => number.trim()).filter(Boolean) },
    // The text of a template that was edited is a text.
    ...(template && template.text === text ? { templateId } : { text }),
    ...optional("question", questionOf(question)), ...optional("recurrence", recurrenceOf(recurrence)), replyWindowHours: Number(replyHours),
    hours: { mode: hours }, scheduledAt: isoTime(scheduledAt) || null,
  };
  writtenBefore.current ??= written;
  /** @param {string} pointer */
  const errorBelow = (pointer) => Object.entries(fields).find(([other]) => other.startsWith(pointer))?.[1];
  const froms = /** @type {[string, string][]} */ ([...(accounts.length === 1 ? [] : [["", t.chooseFrom]]), ...accounts.map((account) => [account.inboxId, `${account.name} · ${formatNumber(account.phoneNumber)}`])]);
  return html`
    <p class="bar start"><a class="back-link" href=${teamPath(teamId, "broadcasts")}>‹ ${t.all}</a></p>
    <form class="form-width" onSubmit=${save} noValidate>
      <h2 class="item-title">${broadcast ? t.edit : t.create}</h2>
      <${FormError} text=${error} />
      <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} hint=${t.nameHint} more=${{ maxlength: 80, dir: "auto" }} />
      ${broadcast ? null : html`<${SelectField} label=${t.from} value=${inboxId} options=${froms} onInput=${setInboxId} error=${errorBelow("/from")} />`}
      <fieldset class="card-set"><legend>${t.audience}</legend>
        <div class="choices">
          ${segments.value?.length === 0 && html`<p class="hint">${t.noSegments} <a class="strong" href=${teamPath(teamId, "segments")}>${texts.sections.segments}</a></p>`}
          ${segments.value?.map((segment) => html`
            <label class="check" key=${segment.segmentId}><input type="checkbox" checked=${segmentIds.includes(segment.segmentId)} onChange=${() => toggle(segment.segmentId)} />
              <span dir="auto">${segment.name}</span><small>${texts.segments.people(segment.count, segment.complete)}</small></label>`)}
        </div>
        <${ContactPicker} teamId=${teamId} contacts=${contacts} onInput=${setContacts} />
        <${TextField} label=${t.numbers} rows=${2} value=${numbers} onInput=${setNumbers} hint=${t.numbersHint} error=${errorBelow("/audience")} />
      </fieldset>
      ${(templates.value?.length ?? 0) > 0 && html`
        <${SelectField} label=${t.template} value=${templateId} onInput=${chooseTemplate}
          options=${[["", t.noTemplate], ...(templates.value ?? []).map((template) => [template.templateId, template.name])]} />`}
      <${TextField} label=${t.text} rows=${5} value=${text} onInput=${setText} error=${fields["/text"]} hint=${t.textHint} limit=${TEXT_LIMIT} more=${{ dir: "auto" }} />
      <${QuestionFields} draft=${question} onInput=${setQuestion} fields=${fields} />
      <${TextField} label=${t.replyHours} type="number" value=${replyHours} onInput=${setReplyHours} hint=${t.replyHoursHint} error=${fields["/replyWindowHours"]} more=${{ min: 1, max: 720 }} />
      <div class="side-by-side">
        <${TextField} label=${t.scheduledAt} type="datetime-local" value=${scheduledAt} onInput=${setScheduledAt} error=${fields["/scheduledAt"]} hint=${t.scheduledHint} more=${{ max: "9999-12-31T23:59" }} />
        <${SelectField} label=${t.hours} value=${hours} options=${Object.entries(t.hoursModes)} onInput=${setHours} error=${errorBelow("/hours")} hint=${t.hoursHints[hours]} />
      </div>
      <${RecurrenceFields} draft=${recurrence} onInput=${setRecurrence} fields=${fields} />
      <div class="actions"><a class="button" href=${broadcast ? teamPath(teamId, "broadcasts", broadcast.broadcastId) : teamPath(teamId, "broadcasts")}>${texts.cancel}</a>
        <button class="primary" disabled=${isBusy}>${t.saveDraft}</button></div>
    </form>`;
}

/**
 * @param {object} properties
 * @param {string} properties.teamId
 * @param {{ contactId: string, name: string }[]} properties.contacts
 * @param {(contacts: { contactId: string, name: string }[]) => void} properties.onInput
 */
function ContactPicker({ teamId, contacts, onInput }) {
  const [typed, setTyped] = useState("");
  const [found, setFound] = useState(/** @type {Contact[]} */ ([]));
  useEffect(() => {
    if (typed.trim().length < 2) return setFound([]);
    let isCurrent = true;
    const timer = setTimeout(async () => {
      const page = /** @type {Page<Contact>} */ (await request("GET", `${teamApi(teamId)}/contacts`, { query: { q: typed.trim(), limit: 8 } }).catch(() => ({ items: [] })));
      if (isCurrent) setFound(page.items);
    }, SEARCH_PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [typed]);
  const offered = found.filter((contact) => contacts.every((chosen) => chosen.contactId !== contact.contactId));
  /** @param {Contact} contact */
  const add = (contact) => {
    onInput([...contacts, { contactId: contact.contactId, name: contactName(contact) }]);
    setTyped("");
  };
  return html`
    ${contacts.length > 0 && html`<ul class="chips">${contacts.map((contact) => html`
      <li class="chip" key=${contact.contactId}><span dir="auto">${contact.name}</span><button type="button" aria-label=${t.removeContact(contact.name)}
        onClick=${() => onInput(contacts.filter((other) => other !== contact))}>×</button></li>`)}</ul>`}
    <${TextField} label=${t.contacts} type="search" value=${typed} onInput=${setTyped} more=${{ placeholder: texts.contacts.searchHint }} />
    ${offered.length > 0 && html`<ul class="suggestions" aria-label=${texts.compose.suggestions}>${offered.map((contact) => html`
      <li key=${contact.contactId}><button type="button" onClick=${() => add(contact)}><span dir="auto">${contactName(contact)}</span><small>${formatNumber(contact.mobileNumber)}</small></button></li>`)}</ul>`}`;
}
