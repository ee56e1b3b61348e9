//! The user pool, as people sign in to it: the calls of a public client, which are not signed.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clients::{
    client::Aws,
    json_api::{CallError, JsonApi},
};

/// The user pool. Cheap to clone.
#[derive(Clone)]
pub struct UserPool {
    cognito: JsonApi,
    client_id: String,
}

impl fmt::Debug for UserPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPool").field("url", &self.cognito.url).finish_non_exhaustive()
    }
}

/// The tokens of a signed-in user.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tokens {
    pub id_token: String,
    /// For calls of the user pool on behalf of the user.
    pub access_token: String,
    /// Absent after a refresh: the old one remains valid.
    pub refresh_token: Option<String>,
    /// Seconds until the ID token expires.
    pub expires_in: u64,
}

/// What the user pool asks for after the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// A password in place of the one from the invitation.
    NewPassword,
    /// A code of the user's authenticator app.
    Code,
}

impl Challenge {
    fn as_str(self) -> &'static str {
        match self {
            Self::NewPassword => "NEW_PASSWORD_REQUIRED",
            Self::Code => "SOFTWARE_TOKEN_MFA",
        }
    }
}

/// The next step of a sign-in.
pub enum SignIn {
    Done(Tokens),
    /// The text identifies the sign-in in the response to the challenge.
    Challenged(Challenge, String),
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserPoolError {
    /// The e-mail address, the password or the token is wrong, or the user is disabled.
    #[error("the user pool refused the credentials")]
    Refused,
    #[error("the code is wrong")]
    WrongCode,
    #[error("the code or the sign-in has expired")]
    Expired,
    /// The password does not satisfy the pool's policy.
    #[error("the password is too weak")]
    WeakPassword,
    /// An operator reset the password.
    #[error("the password must be reset")]
    ResetRequired,
    #[error("too many attempts")]
    TooManyAttempts,
    /// No complete response, or a server error. The same call can succeed later.
    #[error("the user pool is not available ({0})")]
    Unavailable(String),
    /// A wrong setting or a bug.
    #[error("the user pool did not understand the call ({0})")]
    Unexpected(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AuthResponse {
    authentication_result: Option<Tokens>,
    challenge_name: Option<String>,
    session: Option<String>,
}

impl UserPool {
    /// Creates a client that acts as the app client `client_id`, which must not have a secret.
    pub fn new(aws: &Aws, client_id: &str) -> Self {
        Self { cognito: JsonApi::cognito(aws), client_id: client_id.to_owned() }
    }

    /// Signs in with a password.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<SignIn, UserPoolError> {
        let parameters = json!({ "USERNAME": email, "PASSWORD": password });
        let body = json!({ "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters });
        sign_in(self.call("InitiateAuth", body).await?)
    }

    /// Responds to a challenge with the pool's names and values.
    pub async fn respond<'a>(
        &self,
        challenge: Challenge,
        email: &str,
        session: &str,
        responses: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<SignIn, UserPoolError> {
        let mut all = Map::from_iter([("USERNAME".to_owned(), Value::from(email))]);
        all.extend(responses.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
        let name = challenge.as_str();
        let body = json!({ "ChallengeName": name, "Session": session, "ChallengeResponses": all });
        sign_in(self.call("RespondToAuthChallenge", body).await?)
    }

    /// Returns a new ID token.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, UserPoolError> {
        let parameters = json!({ "REFRESH_TOKEN": refresh_token });
        let body = json!({ "AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": parameters });
        match sign_in(self.call("InitiateAuth", body).await?)? {
            SignIn::Done(tokens) => Ok(tokens),
            SignIn::Challenged(..) => Err(UserPoolError::Refused),
        }
    }

    /// Ends the session of a refresh token. Its ID tokens remain valid until they expire.
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), UserPoolError> {
        self.call("RevokeToken", json!({ "Token": refresh_token })).await.map(drop)
    }

    /// Ends all sessions of the user of an access token. ID tokens remain valid until they expire.
    pub async fn sign_out_everywhere(&self, access_token: &str) -> Result<(), UserPoolError> {
        let body = json!({ "AccessToken": access_token });
        Ok(self.cognito.call("GlobalSignOut", &body).await.map(drop)?)
    }

    /// Sends a code by e-mail, with which the user can choose a password.
    pub async fn forgot_password(&self, email: &str) -> Result<(), UserPoolError> {
        self.call("ForgotPassword", json!({ "Username": email })).await.map(drop)
    }

    /// Replaces a forgotten password.
    pub async fn reset_password(&self, email: &str, code: &str, password: &str) -> Result<(), UserPoolError> {
        let body = json!({ "Username": email, "ConfirmationCode": code, "Password": password });
        self.call("ConfirmForgotPassword", body).await.map(drop)
    }

    async fn call(&self, action: &str, mut body: Value) -> Result<Vec<u8>, UserPoolError> {
        body["ClientId"] = self.client_id.as_str().into();
        Ok(self.cognito.call(action, &body).await?)
    }
}

fn sign_in(body: Vec<u8>) -> Result<SignIn, UserPoolError> {
    let response: AuthResponse =
        serde_json::from_slice(&body).map_err(|error| UserPoolError::Unexpected(error.to_string()))?;
    if let Some(tokens) = response.authentication_result {
        return Ok(SignIn::Done(tokens));
    }
    let name = response.challenge_name.unwrap_or_default();
    let challenge =
        [Challenge::NewPassword, Challenge::Code].into_iter().find(|challenge| challenge.as_str() == name);
    let challenge = challenge.ok_or(UserPoolError::Unexpected(name))?;
    Ok(SignIn::Challenged(challenge, response.session.unwrap_or_default()))
}

impl From<CallError> for UserPoolError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { code, message } => refusal(&code, &message),
            CallError::Unavailable(problem) => Self::Unavailable(problem),
            CallError::Unexpected(problem) => Self::Unexpected(problem),
        }
    }
}

