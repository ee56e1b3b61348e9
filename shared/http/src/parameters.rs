//! The query parameters of each route.
//!
//! The descriptions of the routes name them too, but a bootstrap does not contain the descriptions. A test
//! compares this list with the OpenAPI document.

use crate::problem::Problem;

/// The number of unknown parameters or fields that a problem names.
pub(crate) const MAX_UNKNOWN: usize = 10;

/// Routes that have query parameters, except webhooks.
pub const QUERY_PARAMETERS: &[(&str, &[&str])] = &[
    ("GET /v1/broadcasts", &["limit", "cursor"]),
    ("GET /v1/broadcasts/{broadcastId}/recipients", &["state", "limit", "cursor"]),
    ("GET /v1/events", &["limit", "cursor"]),
    ("GET /v1/inbox-wizard", &["name"]),
    ("DELETE /v1/inboxes/{inboxId}", &["releaseNumber"]),
    ("GET /v1/inboxes/{inboxId}/conversations", &["folder", "assignedTo", "read", "q", "limit", "cursor"]),
    ("DELETE /v1/inboxes/{inboxId}/conversations/{conversationId}/lock", &["token", "force"]),
    ("GET /v1/inboxes/{inboxId}/conversations/{conversationId}/messages", &["after", "limit", "cursor"]),
    ("GET /v1/inboxes/{inboxId}/keyword-replies", &["limit", "cursor"]),
    ("GET /v1/inboxes/{inboxId}/opt-out-reviews", &["limit", "cursor"]),
    ("GET /v1/machine-clients", &["limit", "cursor"]),
    ("POST /v1/machine-clients/{clientId}/rotate-secret", &["replace"]),
    ("GET /v1/numbers/available", &["areaCode", "prefix", "country", "limit"]),
    ("GET /v1/teams", &["limit", "cursor"]),
    ("GET /v1/teams/{teamId}/audit", &["limit", "cursor"]),
    ("GET /v1/teams/{teamId}/contact-imports", &["limit", "cursor"]),
    ("POST /v1/teams/{teamId}/contact-imports", &["dryRun", "clearMissingAssignments"]),
    ("GET /v1/teams/{teamId}/contacts", &["q", "limit", "cursor"]),
    ("GET /v1/teams/{teamId}/contacts/{contactId}/opt-outs", &["limit", "cursor"]),
    ("POST /v1/teams/{teamId}/inboxes", &["dryRun"]),
    ("GET /v1/teams/{teamId}/opt-outs", &["from", "to", "limit", "cursor"]),
    ("GET /v1/teams/{teamId}/segments", &["limit", "cursor"]),
    ("GET /v1/teams/{teamId}/templates", &["limit", "cursor"]),
    ("GET /v1/webhook-endpoints", &["limit", "cursor"]),
    ("GET /v1/webhook-endpoints/{endpointId}/deliveries", &["limit", "cursor"]),
];

/// The query parameters of a request that its route does not have.
#[derive(Debug, Clone)]
pub(crate) struct UnknownParameters(Vec<String>);

impl UnknownParameters {
    /// Returns them. `None` if the route has all parameters of the request.
    pub(crate) fn find(route: &str, query: &str) -> Option<Self> {
        let known =
            QUERY_PARAMETERS.iter().find(|(key, _)| *key == route).map_or(&[][..], |(_, names)| names);
        let mut unknown: Vec<String> = Vec::new();
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            let is_new = !known.contains(&&*name) && !unknown.iter().any(|one| *one == name);
            if is_new && unknown.len() < MAX_UNKNOWN {
                unknown.push(name.into_owned());
            }
        }
        (!unknown.is_empty()).then_some(Self(unknown))
    }

    pub(crate) fn problem(&self) -> Problem {
        let problem =
            Problem::malformed("The request has a query parameter that this operation does not have.");
        self.0.iter().fold(problem, |problem, name| problem.and_error(&format!("?{name}"), "is unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unknown_parameter_is_named_once() {
        let route = "GET /v1/inboxes/{inboxId}/conversations";
        let unknown = UnknownParameters::find(route, "read=unread&unred=1&unred=2&%5B%5D=&limit=1").unwrap();
        let errors = unknown.problem().data["errors"].clone();
        assert_eq!(
            (errors[0]["pointer"].as_str(), errors[1]["pointer"].as_str()),
            (Some("?unred"), Some("?[]"))
        );
        assert_eq!(errors.as_array().unwrap().len(), 2);
        assert!(UnknownParameters::find(route, "read=unread&&").is_none());
        assert!(UnknownParameters::find("GET /v1/me", "read=unread").is_some());
    }
}
