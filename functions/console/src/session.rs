//! Sign-in with the user pool of the stack.
//!
//! The page keeps the token in memory. The refresh token is in a cookie that scripts cannot read and that the
//! browser sends to these routes alone: without a `Path`, a cookie belongs to the folder of the route that
//! sets it, and all routes are in one folder, at whatever path the API is.

use axum::{
    Router,
    extract::{FromRef, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, COOKIE, SET_COOKIE},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use shared_aws::clients::{Challenge, RealtimeQueue, SignIn, SignOut, Tokens, UserPool, UserPoolError};
use shared_http::{caller::Claims, json::Json, problem::Problem, request::Now};

const COOKIE_NAME: &str = "refresh";
/// The lifetime of a refresh token. The user pool decides; the cookie only has to last as long.
const COOKIE_SECONDS: u32 = 30 * 24 * 60 * 60;

/// What ends the connections of a user who signs out.
#[derive(Debug, Clone)]
pub struct SignOuts {
    /// The queue of the function that has the connections.
    pub queue: RealtimeQueue,
    /// How to read the user's ID token.
    pub claims: Claims,
}

#[derive(Debug, Clone, FromRef)]
struct Session {
    pool: Option<UserPool>,
    sign_outs: Option<SignOuts>,
}

/// The routes. `pool` is `None` if the stack has no user pool of its own. `sign_outs` is `None` where there
/// are no sockets.
pub(crate) fn router(pool: Option<UserPool>, sign_outs: Option<SignOuts>) -> Router {
    Router::new()
        .route("/console/session/sign-in", post(sign_in))
        .route("/console/session/new-password", post(new_password))
        .route("/console/session/code", post(code))
        .route("/console/session/refresh", post(refresh))
        .route("/console/session/sign-out", post(sign_out))
        .route("/console/session/forgot-password", post(forgot_password))
        .route("/console/session/reset-password", post(reset_password))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::not_found())
        .with_state(Session { pool, sign_outs })
}

type Pool = State<Option<UserPool>>;

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

async fn sign_in(State(pool): Pool, Json(body): Json<Password>) -> Result<Response, Problem> {
    reply(of_stack(pool)?.sign_in(&body.email, &body.password).await.map_err(problem)?)
}

/// Replaces the temporary password of an invited user.
async fn new_password(State(pool): Pool, Json(body): Json<NewPassword>) -> Result<Response, Problem> {
    let answer = [("NEW_PASSWORD", body.password.as_str())];
    reply(
        of_stack(pool)?
            .respond(Challenge::NewPassword, &body.email, &body.session, answer)
            .await
            .map_err(problem)?,
    )
}

/// Checks the code of an authenticator app.
async fn code(State(pool): Pool, Json(body): Json<MfaCode>) -> Result<Response, Problem> {
    let answer = [("SOFTWARE_TOKEN_MFA_CODE", body.code.as_str())];
    reply(
        of_stack(pool)?
            .respond(Challenge::Code, &body.email, &body.session, answer)
            .await
            .map_err(problem)?,
    )
}

/// Returns `204` if there is no session, because the page does not treat that as an error.
async fn refresh(State(pool): Pool, headers: HeaderMap) -> Result<Response, Problem> {
    let Some(token) = refresh_token(&headers) else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    match of_stack(pool)?.refresh(token).await {
        Ok(tokens) => reply(SignIn::Done(tokens)),
        Err(UserPoolError::Refused) => Ok(without_cookie()),
        Err(error) => Err(problem(error)),
    }
}

/// Ends the session and the user's sockets. Those of other screens get a new ticket and open again. The
/// session ends even if the sockets cannot be closed: they end with their token then.
async fn sign_out(
    State(pool): Pool,
    State(sign_outs): State<Option<SignOuts>>,
    Now(at): Now,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(token) = refresh_token(&headers) else { return Ok(without_cookie()) };
    let pool = of_stack(pool)?;
    // The refresh token does not name its user, and a revoked one returns no other token.
    let tokens = if sign_outs.is_some() { pool.refresh(token).await.ok() } else { None };
    pool.revoke(token).await.map_err(problem)?;
    if let (Some(SignOuts { queue, claims }), Some(tokens)) = (sign_outs, tokens)
        && let Some(user) = claims.user_of_own_token(&tokens.id_token)
    {
        let sign_out = SignOut { organization: user.organization, signed_out_user: user.user, at };
        if let Err(error) = queue.sign_out(&sign_out).await {
            tracing::error!(event = "sockets_not_closed", %error, "connections of a signed-out user not closed");
        }
    }
    Ok(without_cookie())
}

/// Returns the same response whether or not the user exists.
async fn forgot_password(State(pool): Pool, Json(body): Json<Email>) -> Result<Response, Problem> {
    match of_stack(pool)?.forgot_password(&body.email).await {
        Ok(()) | Err(UserPoolError::Refused) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => Err(problem(error)),
    }
}

async fn reset_password(State(pool): Pool, Json(body): Json<Reset>) -> Result<Response, Problem> {
    of_stack(pool)?.reset_password(&body.email, &body.code, &body.password).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn of_stack(pool: Option<UserPool>) -> Result<UserPool, Problem> {
    let elsewhere = || {
        let detail = "This system signs people in with another identity provider.";
        Problem::new(409, "other_identity_provider", detail)
    };
    pool.ok_or_else(elsewhere)
}

fn reply(step: SignIn) -> Result<Response, Problem> {
    let (view, refresh_token) = match step {
        SignIn::Done(Tokens { id_token, refresh_token, expires_in }) => {
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
    let mut response = Json(view).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(token) = refresh_token {
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
