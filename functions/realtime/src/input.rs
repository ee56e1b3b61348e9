//! What invokes the function.

use std::collections::HashMap;

use aws_lambda_events::event::sqs::SqsEvent;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared_aws::realtime::Place;
use shared_domain::ids::{ConversationId, OrganizationId, UserId};

/// Longer frames are not read. The longest frame of the protocol has about 100 bytes.
const MAX_FRAME_LENGTH: usize = 1024;

/// An event of the socket API or of the queue.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Input {
    Socket(Box<SocketEvent>),
    Queue(SqsEvent),
}

/// An event of the socket API: the authorization of a handshake, or a route.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketEvent {
    /// Only in an authorization: what the handshake may use.
    method_arn: Option<String>,
    query_string_parameters: Option<HashMap<String, String>>,
    request_context: RequestContext,
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    connection_id: String,
    event_type: String,
    /// What the authorization returned.
    authorizer: Option<Caller>,
}

/// Who opened a connection, as the gateway repeats it with each event. All values are texts there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caller {
    pub(crate) organization: OrganizationId,
    pub(crate) user: UserId,
    pub(crate) name: String,
    slot: String,
}

impl Caller {
    pub(crate) fn new(place: &Place, name: String) -> Self {
        let Place { organization, user, slot } = place.clone();
        Self { organization, user, name, slot: slot.to_string() }
    }

    /// `None` if the context is not one that [`Caller::new`] made.
    pub(crate) fn place(&self) -> Option<Place> {
        let slot = self.slot.parse().ok()?;
        Some(Place { organization: self.organization.clone(), user: self.user.clone(), slot })
    }
}

impl SocketEvent {
    pub(crate) fn is_authorization(&self) -> bool {
        self.method_arn.is_some()
    }

    pub(crate) fn is_frame(&self) -> bool {
        self.request_context.event_type == "MESSAGE"
    }

    pub(crate) fn is_disconnect(&self) -> bool {
        self.request_context.event_type == "DISCONNECT"
    }

    pub(crate) fn connection(&self) -> &str {
        &self.request_context.connection_id
    }

    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.request_context.authorizer.as_ref()
    }

    pub(crate) fn ticket(&self) -> Option<&str> {
        self.query_string_parameters.as_ref()?.get("ticket").map(String::as_str)
    }

    pub(crate) fn frame(&self) -> Option<ClientFrame> {
        let body = self.body.as_deref().filter(|body| body.len() <= MAX_FRAME_LENGTH)?;
        serde_json::from_str(body).ok()
    }

    /// Returns the answer of an authorization. Without a caller it refuses the handshake.
    pub(crate) fn policy(&self, caller: Option<Caller>) -> Value {
        let effect = if caller.is_some() { "Allow" } else { "Deny" };
        let statement =
            json!({ "Action": "execute-api:Invoke", "Effect": effect, "Resource": self.method_arn });
        json!({
            "principalId": "socket",
            "policyDocument": { "Version": "2012-10-17", "Statement": [statement] },
            "context": caller.map_or_else(|| json!({}), |caller| json!(caller)),
        })
    }
}

/// A frame of a client.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ClientFrame {
    Ping,
    Refresh {
        ticket: String,
    },
    View {
        #[serde(rename = "conversationId")]
        conversation: Option<ConversationId>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &str) -> Option<ClientFrame> {
        let context = json!({ "connectionId": "c", "eventType": "MESSAGE" });
        let event = json!({ "requestContext": context, "body": body });
        serde_json::from_value::<SocketEvent>(event).unwrap().frame()
    }

    #[test]
    fn frames_of_the_protocol_are_parsed_and_others_are_not() {
        assert_eq!(frame(r#"{"type":"ping"}"#), Some(ClientFrame::Ping));
        let refresh = Some(ClientFrame::Refresh { ticket: "t".into() });
        assert_eq!(frame(r#"{"type":"refresh","ticket":"t"}"#), refresh);
        let conversation = ConversationId::parse("cnv_1").ok();
        let view = frame(r#"{"type":"view","conversationId":"cnv_1","new":1}"#);
        assert_eq!(view, Some(ClientFrame::View { conversation }));
        let none = Some(ClientFrame::View { conversation: None });
        assert_eq!(frame(r#"{"type":"view","conversationId":null}"#), none);
        let long = format!(r#"{{"type":"ping","more":"{}"}}"#, "x".repeat(MAX_FRAME_LENGTH));
        for body in ["", "ping", "[]", "{}", r#"{"type":"event"}"#, r#"{"type":"refresh"}"#, &long] {
            assert_eq!(frame(body), None, "{body}");
        }
    }

    #[test]
    fn an_event_of_a_queue_is_not_one_of_a_socket() {
        let input: Input = serde_json::from_value(json!({ "Records": [] })).unwrap();
        assert!(matches!(input, Input::Queue(_)));
    }
}
