//! The tokens of the demo users. They stand in for the user pool: a token is the ID of a user or of the
//! machine client.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use shared_http::caller::SEND_SCOPE;

/// The claims of each token, as the JWT authorizer of the HTTP API passes them to a function.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<BTreeMap<String, Value>>);

impl Tokens {
    /// The tokens of the demo users and of a machine client.
    pub(crate) fn of_demo(machine: &str) -> Self {
        let users = seed_demo::users().map(|user| {
            let claims = json!({
                "sub": user.id, "custom:organization_id": user.organization, "custom:user_id": user.id,
            });
            (user.id.to_owned(), claims)
        });
        let claims = json!({ "sub": machine, "client_id": machine, "scope": SEND_SCOPE });
        Self(Arc::new(users.chain([(machine.to_owned(), claims)]).collect()))
    }

    /// Returns the claims of the token in an `Authorization` header. `None` if the token is unknown.
    pub(crate) fn claims(&self, authorization: &str) -> Option<&Value> {
        self.0.get(authorization.strip_prefix("Bearer ")?)
    }

    /// Returns the tokens of the users, without that of the machine client.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        let users = self.0.iter().filter(|(_, claims)| claims.get("custom:user_id").is_some());
        users.map(|(token, _)| token.as_str())
    }
}
