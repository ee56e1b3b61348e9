/** The dialog in which the owner creates a team. */

import { loadAllTeams, loadMe } from "./accounts.js";
import { request } from "./api.js";
import { Dialog } from "./dialog.js";
import { closeDialog } from "./dialogs.js";
import { FormError, TextField, useKey, useSubmission } from "./form.js";
import { html } from "./html.js";
import { navigate, teamPath } from "./router.js";
import { texts } from "./texts.js";
import { useState } from "./vendor/hooks.js";

export function NewTeamDialog() {
  const [name, setName] = useState("");
  const keyOf = useKey();
  const { isBusy, error, fields, submit } = useSubmission();
  /** @param {Event} event */
  const create = (event) => {
    event.preventDefault();
    const body = { name: name.trim() };
    submit(async () => {
      const team = await request("POST", "v1/teams", { body, key: keyOf(body) });
      await Promise.allSettled([loadAllTeams(), loadMe()]);
      closeDialog();
      navigate(teamPath(team.teamId, "members"));
    });
  };
  return html`
    <${Dialog} title=${texts.navigation.newTeam} onClose=${closeDialog}>
      <form onSubmit=${create} noValidate>
        <${FormError} text=${error} />
        <${TextField} label=${texts.team.name} value=${name} onInput=${setName} error=${fields["/name"]} more=${{ maxlength: 80, autofocus: true }} />
        <div class="actions"><button type="button" onClick=${closeDialog}>${texts.cancel}</button>
          <button class="primary" disabled=${isBusy || !name.trim()}>${texts.navigation.createTeam}</button></div>
      </form>
    </${Dialog}>`;
}
