//! The caller, a user or a machine, from the claims that API Gateway's JWT authorizer verified.
//!
//! The organization and the user ID come from configurable claims (`custom:organization_id` and
//! `custom:user_id` by default, as the template's own user pool issues them). Without a user claim, the user
//! is `sub`. Without an organization claim, the organization is the deployment's default, if it has one. An
//! ID token must be issued to the web client: no other client of the pool is meant for users.
//!
//! A token without both claims belongs to a machine if the table has its client ID. `client_id` names the
//! client at Cognito and Keycloak, `azp` at Auth0 and Microsoft Entra, `cid` at Okta. `sub` is of no use
//! here: only Cognito repeats the client ID in it.

use axum::extract::{FromRef, FromRequestParts};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use lambda_http::{RequestExt, http::request::Parts};
use serde_json::{Map, Value};
use shared_aws::team::Members;
use shared_domain::{
    ids::{OrganizationId, UserId},
    time::Timestamp,
};
use shared_lambda::config::Environment;

use crate::{input::gateway, problem::Problem};

/// The scope that lets a machine send.
pub const SEND_SCOPE: &str = "shared-inbox/send";

/// In characters.
const MAX_CLIENT_ID_LENGTH: usize = 255;

/// The claims that name the client of a token, in the order in which they are read.
const CLIENT_CLAIMS: [&str; 3] = ["client_id", "azp", "cid"];

/// How to read a token, from the settings `ORGANIZATION_CLAIM`, `USER_CLAIM`, `DEFAULT_ORGANIZATION` and
/// `WEB_CLIENT_ID`.
#[derive(Debug, Clone)]
pub struct Claims {
    organization: String,
    user: String,
    default_organization: Option<String>,
    /// The client that ID tokens of users must be issued to. `None` if the issuer is not the stack's pool.
    web_client: Option<String>,
}

impl Claims {
    /// Reads the names of the claims.
    pub fn from_environment(env: &mut Environment) -> Self {
        Self {
            organization: env.required("ORGANIZATION_CLAIM"),
            user: env.required("USER_CLAIM"),
            default_organization: env.optional("DEFAULT_ORGANIZATION"),
            web_client: env.optional("WEB_CLIENT_ID"),
        }
    }

    /// Returns the defaults of the template.
    pub fn standard() -> Self {
        Self {
            organization: "custom:organization_id".into(),
            user: "custom:user_id".into(),
            default_organization: None,
            web_client: None,
        }
    }

    /// Returns the user of an ID token that comes from the issuer itself, so its signature is not checked.
    /// `None` if the token names no user.
    pub fn user_of_own_token(&self, token: &str) -> Option<UserCaller> {
        let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
        let claim = |name: &str| claims.get(name)?.as_str().filter(|value| !value.is_empty());
        let organization = claim(&self.organization).or(self.default_organization.as_deref())?;
        let user = claim(&self.user).or_else(|| claim("sub"))?;
        let organization = OrganizationId::parse(organization).ok()?;
        Some(UserCaller { organization, user: UserId::parse(user).ok()? })
    }

    /// Returns whether users may sign in with this token.
    fn accept_user(&self, token: &Token<'_>) -> bool {
        let Some(web_client) = &self.web_client else { return true };
        match token.claim("token_use") {
            Some("id") => token.claim("aud") == Some(web_client),
            Some("access") => token.client() == Some(web_client),
            _ => false,
        }
    }
}

/// A user of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCaller {
    pub organization: OrganizationId,
    pub user: UserId,
}

impl UserCaller {
    /// Returns a name that identifies the caller in idempotency keys and cursors.
    pub fn principal(&self) -> String {
        format!("user {} {}", self.organization, self.user)
    }
}

/// A machine of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineCaller {
    pub organization: OrganizationId,
    /// Client ID at the issuer of the token.
    pub client: String,
}

/// A user or a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    User(UserCaller),
    /// A client with client credentials and the scope to send.
    Machine(MachineCaller),
}

