/** Programs that send messages by API code. The owner of the organization manages them. */

import { Problem, listAll, newKey, request } from "../api.js";
import { ConfirmDialog, Dialog } from "../dialog.js";
import { FormError, TextField, useKey, useSubmission } from "../form.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { dateAndTime } from "../time.js";
import { attempt } from "../toast.js";
import { useRef, useState } from "../vendor/hooks.js";
import { Nothing, Pending, useLoaded } from "./resource.js";
import { SecretDialog } from "./secret.js";

/** @import { MachineClient } from "../types.d.ts" */

const t = texts.machineClients;
const PATH = "v1/machine-clients";

export function MachineClientsPage() {
  const [isCreating, setCreating] = useState(false);
  const [rotated, setRotated] = useState(/** @type {MachineClient | null} */ (null));
  const [withTwo, setWithTwo] = useState(/** @type {MachineClient | null} */ (null));
  const [removed, setRemoved] = useState(/** @type {MachineClient | null} */ (null));
  const [shown, setShown] = useState(/** @type {MachineClient | null} */ (null));
  /** The keys of rotations whose response did not come. @type {{ current: Map<string, string> }} */
  const rotations = useRef(new Map());
  const { value, error, reload } = useLoaded(() => /** @type {Promise<MachineClient[]>} */ (listAll(PATH)), PATH);
  if (!value) return html`<${Pending} error=${error} onRetry=${reload} />`;
  const create = html`<button type="button" class="primary" onClick=${() => setCreating(true)}>${t.create}</button>`;
  /**
   * @param {MachineClient} client
   * @param {"older" | "newer"} [replace] which of two secrets ends
   */
  const rotate = (client, replace) => attempt(async () => {
    const path = `${PATH}/${encodeURIComponent(client.clientId)}/rotate-secret`;
    // A second rotation would end the secret that programs still use.
    const name = `${client.clientId} ${replace}`;
    const key = rotations.current.get(name) ?? newKey();
    rotations.current.set(name, key);
    try {
      const answer = await request("POST", path, { key, query: { replace } });
      // Without a secret, it was in a response that got lost.
      if (answer.clientSecret) setShown(answer);
      else setWithTwo(client);
    } catch (error) {
      if (/** @type {Problem} */ (error).code !== "two_secrets") throw error;
      setWithTwo(client);
    }
    rotations.current.delete(name);
  });
  /** @param {MachineClient} client */
  const remove = (client) => attempt(async () => {
    await request("DELETE", `${PATH}/${encodeURIComponent(client.clientId)}`);
    await reload();
  });
  return html`
    ${value.length > 0 && html`<div class="bar">${create}</div>`}
    ${value.length === 0 && html`<${Nothing} title=${t.none} hint=${t.noneHint}>${create}</${Nothing}>`}
    ${value.length > 0 && html`
      <table>
        <thead><tr><th>${texts.team.name}</th><th>${t.clientId}</th><th>${t.createdAt}</th><th>${texts.team.status}</th><th><span class="hidden">${texts.team.action}</span></th></tr></thead>
        <tbody>${value.map((client) => html`
          <tr key=${client.clientId}><td class="strong" dir="auto">${client.name}</td><td class="code">${client.clientId}</td><td>${dateAndTime(client.createdAt)}</td>
            <td>${client.accepted ? t.accepted : t.notAccepted}</td>
            <td class="end"><span class="actions"><button type="button" aria-label=${t.rotateOf(client.name)} onClick=${() => setRotated(client)}>${t.rotate}</button>
              <button type="button" class="danger" aria-label=${t.removeOf(client.name)} onClick=${() => setRemoved(client)}>${texts.remove}</button></span></td></tr>`)}</tbody>
      </table>`}
    ${isCreating && html`<${ClientDialog} onClose=${() => setCreating(false)} onSaved=${(/** @type {MachineClient} */ made) => { setCreating(false); setShown(made); reload(); }} />`}
    ${rotated && html`<${ConfirmDialog} title=${t.rotateOf(rotated.name)} hint=${t.rotateHint} action=${t.rotate} onConfirm=${() => rotate(rotated)} onClose=${() => setRotated(null)} />`}
    ${removed && html`<${ConfirmDialog} title=${t.removeOf(removed.name)} hint=${t.removeHint} action=${texts.remove} onConfirm=${() => remove(removed)} onClose=${() => setRemoved(null)} />`}
    ${withTwo && html`<${TwoSecretsDialog} client=${withTwo} onChoose=${(/** @type {"older" | "newer"} */ replace) => { setWithTwo(null); rotate(withTwo, replace); }} onClose=${() => setWithTwo(null)} />`}
    ${shown && html`<${SecretDialog} rows=${[[t.clientId, shown.clientId], [t.clientSecret, shown.clientSecret ?? ""]]} onClose=${() => setShown(null)} />`}`;
}

/** @param {{ client: MachineClient, onChoose: (replace: "older" | "newer") => void, onClose: () => void }} properties */
function TwoSecretsDialog({ client, onChoose, onClose }) {
  return html`
    <${Dialog} role="alertdialog" title=${t.rotateOf(client.name)} onClose=${onClose}>
      <p>${t.twoSecretsHint}</p>
      <div class="actions">
        <button type="button" autofocus onClick=${onClose}>${texts.cancel}</button>
        <button type="button" class="danger" onClick=${() => onChoose("older")}>${t.replaceOlder}</button>
        <button type="button" class="danger" onClick=${() => onChoose("newer")}>${t.replaceNewer}</button>
      </div>
    </${Dialog}>`;
}

/** @param {{ onClose: () => void, onSaved: (client: MachineClient) => void }} properties */
function ClientDialog({ onClose, onSaved }) {
  const [name, setName] = useState("");
  const [clientId, setClientId] = useState("");
  const keyOf = useKey();
  const { isBusy, error, fields, submit } = useSubmission();
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const body = { name: name.trim(), ...(clientId.trim() ? { clientId: clientId.trim() } : {}) };
    /** @type {MachineClient | undefined} */
    let made;
    const isSaved = await submit(async () => void (made = await request("POST", PATH, { body, key: keyOf(body) })));
    if (isSaved && made) onSaved(made);
  };
  return html`
    <${Dialog} title=${t.create} onClose=${onClose}>
      <form onSubmit=${save} noValidate>
        <${FormError} text=${error} />
        <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} more=${{ maxlength: 80, autofocus: true, dir: "auto" }} />
        <${TextField} label=${t.clientId} value=${clientId} onInput=${setClientId} error=${fields["/clientId"]} hint=${t.clientIdHint} />
        <div class="actions"><button type="button" onClick=${onClose}>${texts.cancel}</button><button class="primary" disabled=${isBusy || !name.trim()}>${texts.add}</button></div>
      </form>
    </${Dialog}>`;
}
