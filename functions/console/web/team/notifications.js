/** The events of the team that send e-mails, and their recipients. */

import { request } from "../api.js";
import { FormError, TextField, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { showToast } from "../toast.js";
import { useLayoutEffect, useRef, useState } from "../vendor/hooks.js";
import { expectUnchanged, Pending, teamApi, useLoaded } from "./resource.js";

/** @import { NotificationSettings } from "../types.d.ts" */

const t = texts.notifications;

/** @param {{ teamId: string }} properties */
export function NotificationsPage({ teamId }) {
  const path = `${teamApi(teamId)}/notification-settings`;
  const { value, error: failure, reload } = useLoaded(() => /** @type {Promise<NotificationSettings>} */ (request("GET", path)), teamId);
  const [settings, setSettings] = useState(/** @type {Record<string, { enabled: boolean, recipients: string }>} */ ({}));
  const { isBusy, error, fields, submit } = useSubmission();
  const seen = useRef("");
  // Before anybody can type into the fields.
  useLayoutEffect(() => {
    if (!value) return;
    seen.current = JSON.stringify(value);
    setSettings(Object.fromEntries(t.events.map(([event]) => [event, { enabled: value[event].enabled, recipients: value[event].recipients.join("\n") }])));
  }, [value]);
  if (!value) return html`<${Pending} error=${failure} onRetry=${reload} />`;
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const body = Object.fromEntries(Object.entries(settings).map(([name, { enabled, recipients }]) => [name, { enabled, recipients: recipients.split(/[\s,;]+/).filter(Boolean) }]));
    const isSaved = await submit(async () => {
      await expectUnchanged(seen, () => request("GET", path));
      seen.current = JSON.stringify(await request("PUT", path, { body }));
    });
    if (isSaved) showToast(texts.saved);
  };
  return html`
    <form class="form-width" onSubmit=${save} noValidate>
      <${FormError} text=${error} />
      ${t.events.map(([event, name, hint]) => {
        const { enabled = false, recipients = "" } = settings[event] ?? {};
        const change = (/** @type {Partial<{ enabled: boolean, recipients: string }>} */ part) => setSettings({ ...settings, [event]: { enabled, recipients, ...part } });
        return html`
          <fieldset class="block" key=${event}>
            <legend>${name}</legend><p class="hint">${hint}</p>
            <label class="check"><input type="checkbox" checked=${enabled} onChange=${(/** @type {Event} */ input) => change({ enabled: /** @type {HTMLInputElement} */ (input.target).checked })} />${t.enabled}</label>
            ${enabled && html`<${TextField} label=${t.recipients(name)} rows=${2} value=${recipients} onInput=${(/** @type {string} */ text) => change({ recipients: text })} hint=${t.recipientsHint}
              error=${Object.entries(fields).find(([pointer]) => pointer.startsWith(`/${event}/recipients`))?.[1]} />`}
          </fieldset>`;
      })}
      <p class="hint">${t.registration}</p>
      <div class="actions"><button class="primary" disabled=${isBusy}>${texts.save}</button></div>
    </form>`;
}
