//! Who calls: a user or a machine, as the gateway's JWT authorizer verified it.
//!
//! Claims: `sub`; the organisation and the user id come from configurable claims (`custom:organisation_id` and
//! `custom:user_id` by default, as the template's own user pool issues them). Without a user claim the user is `sub`;
//! without an organisation claim it is the deployment's default organisation, if it has one. A token with a `client_id`
//! and scopes, and neither claim, is a machine's; its organisation stands in the table under the client id.

use lambda_http::Request;
use shared_aws::{config::Environment, members::Members};
use shared_domain::ids::{OrganisationId, UserId};

use crate::{input::gateway, problem::Problem};

/// The scope that lets a machine send.
pub const SEND_SCOPE: &str = "shared-inbox/send";

/// Which claims say what: `ORGANISATION_CLAIM`, `USER_CLAIM`, `DEFAULT_ORGANISATION`.
#[derive(Debug, Clone)]
pub struct Claims {
    organisation: String,
    user: String,
    default_organisation: Option<String>,
}

impl Claims {
    /// Reads the names of the claims.
    pub fn from_environment(env: &mut Environment) -> Self {
        Self {
            organisation: env.required("ORGANISATION_CLAIM"),
            user: env.required("USER_CLAIM"),
            default_organisation: env.optional("DEFAULT_ORGANISATION"),
        }
    }

    /// Names as the template sets them.
    pub fn standard() -> Self {
        Self {
            organisation: "custom:organisation_id".into(),
            user: "custom:user_id".into(),
            default_organisation: None,
        }
    }
}

/// A user of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCaller {
    /// The tenant.
    pub organisation: OrganisationId,
    /// Who.
    pub user: UserId,
}

impl UserCaller {
    /// A name for keys and cursors that no other caller has.
    pub fn principal(&self) -> String {
        format!("user {} {}", self.organisation, self.user)
    }
}

/// A machine of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineCaller {
    /// The tenant.
    pub organisation: OrganisationId,
    /// Its client id at the issuer.
    pub client: String,
}

/// A user or a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody signed in.
    User(UserCaller),
    /// Client credentials with the scope to send.
    Machine(MachineCaller),
}

impl Caller {
    /// The tenant.
    pub fn organisation(&self) -> &OrganisationId {
        match self {
            Self::User(user) => &user.organisation,
            Self::Machine(machine) => &machine.organisation,
        }
    }

    /// The user, if it is one.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(&user.user),
            Self::Machine(_) => None,
        }
    }

    /// A name for keys and cursors that no other caller has.
    pub fn principal(&self) -> String {
        match self {
            Self::User(user) => user.principal(),
            Self::Machine(machine) => format!("machine {} {}", machine.organisation, machine.client),
        }
    }
}

/// The user who calls.
///
/// # Errors
/// `403` when the token is valid and names no user of an organisation.
pub fn user(request: &Request, claims: &Claims) -> Result<UserCaller, Problem> {
    let token = Token::of(request).ok_or_else(no_token)?;
    let named = token.claim(&claims.organisation).or(claims.default_organisation.as_deref());
    let machine = token.claim(&claims.user).is_none() && token.machine_client().is_some();
    let organisation = named.filter(|_| !machine).ok_or_else(no_user)?;
    let user = token.claim(&claims.user).or_else(|| token.claim("sub")).ok_or_else(no_user)?;
    let organisation = OrganisationId::parse(organisation).map_err(|_| no_user())?;
    Ok(UserCaller { organisation, user: UserId::parse(user).map_err(|_| no_user())? })
}

/// The user or machine who calls; a machine costs a read.
///
/// # Errors
/// `403` when the token is neither a user's nor that of a known machine with the scope to send.
pub async fn any(request: &Request, claims: &Claims, members: &Members) -> Result<Caller, Problem> {
    let refused = match user(request, claims) {
        Ok(user) => return Ok(Caller::User(user)),
        Err(refused) => refused,
    };
    let Some(token) = Token::of(request) else { return Err(refused) };
    let Some(client) = token.machine_client() else { return Err(refused) };
    if !token.has_scope(SEND_SCOPE) {
        return Err(Problem::forbidden("scope_missing", format!("the token lacks the scope {SEND_SCOPE}")));
    }
    let organisation = members.machine(client).await?.ok_or(refused)?;
    Ok(Caller::Machine(MachineCaller { organisation, client: client.to_owned() }))
}

fn no_user() -> Problem {
    Problem::forbidden("user_required", "this token names no user of an organisation")
}

fn no_token() -> Problem {
    Problem::forbidden("user_required", "the request came without a verified token")
}

struct Token<'a>(&'a lambda_http::aws_lambda_events::apigw::ApiGatewayRequestAuthorizerJwtDescription);

impl<'a> Token<'a> {
    fn of(request: &'a Request) -> Option<Self> {
        gateway(request)?.authorizer.as_ref()?.jwt.as_ref().map(Self)
    }

    fn claim(&self, name: &str) -> Option<&'a str> {
        self.0.claims.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The client id of a token that was issued to a machine and not to a user.
    fn machine_client(&self) -> Option<&'a str> {
        let client = self.claim("client_id").or_else(|| self.claim("azp"))?;
        let own_subject = self.claim("sub").is_none_or(|subject| subject == client);
        own_subject.then_some(client)
    }

    fn has_scope(&self, wanted: &str) -> bool {
        let listed = self.0.scopes.iter().flatten().any(|scope| scope == wanted);
        listed || self.claim("scope").is_some_and(|scopes| scopes.split(' ').any(|scope| scope == wanted))
    }
}
