/** A secret that is shown once. */

import { Dialog } from "../dialog.js";
import { html } from "../html.js";
import { texts } from "../texts.js";
import { attempt } from "../toast.js";

const t = texts.secrets;

/** @param {{ rows: [string, string][], onClose: () => void }} properties */
export function SecretDialog({ rows, onClose }) {
  return html`
    <${Dialog} title=${t.title} size="wide">
      <p>${t.hint}</p>
      ${rows.map(([name, value]) => html`
        <p class="secret"><span class="hint">${name}</span><code>${value}</code>
          <button type="button" aria-label=${t.copyOf(name)} onClick=${() => attempt(() => navigator.clipboard.writeText(value), t.copied)}>${t.copy}</button></p>`)}
      <div class="actions"><button type="button" class="primary" autofocus onClick=${onClose}>${t.done}</button></div>
    </${Dialog}>`;
}