impl Caller {
    pub fn organization(&self) -> &OrganizationId {
        match self {
            Self::User(user) => &user.organization,
            Self::Machine(machine) => &machine.organization,
        }
    }

    /// `None` for a machine.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(&user.user),
            Self::Machine(_) => None,
        }
    }

    /// Returns a name that identifies the caller in idempotency keys and cursors.
    pub fn principal(&self) -> String {
        match self {
            Self::User(user) => user.principal(),
            Self::Machine(machine) => format!("machine {} {}", machine.organization, machine.client),
        }
    }
}

/// The caller as a user. `403` for a valid token that names no user of an organization.
impl<S> FromRequestParts<S> for UserCaller
where
    S: Sync,
    Claims: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let claims = Claims::from_ref(state);
        let token = Token::of(parts).ok_or_else(no_token)?;
        if !claims.accept_user(&token) {
            return Err(Problem::forbidden(
                "user_required",
                "The token was not issued for a user. Sign in again.",
            ));
        }
        let named = token.claim(&claims.organization).or(claims.default_organization.as_deref());
        let is_user = token.claim(&claims.user).is_some() || !token.has_client_as_subject();
        let organization = named.filter(|_| is_user).ok_or_else(no_user)?;
        let user = token.claim(&claims.user).or_else(|| token.claim("sub")).ok_or_else(no_user)?;
        let organization = OrganizationId::parse(organization).map_err(|_| no_user())?;
        Ok(Self { organization, user: UserId::parse(user).map_err(|_| no_user())? })
    }
}

/// When the token of the request expires. `None` if the token does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenExpiry(pub Option<Timestamp>);

impl<S: Sync> FromRequestParts<S> for TokenExpiry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let token = Token::of(parts).ok_or_else(no_token)?;
        let seconds = token.claim("exp").and_then(|exp| exp.parse::<i64>().ok());
        Ok(Self(seconds.and_then(|seconds| seconds.checked_mul(1000)).map(Timestamp::from_millis)))
    }
}

/// The caller as a user or a machine. A machine takes one read of the table. `403` for any other token, and
/// for a machine without the scope to send.
impl<S> FromRequestParts<S> for Caller
where
    S: Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let claims = Claims::from_ref(state);
        let token = Token::of(parts).ok_or_else(no_token)?;
        let may_be_machine = token.claim(&claims.user).is_none() && token.claim("token_use") != Some("id");
        if let Some(client) = token.client().filter(|client| may_be_machine && is_client_id(client)) {
            if token.has_scope(SEND_SCOPE) {
                let organization = Members::from_ref(state).machine(client).await?;
                if let Some(organization) = organization {
                    return Ok(Self::Machine(MachineCaller { organization, client: client.to_owned() }));
                }
            } else if token.has_client_as_subject() {
                let detail = format!("The token does not have the scope {SEND_SCOPE}.");
                return Err(Problem::forbidden("scope_missing", detail));
            }
        }
        UserCaller::from_request_parts(parts, state).await.map(Self::User)
    }
}

/// Returns whether the text can be a client ID: printable ASCII (RFC 6749, appendix A.1), and short enough
/// for a key.
pub fn is_client_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_CLIENT_ID_LENGTH
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn no_user() -> Problem {
    Problem::forbidden("user_required", "The token does not identify a user of an organization.")
}

fn no_token() -> Problem {
    Problem::forbidden("user_required", "The request has no verified token.")
}

struct Token<'a>(&'a lambda_http::aws_lambda_events::apigw::ApiGatewayRequestAuthorizerJwtDescription);

impl<'a> Token<'a> {
    fn of(request: &'a impl RequestExt) -> Option<Self> {
        gateway(request)?.authorizer.as_ref()?.jwt.as_ref().map(Self)
    }

