//! Every route of the API with callers that have no access. The routes come from the OpenAPI document. The
//! journey fails if a route has no row here.

use product_tests::Stack;
use reqwest::Method;
use serde_json::json;

use crate::access_fixture::{AccessFixture, Caller, unknown_id, without_request_id};

/// The callers that may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// All callers.
    Open,
    /// The carrier, with a valid signature.
    Carrier,
    /// Any signed-in user. They see only their own data.
    SignedIn,
    /// Members of the inbox.
    Inbox,
    /// Members of the inbox and admins of its team.
    InboxSettings,
    /// Admins of the inbox's team.
    InboxManagers,
    /// Members of the team.
    Team,
    /// Members of the inbox that a broadcast is sent from. The team can see the broadcast.
    Senders,
    /// As [`Senders`], for those who may broadcast.
    Confirmers,
    /// Admins of the team.
    TeamManagers,
    /// Admins of the teams of the webhook endpoint.
    EndpointManagers,
    /// The owner, and admins of any team. They see only what they manage.
    AnyManager,
    /// The owner of the caller's organization.
    Owner,
}

use Access::{
    AnyManager, Carrier, Confirmers, EndpointManagers, Inbox, InboxManagers, InboxSettings, Open, Owner,
    Senders, SignedIn, Team, TeamManagers,
};

