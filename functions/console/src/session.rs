//! Sign-in with the user pool of the stack, or with another identity provider.
//!
//! The page keeps the token in memory. The refresh token is in a cookie that scripts cannot read and that the
//! browser sends to these routes alone: without a `Path`, a cookie belongs to the folder of the route that
//! sets it, and all routes are in one folder, at whatever path the API is.

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE},
        request::Parts,
    },
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared_aws::clients::{Challenge, RealtimeQueue, SignIn, SignOut, Tokens, UserPool, UserPoolError};
use shared_domain::time::Timestamp;
use shared_http::{caller::Claims, json::Json, problem::Problem, request::Now};

use crate::issuer::{Authorization, Issuer, IssuerError, IssuerTokens, Redemption};

const COOKIE_NAME: &str = "refresh";
/// The lifetime of a refresh token. The user pool decides; the cookie only has to last as long.
const COOKIE_SECONDS: u32 = 30 * 24 * 60 * 60;
/// Browsers keep cookies of up to 4,096 bytes, with their name and attributes.
const MAX_COOKIE_LENGTH: usize = 3_900;
const MAX_CODE_LENGTH: usize = 4_096;

/// What ends the connections of a user who signs out.
#[derive(Debug, Clone)]
pub struct SignOuts {
    /// The queue of the function that has the connections.
    pub queue: RealtimeQueue,
    /// How to read the user's ID token.
    pub claims: Claims,
}

/// Where users sign in.
#[derive(Debug, Clone)]
pub enum Provider {
    /// The user pool of the stack.
    Pool(UserPool),
    /// Another identity provider.
    Issuer(Issuer),
}

#[derive(Debug, Clone, FromRef)]
struct Session {
    provider: Option<Provider>,
    sign_outs: Option<SignOuts>,
}

/// The routes. `provider` is `None` if users of the console cannot sign in. `sign_outs` is `None` where there
/// are no sockets.
pub(crate) fn router(provider: Option<Provider>, sign_outs: Option<SignOuts>) -> Router {
    Router::new()
        .route("/console/session/authorize", post(authorize))
        .route("/console/session/redeem", post(redeem))
        .route("/console/session/sign-in", post(sign_in))
        .route("/console/session/new-password", post(new_password))
        .route("/console/session/code", post(code))
        .route("/console/session/refresh", post(refresh))
        .route("/console/session/sign-out", post(sign_out))
        .route("/console/session/sign-out-everywhere", post(sign_out_everywhere))
        .route("/console/session/forgot-password", post(forgot_password))
        .route("/console/session/reset-password", post(reset_password))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::not_found())
        .layer(from_fn(only_json))
        .with_state(Session { provider, sign_outs })
}

/// A form of another site cannot send JSON without asking the browser first, so it cannot sign its visitor in
/// or out.
async fn only_json(request: Request, next: Next) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| value.starts_with("application/json")) {
        return next.run(request).await;
    }
    Problem::new(415, "json_required", "Send the request with the content type application/json.")
        .into_response()
}

/// The user pool of the stack. Other identity providers have pages of their own for passwords.
struct Pool(UserPool);

impl FromRequestParts<Session> for Pool {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, session: &Session) -> Result<Self, Problem> {
        match &session.provider {
            Some(Provider::Pool(pool)) => Ok(Self(pool.clone())),
            _ => Err(Problem::new(
                409,
                "other_identity_provider",
                "This system signs people in with another identity provider.",
            )),
        }
    }
}

struct OtherIssuer(Issuer);

impl FromRequestParts<Session> for OtherIssuer {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, session: &Session) -> Result<Self, Problem> {
        match &session.provider {
            Some(Provider::Issuer(issuer)) => Ok(Self(issuer.clone())),
            _ => Err(Problem::not_found()),
        }
    }
}

#[derive(Deserialize)]
struct Password {
    email: String,
    password: String,
}

#[derive(Deserialize)]
struct NewPassword {
    email: String,
    password: String,
    session: String,
}

#[derive(Deserialize)]
struct MfaCode {
    email: String,
    code: String,
    session: String,
}

#[derive(Deserialize)]
struct Email {
    email: String,
}

#[derive(Deserialize)]
struct Reset {
    email: String,
    code: String,
    password: String,
}

/// What the page needs to go on.
#[derive(Serialize)]
#[serde(untagged)]
enum SessionView {
    #[serde(rename_all = "camelCase")]
    SignedIn { token: String, expires_in_seconds: u64 },
    Challenge {
        /// `new_password` or `code`.
        challenge: &'static str,
        /// Sent back with the answer.
        #[serde(rename = "session")]
        state: String,
    },
}

async fn sign_in(Pool(pool): Pool, Json(body): Json<Password>) -> Result<Response, Problem> {
    reply(pool.sign_in(&body.email, &body.password).await.map_err(problem)?)
}