fn refusal(code: &str, message: &str) -> UserPoolError {
    match code {
        "NotAuthorizedException" if message.contains("attempts exceeded") => UserPoolError::TooManyAttempts,
        "NotAuthorizedException" if message.contains("session") => UserPoolError::Expired,
        "NotAuthorizedException" | "UserNotFoundException" | "UserNotConfirmedException" => {
            UserPoolError::Refused
        }
        "CodeMismatchException" => UserPoolError::WrongCode,
        "ExpiredCodeException" => UserPoolError::Expired,
        "InvalidPasswordException" | "PasswordHistoryPolicyViolationException" => UserPoolError::WeakPassword,
        "PasswordResetRequiredException" => UserPoolError::ResetRequired,
        "TooManyRequestsException" | "LimitExceededException" | "TooManyFailedAttemptsException" => {
            UserPoolError::TooManyAttempts
        }
        kind => UserPoolError::Unexpected(kind.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_recognized_by_its_type_and_message() {
        assert_eq!(
            refusal("NotAuthorizedException", "Incorrect username or password."),
            UserPoolError::Refused
        );
        assert_eq!(
            refusal("NotAuthorizedException", "Password attempts exceeded"),
            UserPoolError::TooManyAttempts
        );
        assert_eq!(
            refusal("NotAuthorizedException", "Invalid session for the user, session is expired."),
            UserPoolError::Expired
        );
        assert_eq!(refusal("CodeMismatchException", ""), UserPoolError::WrongCode);
        let unknown = refusal("ResourceNotFoundException", "");
        assert_eq!(unknown, UserPoolError::Unexpected("ResourceNotFoundException".into()));
    }

    #[test]
    fn a_sign_in_ends_with_tokens_or_with_a_challenge_that_the_page_knows() {
        let tokens = json!({ "AuthenticationResult": { "IdToken": "i", "AccessToken": "a", "RefreshToken": "r", "ExpiresIn": 3600 } });
        let Ok(SignIn::Done(tokens)) = sign_in(tokens.to_string().into_bytes()) else { panic!("no tokens") };
        assert_eq!((tokens.id_token.as_str(), tokens.expires_in), ("i", 3600));
        let challenge = json!({ "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s" });
        let Ok(SignIn::Challenged(challenge, session)) = sign_in(challenge.to_string().into_bytes()) else {
            panic!("no challenge")
        };
        assert_eq!((challenge, session.as_str()), (Challenge::NewPassword, "s"));
        let other = json!({ "ChallengeName": "MFA_SETUP", "Session": "s" });
        let refused = sign_in(other.to_string().into_bytes()).err();
        assert_eq!(refused, Some(UserPoolError::Unexpected("MFA_SETUP".into())));
    }
}