const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/healthz", Open),
    ("GET", "/openapi.json", Open),
    ("GET", "/v1/broadcasts", SignedIn),
    ("POST", "/v1/broadcasts", SignedIn),
    ("GET", "/v1/broadcasts/{broadcastId}", Team),
    ("PATCH", "/v1/broadcasts/{broadcastId}", Senders),
    ("DELETE", "/v1/broadcasts/{broadcastId}", Senders),
    ("POST", "/v1/broadcasts/{broadcastId}/cancel", TeamManagers),
    ("POST", "/v1/broadcasts/{broadcastId}/answers", Senders),
    ("POST", "/v1/broadcasts/{broadcastId}/confirm", Confirmers),
    ("POST", "/v1/broadcasts/{broadcastId}/estimate", Team),
    ("POST", "/v1/broadcasts/{broadcastId}/pause", TeamManagers),
    ("GET", "/v1/broadcasts/{broadcastId}/recipients", Team),
    ("POST", "/v1/broadcasts/{broadcastId}/resume", TeamManagers),
    ("GET", "/v1/config", Open),
    ("GET", "/v1/events", SignedIn),
    ("GET", "/v1/inbox-wizard", SignedIn),
    ("GET", "/v1/inboxes/{inboxId}", InboxSettings),
    ("PATCH", "/v1/inboxes/{inboxId}", InboxManagers),
    ("DELETE", "/v1/inboxes/{inboxId}", InboxManagers),
    ("GET", "/v1/inboxes/{inboxId}/conversations", Inbox),
    ("PATCH", "/v1/inboxes/{inboxId}/conversations", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/conversations/{conversationId}", Inbox),
    ("PATCH", "/v1/inboxes/{inboxId}/conversations/{conversationId}", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/conversations/{conversationId}/can-send", Inbox),
    ("POST", "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", Inbox),
    ("PUT", "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", Inbox),
    ("DELETE", "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages", Inbox),
    ("POST", "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages", Inbox),
    ("POST", "/v1/inboxes/{inboxId}/media", Inbox),
    ("POST", "/v1/inboxes/{inboxId}/messages/retry", InboxManagers),
    ("GET", "/v1/inboxes/{inboxId}/members", InboxSettings),
    ("PUT", "/v1/inboxes/{inboxId}/members/{userId}", InboxManagers),
    ("DELETE", "/v1/inboxes/{inboxId}/members/{userId}", InboxManagers),
    ("GET", "/v1/inboxes/{inboxId}/opt-out-reviews", Inbox),
    ("PUT", "/v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/keyword-replies", InboxSettings),
    ("POST", "/v1/inboxes/{inboxId}/keyword-replies", InboxManagers),
    ("PATCH", "/v1/inboxes/{inboxId}/keyword-replies/{keywordReplyId}", InboxManagers),
    ("DELETE", "/v1/inboxes/{inboxId}/keyword-replies/{keywordReplyId}", InboxManagers),
    ("GET", "/v1/inboxes/{inboxId}/out-of-office", InboxSettings),
    ("PUT", "/v1/inboxes/{inboxId}/out-of-office", InboxManagers),
    ("GET", "/v1/machine-clients", Owner),
    ("POST", "/v1/machine-clients", Owner),
    ("POST", "/v1/machine-clients/{clientId}/rotate-secret", Owner),
    ("DELETE", "/v1/machine-clients/{clientId}", Owner),
    ("GET", "/v1/me", SignedIn),
    ("POST", "/v1/messages", SignedIn),
    ("GET", "/v1/messages/{messageId}", Inbox),
    ("GET", "/v1/numbers/available", SignedIn),
    ("GET", "/v1/organization", Owner),
    ("PATCH", "/v1/organization", Owner),
    ("GET", "/v1/organization/sending-pause", SignedIn),
    ("PUT", "/v1/organization/sending-pause", Owner),
    ("DELETE", "/v1/organization/sending-pause", Owner),
    ("POST", "/v1/realtime-tickets", SignedIn),
    ("GET", "/v1/teams", SignedIn),
    ("POST", "/v1/teams", SignedIn),
    ("GET", "/v1/teams/{teamId}", Team),
    ("PATCH", "/v1/teams/{teamId}", TeamManagers),
    ("GET", "/v1/teams/{teamId}/audit", TeamManagers),
    ("GET", "/v1/teams/{teamId}/contact-imports", TeamManagers),
    ("POST", "/v1/teams/{teamId}/contact-imports", TeamManagers),
    ("GET", "/v1/teams/{teamId}/contact-imports/{importId}", TeamManagers),
    ("GET", "/v1/teams/{teamId}/contacts", Team),
    ("POST", "/v1/teams/{teamId}/contacts", Team),
    ("GET", "/v1/teams/{teamId}/contacts/{contactId}", Team),
    ("PATCH", "/v1/teams/{teamId}/contacts/{contactId}", Team),
    ("DELETE", "/v1/teams/{teamId}/contacts/{contactId}", Team),
    ("PUT", "/v1/teams/{teamId}/contacts/{contactId}/opt-out", Team),
    ("DELETE", "/v1/teams/{teamId}/contacts/{contactId}/opt-out", Team),
    ("GET", "/v1/teams/{teamId}/contacts/{contactId}/opt-outs", Team),
    ("GET", "/v1/teams/{teamId}/inboxes", Team),
    ("POST", "/v1/teams/{teamId}/inboxes", TeamManagers),
    ("GET", "/v1/teams/{teamId}/members", Team),
    ("GET", "/v1/teams/{teamId}/members/{userId}", Team),
    ("PUT", "/v1/teams/{teamId}/members/{userId}", TeamManagers),
    ("DELETE", "/v1/teams/{teamId}/members/{userId}", TeamManagers),
    ("GET", "/v1/teams/{teamId}/notification-settings", TeamManagers),
    ("PUT", "/v1/teams/{teamId}/notification-settings", TeamManagers),
    ("GET", "/v1/teams/{teamId}/opt-outs", Team),
    ("GET", "/v1/teams/{teamId}/registration", Team),
    ("POST", "/v1/teams/{teamId}/registration", TeamManagers),
    ("GET", "/v1/teams/{teamId}/segments", Team),
    ("POST", "/v1/teams/{teamId}/segments", Team),
    ("POST", "/v1/teams/{teamId}/segments/preview", Team),
    ("GET", "/v1/teams/{teamId}/segments/{segmentId}", Team),
    ("PATCH", "/v1/teams/{teamId}/segments/{segmentId}", Team),
    ("DELETE", "/v1/teams/{teamId}/segments/{segmentId}", Team),
    ("POST", "/v1/teams/{teamId}/segments/{segmentId}/contacts", Team),
    ("DELETE", "/v1/teams/{teamId}/segments/{segmentId}/contacts", Team),
    ("GET", "/v1/teams/{teamId}/templates", Team),
    ("POST", "/v1/teams/{teamId}/templates", TeamManagers),
    ("GET", "/v1/teams/{teamId}/templates/{templateId}", Team),
    ("PATCH", "/v1/teams/{teamId}/templates/{templateId}", TeamManagers),
    ("DELETE", "/v1/teams/{teamId}/templates/{templateId}", TeamManagers),
    ("POST", "/v1/teams/{teamId}/templates/{templateId}/render", Team),
    ("GET", "/v1/webhook-endpoints", AnyManager),
    ("POST", "/v1/webhook-endpoints", AnyManager),
    ("GET", "/v1/webhook-endpoints/{endpointId}", EndpointManagers),
    ("PATCH", "/v1/webhook-endpoints/{endpointId}", EndpointManagers),
    ("DELETE", "/v1/webhook-endpoints/{endpointId}", EndpointManagers),
    ("GET", "/v1/webhook-endpoints/{endpointId}/deliveries", EndpointManagers),
    ("POST", "/v1/webhook-endpoints/{endpointId}/deliveries/{deliveryId}/replay", EndpointManagers),
    ("POST", "/v1/webhook-endpoints/{endpointId}/recover", EndpointManagers),
    ("POST", "/v1/webhook-endpoints/{endpointId}/rotate-secret", EndpointManagers),
    ("POST", "/v1/webhook-endpoints/{endpointId}/test", EndpointManagers),
    ("POST", "/webhooks/twilio/messages", Carrier),
    ("POST", "/webhooks/twilio/registrations", Carrier),
    ("POST", "/webhooks/twilio/status", Carrier),
    ("POST", "/webhooks/twilio/voice", Carrier),
];

impl Caller {
    /// Returns the status with which a route must refuse this caller. `None` if it must not.
    ///
    /// The status is 404 if the caller may not see the resource, and 403 if the caller may see it but not
    /// perform the operation.
    fn refusal(&self, access: Access, template: &str) -> Option<u16> {
        match access {
            Open => None,
            Carrier => Some(403),
            // Machines can send messages and read those that they sent. A user sent this one.
            _ if self.machine => match template {
                "/v1/messages" => None,
                "/v1/messages/{messageId}" => Some(404),
                _ => Some(403),
            },
            SignedIn | AnyManager => None,
            Owner => (!self.owner).then_some(403),
            InboxSettings => (!self.team_admin && !self.inbox_member).then_some(404),
            InboxManagers if self.inbox_member => (!self.team_admin).then_some(403),
            InboxManagers | EndpointManagers => (!self.team_admin).then_some(404),
            Team => (!self.team_member).then_some(404),
            Senders if self.team_member => (!self.inbox_member).then_some(403),
            Confirmers if self.team_member => (!self.inbox_member || !self.team_admin).then_some(403),
            TeamManagers if self.team_member => (!self.team_admin).then_some(403),
            Inbox => (!self.inbox_member).then_some(404),
            TeamManagers | Senders | Confirmers => Some(404),
        }
    }
}

/// Product 2 and the API: every route answers 404 for resources that a caller may not see, and checks access
/// before the body.
#[tokio::test]
async fn every_route_refuses_callers_without_access() {
    let stack = Stack::open();
    let document = stack.bearer(None).get("/openapi.json").await.expect(200);
    let mut documented = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            documented.push((method.to_uppercase(), path.clone()));
        }
    }
    let listed = |method: &str, path: &str| ROUTES.iter().any(|(m, p, _)| (*m, *p) == (method, path));
    let missing: Vec<_> = documented.iter().filter(|(method, path)| !listed(method, path)).collect();
    assert_eq!(missing, Vec::<&(String, String)>::new(), "routes without a row");
    assert_eq!(ROUTES.len(), documented.len(), "rows without a route");

    let fixture = AccessFixture::create(&stack).await;
    let mut cells = 0;
    for (method, template, access) in ROUTES.iter().copied() {
        let (path, method) = (fixture.path(template), Method::from_bytes(method.as_bytes()).unwrap());
        if !matches!(access, Open | Carrier) {
            let response = stack.bearer(None).call(method.clone(), &path, Some(json!({}))).await;
            assert_eq!(response.status, 401, "no token: {method} {template}");
            cells += 1;
        }
        for caller in &fixture.callers {
            let body = (method != Method::GET).then(|| json!({}));
            let Some(expected) = caller.refusal(access, template) else { continue };
            let response = caller.client.call(method.clone(), &path, body.clone()).await;
            assert_eq!(response.status, expected, "{}: {method} {template}: {response}", caller.who);
            cells += 1;
            // The response is the same as for an ID that does not exist.
            if expected == 404 && template.contains('{') {
                let unknown = fixture.path_with(template, unknown_id);
                let unknown = caller.client.call(method.clone(), &unknown, body).await;
                assert_eq!(
                    without_request_id(&unknown),
                    without_request_id(&response),
                    "{}: {method} {template}",
                    caller.who
                );
            }
        }
    }
    cells += check_allowed_callers(&fixture).await;
    assert!(cells >= 450, "{cells}");
}

