//! What a front end has to know about the stack before anyone signs in.

use serde::Serialize;
use shared_domain::lock::LockPolicy;
use shared_lambda::config::Environment;
use utoipa::ToSchema;

/// What this version offers.
const FEATURES: [&str; 8] = [
    "broadcasts",
    "contact_imports",
    "keyword_replies",
    "media",
    "opt_out_reviews",
    "out_of_office",
    "segments",
    "templates",
];

/// The version, limits and addresses of the stack.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Version of the software, as in its changelog.
    pub version: &'static str,
    /// Git commit of the software. `null` if it was built outside a repository.
    #[schema(required)]
    pub commit: Option<&'static str>,
    /// Maximum lengths and counts.
    pub limits: ConfigLimits,
    /// Times and count of locks.
    pub lock: ConfigLock,
    /// Issuer and endpoints of the tokens.
    pub sign_in: ConfigSignIn,
    /// Live events.
    pub realtime: ConfigRealtime,
    /// What this version offers.
    #[schema(example = json!(["broadcasts", "contact_imports", "keyword_replies", "media", "opt_out_reviews", "out_of_office", "segments", "templates"]))]
    pub features: Vec<&'static str>,
}

/// Limits of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigLimits {
    /// Maximum number of characters in a reply.
    pub reply: usize,
    /// Maximum number of characters in a composed message.
    pub compose: usize,
    /// Maximum number of characters in a broadcast.
    pub broadcast: usize,
    /// Maximum number of recipients of a broadcast. `null` if there is none.
    #[schema(required)]
    pub recipients: Option<usize>,
}

/// Times of conversation locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigLock {
    /// Seconds after which a lock expires unless it is renewed.
    pub lease_seconds: u64,
    /// Seconds between two renewals.
    pub renew_after_seconds: u64,
    /// Seconds without activity after which you ask whether the user is still working.
    pub idle_prompt_after_seconds: u64,
    /// Seconds from that question until the lock is released.
    pub idle_release_after_seconds: u64,
    /// Maximum number of locks that a user holds at the same time.
    pub per_user: usize,
}

/// How users sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSignIn {
    /// Issuer of the tokens. Its metadata is at `/.well-known/openid-configuration` below it.
    #[schema(format = "uri")]
    pub issuer: String,
    /// ID of the client for browser apps. `null` if the operator has not set one.
    #[schema(required)]
    pub client_id: Option<String>,
    /// Whether the stack has a user pool of its own.
    pub kind: SignInKind,
    /// Authorization endpoint, for the code flow with PKCE. `null` if the operator has not set one: the
    /// client of the user pool then has no addresses to return to, and the endpoint of another issuer is in
    /// its metadata.
    #[schema(required, format = "uri")]
    pub authorize_url: Option<String>,
    /// Token endpoint. `null` if you have to read it from the metadata of the issuer.
    #[schema(required, format = "uri")]
    pub token_url: Option<String>,
}

/// The kind of the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignInKind {
    /// The user pool of the stack.
    Pool,
    /// An external identity provider.
    Oidc,
}

/// The address of live events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigRealtime {
    /// URL of the WebSocket. `null` if this version has none.
    #[schema(required, format = "uri")]
    pub url: Option<String>,
}

impl Config {
    /// Returns the configuration of a stack with these settings.
    pub fn new(
        lock: &LockPolicy,
        reply: usize,
        compose: usize,
        sign_in: ConfigSignIn,
        realtime: Option<String>,
    ) -> Self {
        let commit = env!("SOURCE_COMMIT");
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: (!commit.is_empty()).then_some(commit),
            limits: ConfigLimits { reply, compose, broadcast: compose, recipients: None },
            lock: ConfigLock {
                lease_seconds: lock.lease.as_secs(),
                renew_after_seconds: lock.renew_after.as_secs(),
                idle_prompt_after_seconds: lock.idle_prompt.as_secs(),
                idle_release_after_seconds: lock.idle_release.as_secs(),
                per_user: lock.per_user,
            },
            sign_in,
            realtime: ConfigRealtime { url: realtime },
            features: FEATURES.to_vec(),
        }
    }

    pub(crate) fn read(env: &mut Environment) -> Self {
        let lock = env.lock_policy();
        let (reply, compose) = (env.number("REPLY_LIMIT", 1), env.number("COMPOSE_LIMIT", 1));
        let issuer = env.required("JWT_ISSUER");
        let pool_client = env.optional("WEB_CLIENT_ID");
        let sign_in = ConfigSignIn {
            issuer,
            kind: if pool_client.is_some() { SignInKind::Pool } else { SignInKind::Oidc },
            client_id: pool_client.or(env.optional("OIDC_CLIENT_ID")),
            authorize_url: env.optional("AUTHORIZE_URL"),
            token_url: env.optional("TOKEN_URL"),
        };
        Self::new(&lock, reply, compose, sign_in, env.optional("REALTIME_URL"))
    }
}
