//! Calls to one of our numbers: the webhook that tells of them, and the answers that say what becomes of them.
//!
//! Twilio waits 15 s for the answer, which goes out as `text/xml`.
//!
//! Source: <https://www.twilio.com/docs/voice/twiml>.

use std::borrow::Cow;
use std::fmt;

use super::form::Form;
use super::sid::{is_account_sid, is_call_sid};
use super::webhook::{WebhookError, is_address};

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// How long the other phone rings before the call is given up.
const RING_SECONDS: u32 = 20;

/// Somebody calls.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// `CA…`.
    pub call_sid: String,
    /// `AC…`: the account the number belongs to.
    pub account_sid: String,
    /// Who calls, as Twilio says it: E.164, a word such as `anonymous`, or a SIP address. Empty when it does not say or
    /// says what cannot be an address; a call is not refused for that.
    pub from: String,
    /// Our number, E.164.
    pub to: String,
}

impl IncomingCall {
    /// Reads the form of a voice webhook.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let mut form = Form::read(body)?;
        Ok(Self {
            call_sid: form.shaped("CallSid", is_call_sid)?,
            account_sid: form.shaped("AccountSid", is_account_sid)?,
            from: form.optional("From").filter(|from| is_address(from)).unwrap_or_default(),
            to: form.shaped("To", is_address)?,
        })
    }
}

/// Rings at `forward_to` and shows `caller_id` there; without one (empty) the caller's own number.
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

/// Says a text and ends the call.
pub fn announcement(text: &str) -> String {
    response(&format!("<Say>{}</Say><Hangup/>", escaped(text)))
}

/// Does not take the call, so that it costs nothing.
pub fn reject() -> String {
    response("<Reject/>")
}

fn response(verbs: &str) -> String {
    format!("{DECLARATION}<Response>{verbs}</Response>")
}

/// A text as it may stand in an element or an attribute. What no XML may hold is left out.
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