/// Checks that the IDs exist: callers with access can read them all, and invalid bodies get 400 instead of
/// 403 or 404. Returns the number of checks.
async fn check_allowed_callers(fixture: &AccessFixture) -> usize {
    let mut cells = 0;
    let admin = Caller {
        team_member: true,
        team_admin: true,
        inbox_member: true,
        ..Caller::outsider(fixture.team.admin.clone(), "an admin and member")
    };
    for (method, template, access) in ROUTES.iter().copied() {
        let takes_a_body = matches!(method, "PATCH")
            || (method == "POST"
                && ![
                    "/lock",
                    "/replay",
                    "/rotate-secret",
                    "/test",
                    "/cancel",
                    "/estimate",
                    "/pause",
                    "/resume",
                ]
                .iter()
                .any(|end| template.ends_with(end)))
            || (method == "PUT"
                && !template.ends_with("/opt-out")
                && !template.starts_with("/v1/inboxes/{inboxId}/members"));
        for caller in fixture.callers.iter().chain([&admin]) {
            let is_allowed = caller.refusal(access, template).is_none() && !caller.machine;
            if !is_allowed || matches!(access, Open | Carrier | SignedIn | AnyManager | Owner) {
                continue;
            }
            if method == "GET" {
                caller.client.get(&fixture.path(template)).await.expect(200);
                cells += 1;
            } else if takes_a_body {
                let path = fixture.path(template);
                let method = Method::from_bytes(method.as_bytes()).expect("a method");
                let response = caller.client.call(method.clone(), &path, Some(json!(["no object"]))).await;
                // A registered team cannot submit a registration again, which gives 409.
                assert!(
                    matches!(response.status, 400 | 409),
                    "{}: {method} {template}: {response}",
                    caller.who
                );
                cells += 1;
            }
        }
    }
    cells
}
