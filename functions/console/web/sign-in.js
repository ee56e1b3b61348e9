/** The sign-in page. */

import { FormError, TextField } from "./form.js";
import { html } from "./html.js";
import { answerChallenge, endedBy, requestPasswordCode, resetPassword, signIn, signInError, signInKind, startSignIn } from "./session.js";
import { texts } from "./texts.js";
import { useState } from "./vendor/hooks.js";

/** @import { Challenge } from "./session.js" */

const t = texts.signIn;

export function SignInPage() {
  if (signInKind === "issuer") return html`<${IssuerPage} />`;
  if (signInKind === "none") return html`<main class="sign-in"><div class="panel"><${Brand} /><h1>${t.title}</h1><p>${t.noClient}</p></div></main>`;
  return html`<${PasswordPage} />`;
}

function Brand() {
  return html`<div class="brand"><span class="logo" aria-hidden="true" />${texts.product}</div>`;
}

/** Says that the session ended without the user's doing. */
function Ended() {
  const reason = endedBy.value;
  if (reason === "otherUser") return html`<p class="banner" role="alert">${t.otherUser} <button type="button" class="link" onClick=${() => location.reload()}>${t.continue}</button></p>`;
  return reason === "expired" ? html`<p class="banner" role="alert">${t.ended}</p>` : null;
}

/** Another identity provider asks for the password. */
function IssuerPage() {
  const [isBusy, setBusy] = useState(false);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    signInError.value = "";
    try {
      await startSignIn();
    } catch (caught) {
      signInError.value = /** @type {Error} */ (caught).message;
      setBusy(false);
    }
  };
  return html`
    <main class="sign-in">
      <form onSubmit=${submit}>
        <${Brand} />
        <h1>${t.title}</h1>
        <${Ended} />
        <${FormError} text=${signInError.value} />
        <p>${t.issuerHint}</p>
        <button class="primary" disabled=${isBusy} autofocus>${t.submit}</button>
      </form>
    </main>`;
}

function PasswordPage() {
  const [step, setStep] = useState(/** @type {"password" | "challenge" | "forgot" | "reset"} */ ("password"));
  const [challenge, setChallenge] = useState(/** @type {Challenge | null} */ (null));
  const [email, setEmail] = useState("");
  const [secret, setSecret] = useState("");
  const [code, setCode] = useState("");
  const [error, setError] = useState(signInError.value);
  const [notice, setNotice] = useState("");
  const [isBusy, setBusy] = useState(false);

  /** @param {typeof step} next */
  const show = (next) => {
    setStep(next);
    setSecret("");
    setCode("");
    setError("");
  };
  const tasks = {
    password: async () => takeChallenge(await signIn(email, secret)),
    challenge: async () => challenge && takeChallenge(await answerChallenge(challenge, email, secret)),
    forgot: async () => {
      await requestPasswordCode(email);
      show("reset");
    },
    reset: async () => {
      await resetPassword(email, code, secret);
      setNotice(t.wasReset);
      show("password");
    },
  };
  /** @param {Challenge | null} next */
  const takeChallenge = (next) => {
    setChallenge(next);
    if (next) show("challenge");
  };
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      await tasks[step]();
    } catch (caught) {
      setError(/** @type {Error} */ (caught).message);
    } finally {
      setBusy(false);
    }
  };

  const isCode = challenge?.challenge === "code";
  const titles = {
    password: t.title,
    challenge: isCode ? t.codeTitle : t.newPasswordTitle,
    forgot: t.resetTitle,
    reset: t.resetTitle,
  };
  const buttons = {
    password: t.submit,
    challenge: isCode ? t.confirm : t.savePassword,
    forgot: t.sendCode,
    reset: t.savePassword,
  };
  const emailField = html`<${TextField} label=${t.email} type="email" value=${email} onInput=${setEmail}
    more=${{ autocomplete: "username", required: true, autofocus: true }} />`;
  const newPasswordField = html`<${TextField} label=${t.newPassword} type="password" value=${secret} onInput=${setSecret}
    hint=${t.newPasswordHint} more=${{ autocomplete: "new-password", required: true }} />`;

  return html`
    <main class="sign-in">
      <form onSubmit=${submit}>
        <${Brand} />
        <h1>${titles[step]}</h1>
        ${step === "password" && html`<${Ended} />`}
        ${notice && step === "password" && html`<p class="banner" role="status">${notice}</p>`}
        <${FormError} text=${error} />
        ${step === "password" && html`
          ${emailField}
          <${TextField} label=${t.password} type="password" value=${secret} onInput=${setSecret}
            more=${{ autocomplete: "current-password", required: true }} />`}
        ${step === "challenge" && isCode && html`
          <${TextField} label=${t.code} value=${secret} onInput=${setSecret} hint=${t.codeHint}
            more=${{ autocomplete: "one-time-code", inputmode: "numeric", required: true }} />`}
        ${step === "challenge" && !isCode && newPasswordField}
        ${step === "forgot" && html`<p>${t.resetHint}</p>${emailField}`}
        ${step === "reset" && html`
          <${TextField} label=${t.codeFromMail} value=${code} onInput=${setCode}
            more=${{ autocomplete: "one-time-code", required: true }} />
          ${newPasswordField}`}
        <button class="primary" disabled=${isBusy}>${buttons[step]}</button>
        ${step === "password"
          ? html`<button type="button" class="link" onClick=${() => show("forgot")}>${t.forgot}</button>`
          : html`<button type="button" class="link" onClick=${() => show("password")}>${t.back}</button>`}
      </form>
    </main>`;
}