/// Replaces the temporary password of an invited user.
async fn new_password(Pool(pool): Pool, Json(body): Json<NewPassword>) -> Result<Response, Problem> {
    let answer = [("NEW_PASSWORD", body.password.as_str())];
    reply(pool.respond(Challenge::NewPassword, &body.email, &body.session, answer).await.map_err(problem)?)
}

/// Checks the code of an authenticator app.
async fn code(Pool(pool): Pool, Json(body): Json<MfaCode>) -> Result<Response, Problem> {
    let answer = [("SOFTWARE_TOKEN_MFA_CODE", body.code.as_str())];
    reply(pool.respond(Challenge::Code, &body.email, &body.session, answer).await.map_err(problem)?)
}

/// Returns where another identity provider signs the user in.
async fn authorize(
    OtherIssuer(issuer): OtherIssuer,
    Json(body): Json<Authorization>,
) -> Result<Json<Value>, Problem> {
    bounded("/state", &body.state)?;
    bounded("/nonce", &body.nonce)?;
    bounded("/challenge", &body.challenge)?;
    let url = issuer.authorization_url(&body).await.map_err(issuer_problem)?;
    Ok(Json(json!({ "url": url })))
}

/// Exchanges the code of another identity provider.
async fn redeem(OtherIssuer(issuer): OtherIssuer, Json(body): Json<Redemption>) -> Result<Response, Problem> {
    bounded("/nonce", &body.nonce)?;
    bounded("/verifier", &body.verifier)?;
    if body.code.is_empty() || body.code.len() > MAX_CODE_LENGTH {
        return Err(Problem::bad_field("/code", "the code of the identity provider"));
    }
    signed_in(issuer.redeem(&body).await.map_err(issuer_problem)?)
}

/// The values are of the page: 32 random bytes or a digest, as text (RFC 7636, section 4.1).
fn bounded(pointer: &str, text: &str) -> Result<(), Problem> {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved) {
        Ok(())
    } else {
        Err(Problem::bad_field(pointer, "43 to 128 letters, digits, and -._~"))
    }
}

/// Returns `204` if there is no session, because the page does not treat that as an error.
async fn refresh(State(provider): State<Option<Provider>>, headers: HeaderMap) -> Result<Response, Problem> {
    let (Some(provider), Some(token)) = (provider, refresh_token(&headers)) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    match provider {
        Provider::Pool(pool) => match pool.refresh(token).await {
            Ok(tokens) => reply(SignIn::Done(tokens)),
            Err(UserPoolError::Refused) => Ok(without_cookie()),
            Err(error) => Err(problem(error)),
        },
        Provider::Issuer(issuer) => match issuer.refresh(token).await {
            Ok(tokens) => signed_in(tokens),
            Err(IssuerError::Refused) => Ok(without_cookie()),
            Err(error) => Err(issuer_problem(error)),
        },
    }
}

/// Ends the session and the user's sockets. Those of other screens get a new ticket and open again. The
/// session ends even if the sockets cannot be closed: they end with their token then.
async fn sign_out(
    State(provider): State<Option<Provider>>,
    State(sign_outs): State<Option<SignOuts>>,
    Now(at): Now,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (Some(provider), Some(token)) = (provider, refresh_token(&headers)) else {
        return Ok(without_cookie());
    };
    // The refresh token does not name its user, and a revoked one returns no other token.
    let needs_user = sign_outs.is_some();
    let user_token = match provider {
        Provider::Pool(pool) => {
            let tokens = if needs_user { pool.refresh(token).await.ok() } else { None };
            pool.revoke(token).await.map_err(problem)?;
            tokens.map(|tokens| tokens.id_token)
        }
        Provider::Issuer(issuer) => {
            let tokens = if needs_user { issuer.refresh(token).await.ok() } else { None };
            let next = tokens.as_ref().and_then(|tokens| tokens.refresh_token.as_deref());
            if let Err(error) = issuer.revoke(next.unwrap_or(token)).await {
                tracing::warn!(event = "token_not_revoked", %error, "refresh token not revoked at the issuer");
            }
            tokens.map(|tokens| tokens.access_token)
        }
    };
    if let (Some(sign_outs), Some(token)) = (sign_outs, user_token) {
        sign_outs.close_sockets(&token, at).await;
    }
    Ok(without_cookie())
}

/// Ends all sessions of the user, on every device, and closes the sockets, at which the other screens notice
/// it. Access tokens remain valid until they expire.
async fn sign_out_everywhere(
    Pool(pool): Pool,
    State(sign_outs): State<Option<SignOuts>>,
    Now(at): Now,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Without a session it is not known whose sessions to end, and other devices must not seem signed out.
    let again = || Problem::new(401, "sign_in_required", "Sign in again, and then end all sessions.");
    let refused = |error| if matches!(error, UserPoolError::Refused) { again() } else { problem(error) };
    let token = refresh_token(&headers).ok_or_else(again)?;
    let tokens = pool.refresh(token).await.map_err(refused)?;
    pool.sign_out_everywhere(&tokens.access_token).await.map_err(refused)?;
    if let Some(sign_outs) = sign_outs {
        sign_outs.close_sockets(&tokens.id_token, at).await;
    }
    Ok(without_cookie())
}

