/** The dialog that creates a shared inbox step by step. */

import { loadMe, me } from "../accounts.js";
import { listAll, request } from "../api.js";
import { formatNumber } from "../contact.js";
import { Dialog } from "../dialog.js";
import { Field, FormError, SelectField, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { showToast } from "../toast.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { teamApi } from "./resource.js";

/** @import { AvailableNumber, InboxWizard, TeamMember } from "../types.d.ts" */

const t = texts.inboxes;
const CODE_PAUSE_MS = 300;
const DEFAULT_COLOR = "#4f46e5";

/** The step that has a field, by its pointer. @type {Record<string, number>} */
const STEP_OF_FIELD = { "/name": 0, "/apiCode": 0, "/color": 0, "/teamId": 0, "/phoneNumber": 1, "/voiceForwardingNumber": 2, "/memberIds": 3 };

/** @param {{ teamId: string, onClose: () => void, onCreated: (notice: string) => void }} properties */
export function InboxWizardDialog({ teamId, onClose, onCreated }) {
  const [wizard, setWizard] = useState(/** @type {InboxWizard | null} */ (null));
  const [step, setStep] = useState(0);
  const [name, setName] = useState("");
  const [apiCode, setApiCode] = useState("");
  const isCodeEdited = useRef(false);
  const [team, setTeam] = useState("");
  const [color, setColor] = useState(DEFAULT_COLOR);
  const [phoneNumber, setPhoneNumber] = useState("");
  const [forwarding, setForwarding] = useState("");
  const [memberIds, setMemberIds] = useState(/** @type {string[]} */ ([]));
  const keyOf = useKey();
  const { isBusy, error, fields, setFields, setError, submit } = useSubmission();

  useEffect(() => {
    let isCurrent = true;
    const timer = setTimeout(async () => {
      const answer = await request("GET", "v1/inbox-wizard", { query: { name: name.trim() || undefined } }).catch((problem) => setError(problem.message));
      if (!answer || !isCurrent) return;
      const suggested = answer.teamId ?? (answer.teams.some((/** @type {{ teamId: string }} */ one) => one.teamId === teamId) && answer.teams.length === 1 ? teamId : "");
      // A late answer does not replace what the user chose or wrote.
      if (!wizard) setTeam((chosen) => chosen || suggested);
      setWizard(answer);
      if (!isCodeEdited.current && answer.apiCode) setApiCode(answer.apiCode);
    }, wizard ? CODE_PAUSE_MS : 0);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [name]);

  const chosenTeam = wizard?.teams.find((one) => one.teamId === team);
  // Members can be added only once the team is registered.
  const steps = [0, 1, 2, ...(chosenTeam?.membersOffered ? [3] : []), 4];
  const position = steps.indexOf(step);

  const check = () => {
    /** @type {Record<string, string>} */
    const missing = {};
    if (step === 0) {
      if (!name.trim()) missing["/name"] = texts.required;
      if (!apiCode.trim()) missing["/apiCode"] = texts.required;
      if (!team) missing["/teamId"] = texts.required;
    }
    if (step === 1 && !phoneNumber) missing["/phoneNumber"] = t.chooseNumber;
    setFields(missing);
    setError("");
    return Object.keys(missing).length === 0;
  };
  const create = async () => {
    const body = {
      name: name.trim(), apiCode: apiCode.trim(), color, phoneNumber,
      ...(forwarding.trim() ? { voiceForwardingNumber: forwarding.trim() } : {}),
      ...(memberIds.length ? { memberIds } : {}),
    };
    await submit(async () => {
      try {
        // A repeated attempt with the same content finishes or undoes what the first one began.
        const created = await request("POST", `${teamApi(team)}/inboxes`, { body, key: keyOf([team, body]) });
        showToast(t.created);
        await loadMe().catch(() => {});
        onCreated(created.notice ?? created.registration?.notice ?? "");
      } catch (caught) {
        const problem = /** @type {import("../api.js").Problem} */ (caught);
        const pointer = problem.fields?.[0]?.pointer ?? { api_code_taken: "/apiCode", number_unavailable: "/phoneNumber" }[problem.code] ?? "";
        const place = STEP_OF_FIELD[`/${pointer.split("/")[1]}`];
        if (place !== undefined) setStep(place);
        throw caught;
      }
    });
  };
  /** @param {Event} event */
  const next = (event) => {
    event.preventDefault();
    if (step === 4) create();
    else if (check()) setStep(steps[position + 1]);
  };

  return html`
    <${Dialog} title=${t.create} size="wide" onClose=${onClose}>
      <form onSubmit=${next} noValidate class="wizard">
        <p class="hint" role="status">${t.step(position + 1, steps.length)}: ${t.steps[step]}</p>
        <div class="progress" aria-hidden="true"><span style=${{ width: `${((position + 1) / steps.length) * 100}%` }} /></div>
        <${FormError} text=${error} />
        ${step === 0 && html`
          <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} hint=${t.nameHint} more=${{ maxlength: 80, autofocus: true, "aria-required": "true" }} />
          <${TextField} label=${t.apiCode} value=${apiCode} onInput=${(/** @type {string} */ value) => { setApiCode(value); isCodeEdited.current = value !== ""; }}
            error=${fields["/apiCode"]} hint=${t.apiCodeHint} more=${{ "aria-required": "true" }} />
          <${SelectField} label=${t.team} value=${team} onInput=${setTeam} error=${fields["/teamId"]}
            options=${[...(wizard?.teamId ? [] : [["", `${t.chooseTeam}…`]]), ...(wizard?.teams ?? []).map((one) => [one.teamId, one.name])]} />
          <${Field} label=${t.color} error=${fields["/color"]}>${(/** @type {Record<string, unknown>} */ attributes) => html`
            <input ...${attributes} type="color" value=${color} onInput=${(/** @type {Event} */ event) => setColor(/** @type {HTMLInputElement} */ (event.target).value)} />`}</${Field}>
          ${chosenTeam?.notice && html`<p class="banner warning">${chosenTeam.notice}</p>`}`}
        ${step === 1 && html`<${NumberSearch} value=${phoneNumber} onChange=${setPhoneNumber} error=${fields["/phoneNumber"]} />`}
        ${step === 2 && html`<${TextField} label=${t.forwarding} type="tel" value=${forwarding} onInput=${setForwarding} hint=${t.forwardingHint}
          error=${fields["/voiceForwardingNumber"]} more=${{ autofocus: true }} />`}
        ${step === 3 && html`<${MemberChoice} teamId=${team} value=${memberIds} onChange=${setMemberIds} error=${Object.entries(fields).find(([pointer]) => pointer.startsWith("/memberIds"))?.[1]} />`}
        ${step === 4 && html`
          <dl class="facts">
            <div><dt>${texts.team.name}</dt><dd><span class="dot" style=${{ "--color": color }} aria-hidden="true" /> ${name}</dd></div>
            <div><dt>${t.apiCode}</dt><dd class="code">${apiCode}</dd></div>
            <div><dt>${t.team}</dt><dd>${chosenTeam?.name}</dd></div>
            <div><dt>${texts.team.number}</dt><dd>${formatNumber(phoneNumber)}</dd></div>
            <div><dt>${t.forwarding}</dt><dd>${forwarding || t.none}</dd></div>
          </dl>
          <p>${t.buys(formatNumber(phoneNumber))}</p>
          ${chosenTeam?.notice && html`<p class="banner warning">${chosenTeam.notice}</p>`}`}
        <div class="actions">
          ${position > 0 && html`<button type="button" onClick=${() => setStep(steps[position - 1])}>${texts.previous}</button>`}
          <button class="primary" disabled=${isBusy || !wizard}>${step === 4 ? t.create2 : texts.next}</button>
        </div>
      </form>
    </${Dialog}>`;
}

/** @param {{ value: string, onChange: (number: string) => void, error?: string }} properties */
function NumberSearch({ value, onChange, error }) {
  const [areaCode, setAreaCode] = useState("");
  const [prefix, setPrefix] = useState("");
  const [numbers, setNumbers] = useState(/** @type {AvailableNumber[] | null} */ (null));
  const { isBusy, error: failure, fields, setFields, submit } = useSubmission();
  const search = () => {
    const invalid = {
      ...(/^\d{3}$/.test(areaCode.trim()) ? {} : { "?areaCode": t.areaCodeInvalid }),
      ...(/^(\d{3})?$/.test(prefix.trim()) ? {} : { "?prefix": t.prefixInvalid }),
    };
    if (Object.keys(invalid).length) return setFields(invalid);
    return submit(async () => {
      const page = await request("GET", "v1/numbers/available", { query: { areaCode: areaCode.trim(), prefix: prefix.trim() || undefined, limit: 8 } });
      setNumbers(page.items);
      onChange("");
    });
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    search();
  };
  return html`
    <div class="side-by-side" onKeyDown=${onKeyDown}>
      <${TextField} label=${t.areaCode} value=${areaCode} onInput=${setAreaCode} error=${fields["?areaCode"]} more=${{ inputmode: "numeric", maxlength: 3, autofocus: true }} />
      <${TextField} label=${t.prefix} value=${prefix} onInput=${setPrefix} error=${fields["?prefix"]} hint=${t.prefixHint} more=${{ inputmode: "numeric", maxlength: 3 }} />
      <button type="button" onClick=${search} disabled=${isBusy}>${t.search}</button>
    </div>
    <${FormError} text=${failure} />
    ${numbers && html`
      <fieldset class="choices" aria-describedby=${error ? "number-error" : undefined} aria-invalid=${error ? "true" : undefined}>
        <legend>${t.numbers}</legend>
        ${numbers.length === 0 && html`<p class="hint">${t.noNumbers}</p>`}
        ${numbers.map((number) => html`
          <label class="check"><input type="radio" name="number" value=${number.phoneNumber} checked=${value === number.phoneNumber} onChange=${() => onChange(number.phoneNumber)} />
            ${formatNumber(number.phoneNumber)}<small>${[number.locality, number.region].filter(Boolean).join(", ")}</small></label>`)}
      </fieldset>`}
    ${error && html`<p class="error" id="number-error" role="alert">${error}</p>`}`;
}

/** @param {{ teamId: string, value: string[], onChange: (ids: string[]) => void, error?: string }} properties */
function MemberChoice({ teamId, value, onChange, error }) {
  const [members, setMembers] = useState(/** @type {TeamMember[]} */ ([]));
  useEffect(() => {
    /** @type {Promise<TeamMember[]>} */ (listAll(`${teamApi(teamId)}/members`)).then(setMembers, () => {});
  }, [teamId]);
  const userId = me.value?.user.userId;
  /** @param {string} id */
  const toggle = (id) => onChange(value.includes(id) ? value.filter((other) => other !== id) : [...value, id]);
  return html`
    <fieldset class="choices"><legend>${t.members}</legend>
      <p class="hint">${t.membersHint}</p>
      ${members.filter((member) => member.userId !== userId).map((member) => html`
        <label class="check"><input type="checkbox" checked=${value.includes(member.userId)} onChange=${() => toggle(member.userId)} />${member.name}<small>${member.userId}</small></label>`)}
    </fieldset>
    ${error && html`<p class="error" role="alert">${error}</p>`}`;
}