    fn claim(&self, name: &str) -> Option<&'a str> {
        self.0.claims.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the ID of the client that the token was issued to.
    fn client(&self) -> Option<&'a str> {
        CLIENT_CLAIMS.iter().find_map(|name| self.claim(name))
    }

    /// Returns whether the subject is a client and not a user.
    fn has_client_as_subject(&self) -> bool {
        self.client().is_some_and(|client| self.claim("sub").is_none_or(|subject| subject == client))
    }

    /// Scopes are in `scope`, separated by spaces, or in `scp`, which the gateway passes as `[one two]`.
    fn has_scope(&self, wanted: &str) -> bool {
        let has = |claim: &str| {
            let scopes = self.claim(claim).unwrap_or_default();
            scopes.trim_matches(['[', ']']).split(' ').any(|scope| scope == wanted)
        };
        self.0.scopes.iter().flatten().any(|scope| scope == wanted) || has("scope") || has("scp")
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::{Request, request};
    use serde_json::{Value, json};
    use test_kit::{engine::Engine, gateway::Event};

    use super::*;

    #[derive(Clone, FromRef)]
    struct TestApp {
        claims: Claims,
        members: Members,
    }

    async fn user(request: Request, claims: &Claims) -> Result<UserCaller, Problem> {
        UserCaller::from_request_parts(&mut request.into_parts().0, claims).await
    }

    async fn user_or_machine(request: Request, members: &Members) -> Result<Caller, Problem> {
        let app = TestApp { claims: Claims::standard(), members: members.clone() };
        Caller::from_request_parts(&mut request.into_parts().0, &app).await
    }

    fn event(claims: Value) -> Event {
        Event::new("GET /v1/me", &[]).claims(claims)
    }

    fn caller(organization: &str, user: &str) -> UserCaller {
        UserCaller {
            organization: OrganizationId::parse(organization).unwrap(),
            user: UserId::parse(user).unwrap(),
        }
    }

    fn with_default() -> Claims {
        Claims { default_organization: Some("org_9".into()), ..Claims::standard() }
    }

    #[tokio::test]
    async fn a_token_names_its_organization_and_user() {
        let request = || Event::new("GET /v1/me", &[]).user("org_1", "ada").request();
        assert_eq!(user(request(), &Claims::standard()).await, Ok(caller("org_1", "ada")));
        assert_eq!(
            user(request(), &with_default()).await,
            Ok(caller("org_1", "ada")),
            "the token takes precedence"
        );
    }

    #[tokio::test]
    async fn without_a_user_claim_the_user_is_the_subject_and_the_organization_may_be_the_deployments() {
        for claims in [
            json!({ "sub": "ada" }),
            json!({ "sub": "ada", "custom:user_id": "", "custom:organization_id": "" }),
            json!({ "sub": "ada", "client_id": "the-app" }),
            json!({ "sub": "ada", "azp": "the-app" }),
        ] {
            let request = || event(claims.clone()).request();
            assert_eq!(user(request(), &with_default()).await, Ok(caller("org_9", "ada")), "{claims}");
            let problem = user(request(), &Claims::standard()).await.unwrap_err();
            assert_eq!((problem.status, problem.code), (403, "user_required"), "{claims}");
        }
    }

    #[tokio::test]
    async fn a_token_of_any_client_with_a_user_claim_belongs_to_a_user() {
        let claims = json!({ "sub": "client-1", "client_id": "client-1", "custom:organization_id": "org_1",
            "custom:user_id": "ada" });
        assert_eq!(user(event(claims).request(), &Claims::standard()).await, Ok(caller("org_1", "ada")));
    }

    #[tokio::test]
    async fn an_id_token_of_another_client_than_the_web_client_is_refused() {
        let pool = Claims { web_client: Some("web".into()), ..with_default() };
        let token = |claims: Value| {
            let mut token =
                json!({ "sub": "2f1c", "custom:organization_id": "org_1", "custom:user_id": "ada" });
            token.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
            event(token).request()
        };
        for accepted in
            [json!({ "token_use": "id", "aud": "web" }), json!({ "token_use": "access", "client_id": "web" })]
        {
            assert_eq!(user(token(accepted.clone()), &pool).await, Ok(caller("org_1", "ada")), "{accepted}");
        }
        for refused in [
            json!({ "token_use": "id", "aud": "machine" }),
            json!({ "token_use": "id", "aud": "[machine web]" }),
            json!({ "token_use": "id", "client_id": "web" }),
            json!({ "token_use": "access", "client_id": "machine" }),
            json!({ "token_use": "access", "aud": "web" }),
            json!({ "aud": "web" }),
            json!({ "token_use": "refresh", "aud": "web" }),
        ] {
            let problem = user(token(refused.clone()), &pool).await.unwrap_err();
            assert_eq!((problem.status, problem.code), (403, "user_required"), "{refused}");
            assert_eq!(problem.detail, "The token was not issued for a user. Sign in again.", "{refused}");
        }
    }

    #[tokio::test]
    async fn a_token_without_a_user_or_an_organization_is_refused() {
        for claims in [
            json!({}),
            json!({ "custom:organization_id": "org_1" }),
            json!({ "custom:organization_id": "org_1", "sub": "" }),
            json!({ "custom:organization_id": "team_1", "custom:user_id": "ada" }),
            json!({ "custom:organization_id": "org_1", "custom:user_id": "a#b" }),
            json!({ "custom:organization_id": "org_1", "sub": "client-1", "client_id": "client-1" }),
            json!({ "custom:organization_id": "org_1", "client_id": "client-1" }),
            json!({ "custom:organization_id": "org_1", "azp": "client-1" }),
        ] {
            let problem = user(event(claims.clone()).request(), &Claims::standard()).await.unwrap_err();
            assert_eq!((problem.status, problem.code), (403, "user_required"), "{claims}");
        }
    }

    #[tokio::test]
    async fn a_request_without_a_verified_token_is_refused() {
        let problem = user(Event::new("GET /v1/me", &[]).request(), &with_default()).await.unwrap_err();
        assert_eq!((problem.status, problem.code), (403, "user_required"));
        assert_eq!(problem.detail, "The request has no verified token.");
    }

    #[test]
    fn callers_of_different_kinds_have_different_principals() {
        let one = Caller::User(caller("org_1", "ada"));
        let machine =
            MachineCaller { organization: caller("org_1", "ada").organization, client: "ada".into() };
        let other = Caller::Machine(machine);
        assert_eq!(
            (one.principal().as_str(), other.principal().as_str()),
            ("user org_1 ada", "machine org_1 ada")
        );
        assert_eq!((one.organization().as_str(), other.organization().as_str()), ("org_1", "org_1"));
        assert_eq!((one.user().map(UserId::as_str), other.user()), (Some("ada"), None));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_invalid_client_id_is_refused_without_a_read() {
        let organization = OrganizationId::parse("org_1").unwrap();
        let members = Members::new(Engine::start().await.table());
        let ask = async |client: &str| {
            let claims = json!({ "client_id": client, "scope": SEND_SCOPE });
            user_or_machine(event(claims).request(), &members).await
        };
        let longest = "a".repeat(255);
        for known in [longest.as_str(), " ~", "\u{7f}", "a\u{1f}", "é", &"a".repeat(256)] {
            members.put_machine(known, &organization).await.unwrap();
        }
        for client in [&longest, " ~"] {
            assert!(ask(client).await.is_ok(), "{client:?}");
        }
        // The last one does not fit into a key.
        for client in ["\u{7f}", "a\u{1f}", "é", &"a".repeat(256), &"é".repeat(1_025)] {
            let problem = ask(client).await.unwrap_err();
            assert_eq!((problem.status, problem.code), (403, "user_required"), "{client:?}");
        }
    }

    /// A machine's request, with the scopes as the gateway lists them and as the token has them.
    fn machine(listed: Value, scope: &str) -> Request {
        let mut event = event(json!({ "sub": "client-1", "client_id": "client-1", "scope": scope })).event();
        event["requestContext"]["authorizer"]["jwt"]["scopes"] = listed;
        request::from_str(&event.to_string()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_known_machine_with_the_scope_to_send_is_a_caller() {
        let members = Members::new(Engine::start().await.table());
        let organization = OrganizationId::parse("org_1").unwrap();
        let unknown = user_or_machine(machine(Value::Null, SEND_SCOPE), &members).await.unwrap_err();
        assert_eq!((unknown.status, unknown.code), (403, "user_required"));
        members.put_machine("client-1", &organization).await.unwrap();
        for (listed, scope, sends) in [
            (Value::Null, SEND_SCOPE, true),
            (Value::Null, "openid shared-inbox/send", true),
            (json!([SEND_SCOPE]), "", true),
            (json!(["openid", SEND_SCOPE]), "openid", true),
            (Value::Null, "", false),
            (json!(["openid"]), "openid", false),
            (Value::Null, "shared-inbox/send-all", false),
        ] {
            let caller = user_or_machine(machine(listed, scope), &members).await;
            if sends {
                let machine = MachineCaller { organization: organization.clone(), client: "client-1".into() };
                assert_eq!(caller, Ok(Caller::Machine(machine)), "{scope}");
            } else {
                assert_eq!(caller.unwrap_err().code, "scope_missing", "{scope}");
            }
        }
    }

    /// Tokens of the client `client-1`, as each issuer writes them.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_machine_of_any_issuer_is_found_by_its_client_id() {
        let members = Members::new(Engine::start().await.table());
        let organization = OrganizationId::parse("org_1").unwrap();
        members.put_machine("client-1", &organization).await.unwrap();
        for claims in [
            json!({ "sub": "client-1", "client_id": "client-1", "scope": SEND_SCOPE }), // Cognito
            json!({ "sub": "client-1@clients", "azp": "client-1", "scope": SEND_SCOPE }), // Auth0
            json!({ "sub": "8c4a", "client_id": "client-1", "scope": "email shared-inbox/send" }), // Keycloak
            json!({ "sub": "client-1", "cid": "client-1", "scp": "[openid shared-inbox/send]" }), // Okta
        ] {
            for claims_of_stack in [Claims::standard(), with_default()] {
                let app = TestApp { claims: claims_of_stack, members: members.clone() };
                let mut parts = event(claims.clone()).request().into_parts().0;
                let caller = Caller::from_request_parts(&mut parts, &app).await;
                let client = "client-1".to_owned();
                let machine = MachineCaller { organization: organization.clone(), client };
                assert_eq!(caller, Ok(Caller::Machine(machine)), "{claims}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_with_the_scope_of_an_unknown_client_belongs_to_a_user() {
        let app = TestApp { claims: with_default(), members: Members::new(Engine::start().await.table()) };
        let claims = json!({ "sub": "ada", "azp": "the-app", "scope": SEND_SCOPE });
        let caller_of = Caller::from_request_parts(&mut event(claims).request().into_parts().0, &app).await;
        assert_eq!(caller_of, Ok(Caller::User(caller("org_9", "ada"))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_id_token_is_never_a_machines() {
        let members = Members::new(Engine::start().await.table());
        members.put_machine("client-1", &OrganizationId::parse("org_1").unwrap()).await.unwrap();
        let claims =
            json!({ "sub": "client-1", "client_id": "client-1", "token_use": "id", "scope": SEND_SCOPE });
        let problem = user_or_machine(event(claims).request(), &members).await.unwrap_err();
        assert_eq!((problem.status, problem.code), (403, "user_required"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_user_is_a_caller_and_a_token_without_a_user_is_not() {
        let members = Members::new(Engine::start().await.table());
        let request = || Event::new("GET /v1/me", &[]).user("org_1", "ada").request();
        assert_eq!(user_or_machine(request(), &members).await, Ok(Caller::User(caller("org_1", "ada"))));
        for event in [Event::new("GET /v1/me", &[]), event(json!({ "sub": "ada" }))] {
            let problem = user_or_machine(event.request(), &members).await.unwrap_err();
            assert_eq!((problem.status, problem.code), (403, "user_required"));
        }
    }
}
