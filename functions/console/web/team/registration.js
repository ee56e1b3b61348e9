/** The team's A2P 10DLC registration. */

import { request } from "../api.js";
import { FormError, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { dateAndTime } from "../time.js";
import { showToast } from "../toast.js";
import { useState } from "../vendor/hooks.js";
import { Pending, teamApi, useLive, useLoaded } from "./resource.js";

/** @import { Campaign, Registration } from "../types.d.ts" */

const t = texts.registration;

/** @param {{ teamId: string, isAdmin: boolean }} properties */
export function RegistrationPage({ teamId, isAdmin }) {
  const path = `${teamApi(teamId)}/registration`;
  const { value, error, reload } = useLoaded(() => /** @type {Promise<Registration>} */ (request("GET", path)), teamId);
  useLive(reload, /^registration\./);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const isOpen = value.status === "rejected" || (!value.submitted && value.status !== "approved" && value.status !== "suspended");
  return html`
    <div class=${isOpen || value.submission ? "columns" : ""}>
      <section>
        <p class=${`badge ${value.status}`}>${t.statuses[value.status] ?? value.status}</p>
        ${value.notice && html`<p class="banner warning">${value.notice}</p>`}
        ${isOpen && (isAdmin
          ? html`<${CampaignForm} path=${path} campaign=${value.submission ?? null} onSubmitted=${reload} />`
          : html`<p class="hint">${t.adminOnly}</p>`)}
        ${!isOpen && value.submission && html`<${CampaignSummary} campaign=${value.submission} />`}
      </section>
      <section>
        <h2>${t.timeline}</h2>
        <ol class="timeline">${value.timeline.toSorted((a, b) => b.at.localeCompare(a.at)).map((step) => html`
          <li><strong>${t.statuses[step.status] ?? step.status}</strong> <small>${dateAndTime(step.at)}</small>
            ${step.detail && html`<p>${step.detail}</p>`}
            ${step.codes.length > 0 && html`<p class="hint">${step.codes.join(", ")}</p>`}</li>`)}</ol>
      </section>
    </div>`;
}

/** @param {{ campaign: Campaign }} properties */
function CampaignSummary({ campaign }) {
  const rows = [
    [t.useCase, campaign.useCase], [t.description, campaign.description], [t.messageFlow, campaign.messageFlow],
    [t.samples, campaign.messageSamples.join("\n")],
  ];
  return html`<dl class="facts">${rows.map(([name, text]) => html`<div><dt>${name}</dt><dd class="pre">${text}</dd></div>`)}</dl>`;
}

/** @param {{ path: string, campaign: Campaign | null, onSubmitted: () => unknown }} properties */
function CampaignForm({ path, campaign, onSubmitted }) {
  const [useCase, setUseCase] = useState(campaign?.useCase ?? "MIXED");
  const [description, setDescription] = useState(campaign?.description ?? "");
  const [messageFlow, setMessageFlow] = useState(campaign?.messageFlow ?? "");
  const [samples, setSamples] = useState(campaign?.messageSamples.join("\n") ?? "");
  const [hasLinks, setLinks] = useState(campaign?.hasEmbeddedLinks ?? false);
  const [hasPhones, setPhones] = useState(campaign?.hasEmbeddedPhone ?? false);
  const [privacy, setPrivacy] = useState(campaign?.privacyPolicyUrl ?? "");
  const [terms, setTerms] = useState(campaign?.termsUrl ?? "");
  const keyOf = useKey();
  const { isBusy, error, fields, submit } = useSubmission();
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    const body = {
      useCase, description, messageFlow, messageSamples: samples.split("\n").map((line) => line.trim()).filter(Boolean),
      hasEmbeddedLinks: hasLinks, hasEmbeddedPhone: hasPhones,
      ...(privacy ? { privacyPolicyUrl: privacy } : {}), ...(terms ? { termsUrl: terms } : {}),
    };
    if (await submit(() => request("POST", path, { body, key: keyOf(body) }))) {
      showToast(t.submitted);
      onSubmitted();
    }
  };
  const sampleError = Object.entries(fields).find(([pointer]) => pointer.startsWith("/messageSamples"))?.[1];
  return html`
    <form onSubmit=${send} noValidate>
      <h2>${t.form}</h2>
      <${FormError} text=${error} />
      <${TextField} label=${t.useCase} value=${useCase} onInput=${setUseCase} error=${fields["/useCase"]} hint=${t.useCaseHint} />
      <${TextField} label=${t.description} rows=${3} value=${description} onInput=${setDescription} error=${fields["/description"]} hint=${t.descriptionHint} />
      <${TextField} label=${t.messageFlow} rows=${3} value=${messageFlow} onInput=${setMessageFlow} error=${fields["/messageFlow"]} />
      <${TextField} label=${t.samples} rows=${4} value=${samples} onInput=${setSamples} error=${sampleError} hint=${t.samplesHint} />
      <label class="check"><input type="checkbox" checked=${hasLinks} onChange=${(/** @type {Event} */ event) => setLinks(/** @type {HTMLInputElement} */ (event.target).checked)} />${t.links}</label>
      <label class="check"><input type="checkbox" checked=${hasPhones} onChange=${(/** @type {Event} */ event) => setPhones(/** @type {HTMLInputElement} */ (event.target).checked)} />${t.phones}</label>
      <${TextField} label=${t.privacy} type="url" value=${privacy} onInput=${setPrivacy} error=${fields["/privacyPolicyUrl"]} />
      <${TextField} label=${t.terms} type="url" value=${terms} onInput=${setTerms} error=${fields["/termsUrl"]} />
      <div class="actions"><button class="primary" disabled=${isBusy}>${t.submit}</button></div>
    </form>`;
}
