//! Inbound calls: the webhook, and the TwiML responses.
//!
//! Twilio waits 15 s for the response, whose content type is `text/xml`.
//!
//! Source: <https://www.twilio.com/docs/voice/twiml>.

use std::borrow::Cow;
use std::fmt;

use super::form::Form;
use super::sid::{is_account_sid, is_call_sid};
use super::webhook::{WebhookError, is_address};

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// How long the forwarded call rings.
const RING_SECONDS: u32 = 20;

/// An inbound call.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// `CA…`.
    pub call_sid: String,
    /// `AC…`, the account of the number.
    pub account_sid: String,
    /// The caller: an E.164 number, a word such as `anonymous`, or a SIP address. Empty if absent or invalid,
    /// which does not refuse the call.
    pub from: String,
    /// The called number in E.164 format.
    pub to: String,
}

impl IncomingCall {
    /// Parses the form of a voice webhook.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let mut form = Form::read(body)?;
        Ok(Self {
            call_sid: form.formatted("CallSid", is_call_sid)?,
            account_sid: form.formatted("AccountSid", is_account_sid)?,
            from: form.optional("From").filter(|from| is_address(from)).unwrap_or_default(),
            to: form.formatted("To", is_address)?,
        })
    }
}

/// Forwards the call to `forward_to`, which sees `caller_id`, or the caller's own number if that is empty.
pub fn dial(forward_to: &str, caller_id: &str) -> String {
    let shown = match caller_id {
        "" => String::new(),
        number => format!(r#" callerId="{}""#, escaped(number)),
    };
    response(&format!(
        r#"<Dial timeout="{RING_SECONDS}" answerOnBridge="true"{shown}><Number>{}</Number></Dial>"#,
        escaped(forward_to)
    ))
}

/// Reads a text aloud and ends the call.
pub fn announcement(text: &str) -> String {
    response(&format!("<Say>{}</Say><Hangup/>", escaped(text)))
}

/// Rejects the call, which costs nothing.
pub fn reject() -> String {
    response("<Reject/>")
}

fn response(verbs: &str) -> String {
    format!("{DECLARATION}<Response>{verbs}</Response>")
}

/// Escapes a text for XML elements and attributes. Removes characters that XML does not allow.
fn escaped(text: &str) -> String {
    let escape = |c: char| -> Cow<'static, str> {
        match c {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            '\'' => "&apos;".into(),
            '\t' | '\n' | '\r' => " ".into(),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => "".into(),
            _ => c.to_string().into(),
        }
    };
    text.chars().map(escape).collect()
}

impl fmt::Debug for IncomingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingCall").field("call_sid", &self.call_sid).finish_non_exhaustive()
    }
}
