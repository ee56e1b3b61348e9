/** An identity provider for tests: authorization code flow with PKCE for a public client, tokens signed with RS256. */

import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

/** @import { IncomingMessage, ServerResponse } from "node:http" */

const KEY_ID = "key-1";

/** @param {unknown} value */
function part(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** Signs in one user at once. A refresh token is valid once: if it is used again, the session ends. */
export class Issuer {
  /** @param {string} url with the port to listen on @param {string} audience @param {string} clientId */
  constructor(url, audience, clientId) {
    this.url = url;
    this.audience = audience;
    this.clientId = clientId;
    this.key = generateKeyPairSync("rsa", { modulusLength: 2048 });
    /** Claims of the user's access tokens. @type {Record<string, unknown>} */
    this.user = {};
    /** What the user comes back with next. @type {"code" | "wrong state" | "access_denied" | "server_error"} */
    this.next = "code";
    this.givesRefreshTokens = true;
    /** Replaces claims of the next ID tokens. @type {Record<string, unknown>} */
    this.idClaims = {};
    /** Addresses that the user came back to. @type {string[]} */
    this.callbacks = [];
    /** Paths and forms of the requests by the console's function. @type {{ path: string, form: Record<string, string> }[]} */
    this.calls = [];
    /** @type {Map<string, URLSearchParams>} */
    this.codes = new Map();
    /** The sessions by their current refresh token. @type {Map<string, string>} */
    this.sessions = new Map();
    /** @type {Map<string, string>} */
    this.used = new Map();
    this.server = createServer((request, response) => this.answer(request, response));
  }

  async start() {
    this.server.listen(Number(new URL(this.url).port), "127.0.0.1");
    await once(this.server, "listening");
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** @param {Record<string, unknown>} claims */
  token(claims) {
    const now = Math.floor(Date.now() / 1000);
    const content = `${part({ alg: "RS256", kid: KEY_ID, typ: "JWT" })}.${part({ iss: this.url, iat: now, exp: now + 600, ...claims })}`;
    return `${content}.${sign("RSA-SHA256", Buffer.from(content), this.key.privateKey).toString("base64url")}`;
  }

  accessToken() {
    return this.token({ aud: this.audience, sub: "sub-1", ...this.user });
  }

  /** @param {IncomingMessage} request @param {ServerResponse} response */
  async answer(request, response) {
    const url = new URL(request.url ?? "/", this.url);
    /** @param {unknown} body @param {number} [status] */
    const reply = (body, status = 200) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (url.pathname === "/.well-known/openid-configuration") {
      return reply({
        issuer: this.url, authorization_endpoint: `${this.url}/authorize`, token_endpoint: `${this.url}/token`,
        jwks_uri: `${this.url}/keys`, revocation_endpoint: `${this.url}/revoke`,
      });
    }
    if (url.pathname === "/keys") {
      return reply({ keys: [{ ...this.key.publicKey.export({ format: "jwk" }), kid: KEY_ID, alg: "RS256", use: "sig" }] });
    }
    if (url.pathname === "/authorize") return this.authorize(url.searchParams, response);
    let body = "";
    for await (const chunk of request) body += chunk;
    const form = Object.fromEntries(new URLSearchParams(body));
    this.calls.push({ path: url.pathname, form });
    if (url.pathname === "/revoke") {
      this.sessions.delete(form.token);
      return reply({});
    }
    const tokens = url.pathname === "/token" && this.exchange(form);
    return tokens ? reply(tokens) : reply({ error: "invalid_grant" }, 400);
  }

  /** @param {URLSearchParams} query @param {ServerResponse} response */
  authorize(query, response) {
    const back = new URL(query.get("redirect_uri") ?? "");
    if (this.next === "code" || this.next === "wrong state") {
      const code = randomUUID();
      this.codes.set(code, query);
      back.searchParams.set("code", code);
    } else {
      back.searchParams.set("error", this.next);
      back.searchParams.set("error_description", "<b>Do not show this</b>");
    }
    back.searchParams.set("state", this.next === "wrong state" ? randomUUID() : query.get("state") ?? "");
    this.callbacks.push(back.href);
    response.writeHead(302, { location: back.href }).end();
  }

  /** @param {Record<string, string>} form */
  exchange(form) {
    if (form.client_id !== this.clientId) return null;
    if (form.grant_type === "refresh_token") {
      const session = this.sessions.get(form.refresh_token);
      if (session === undefined) {
        const stolen = this.used.get(form.refresh_token);
        for (const [token, session] of this.sessions) if (session === stolen) this.sessions.delete(token);
        return null;
      }
      this.sessions.delete(form.refresh_token);
      this.used.set(form.refresh_token, session);
      return this.tokens(session, undefined);
    }
    const request = this.codes.get(form.code);
    this.codes.delete(form.code);
    const challenge = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
    if (!request || request.get("code_challenge") !== challenge || request.get("redirect_uri") !== form.redirect_uri) return null;
    return this.tokens(randomUUID(), request.get("nonce") ?? undefined);
  }

  /** @param {string} session @param {string | undefined} nonce */
  tokens(session, nonce) {
    const refresh = randomUUID();
    if (this.givesRefreshTokens) this.sessions.set(refresh, session);
    return {
      access_token: this.accessToken(), token_type: "Bearer", expires_in: 600,
      id_token: this.token({ aud: this.clientId, sub: "sub-1", nonce, ...this.idClaims }),
      ...(this.givesRefreshTokens ? { refresh_token: refresh } : {}),
    };
  }
}