impl SignOuts {
    /// Closes the sockets of the user of a token, which comes from the issuer itself.
    async fn close_sockets(&self, token: &str, at: Timestamp) {
        let Some(user) = self.claims.user_of_own_token(token) else { return };
        let sign_out = SignOut { organization: user.organization, signed_out_user: user.user, at };
        if let Err(error) = self.queue.sign_out(&sign_out).await {
            tracing::error!(event = "sockets_not_closed", %error, "connections of a signed-out user not closed");
        }
    }
}

/// Returns the same response whether or not the user exists.
async fn forgot_password(Pool(pool): Pool, Json(body): Json<Email>) -> Result<Response, Problem> {
    match pool.forgot_password(&body.email).await {
        Ok(()) | Err(UserPoolError::Refused) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => Err(problem(error)),
    }
}

async fn reset_password(Pool(pool): Pool, Json(body): Json<Reset>) -> Result<Response, Problem> {
    pool.reset_password(&body.email, &body.code, &body.password).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn signed_in(tokens: IssuerTokens) -> Result<Response, Problem> {
    let expires_in_seconds = tokens.seconds();
    answer(SessionView::SignedIn { token: tokens.access_token, expires_in_seconds }, tokens.refresh_token)
}

fn reply(step: SignIn) -> Result<Response, Problem> {
    let (view, refresh_token) = match step {
        SignIn::Done(Tokens { id_token, refresh_token, expires_in, .. }) => {
            (SessionView::SignedIn { token: id_token, expires_in_seconds: expires_in }, refresh_token)
        }
        SignIn::Challenged(challenge, state) => {
            let challenge = match challenge {
                Challenge::NewPassword => "new_password",
                Challenge::Code => "code",
            };
            (SessionView::Challenge { challenge, state }, None)
        }
    };
    answer(view, refresh_token)
}

/// A token that does not fit in a cookie is not kept: the user signs in again when the other one expires.
fn answer(view: SessionView, refresh_token: Option<String>) -> Result<Response, Problem> {
    let is_kept = |token: &String| {
        token.len() <= MAX_COOKIE_LENGTH && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
    };
    let mut response = Json(view).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(token) = refresh_token.filter(is_kept) {
        response.headers_mut().insert(SET_COOKIE, cookie(&token, COOKIE_SECONDS)?);
    }
    Ok(response)
}

fn without_cookie() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(expired) = cookie("", 0) {
        response.headers_mut().insert(SET_COOKIE, expired);
    }
    response
}

/// Browsers keep a `Secure` cookie from `http://localhost` and `http://127.0.0.1` too.
fn cookie(token: &str, max_age: u32) -> Result<HeaderValue, Problem> {
    let text = format!("{COOKIE_NAME}={token}; Max-Age={max_age}; HttpOnly; Secure; SameSite=Strict");
    HeaderValue::from_str(&text).map_err(Problem::internal)
}

fn refresh_token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, token)| *name == COOKIE_NAME && !token.is_empty()).map(|(_, token)| token)
}

fn problem(error: UserPoolError) -> Problem {
    match error {
        UserPoolError::Refused => {
            Problem::new(401, "sign_in_refused", "The e-mail address or the password is wrong.")
        }
        UserPoolError::WrongCode => Problem::unprocessable("wrong_code", "/code", "The code is wrong."),
        UserPoolError::Expired => {
            Problem::new(409, "sign_in_expired", "The code or the sign-in has expired. Start again.")
        }
        UserPoolError::WeakPassword => Problem::unprocessable(
            "weak_password",
            "/password",
            "Use at least 12 characters with uppercase letters, lowercase letters and digits.",
        ),
        UserPoolError::ResetRequired => Problem::new(
            409,
            "password_reset_required",
            "Your password was reset. Select Forgot password to choose another one.",
        ),
        UserPoolError::TooManyAttempts => Problem {
            retry_after: Some(60),
            ..Problem::new(429, "too_many_attempts", "Too many attempts. Wait a minute and try again.")
        },
        UserPoolError::Unavailable(cause) => Problem {
            retry_after: Some(1),
            cause: Some(cause),
            ..Problem::new(503, "unavailable", "Sign-in is not available at the moment. Try again.")
        },
        UserPoolError::Unexpected(cause) => Problem::internal(cause),
    }
}

fn issuer_problem(error: IssuerError) -> Problem {
    match error {
        IssuerError::Refused => Problem::new(
            401,
            "sign_in_refused",
            "The sign-in was refused or is not valid any more. Sign in again.",
        ),
        IssuerError::Unavailable(cause) => Problem {
            retry_after: Some(1),
            cause: Some(cause),
            ..Problem::new(503, "unavailable", "Sign-in is not available at the moment. Try again.")
        },
        IssuerError::Unexpected(cause) => Problem::internal(cause),
    }
}
