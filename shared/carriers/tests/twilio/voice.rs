//! The recorded call, and well-formed TwiML responses.

use shared_carriers::twilio::voice::{announcement, dial, reject};
use shared_carriers::twilio::{IncomingCall, WebhookError};

use crate::calls::sid;
use crate::support::{ACCOUNT, fixture, fixture_text};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#;

fn with_from(from: &str) -> IncomingCall {
    let body = fixture_text("voice_inbound.form").replace("From=%2B12025550143", from);
    IncomingCall::parse(body.as_bytes()).unwrap()
}

#[test]
fn the_recorded_call_is_read() {
    let expected = IncomingCall {
        call_sid: sid("CA", '1'),
        account_sid: ACCOUNT.into(),
        from: "+12025550143".into(),
        to: "+12025550100".into(),
    };
    assert!(IncomingCall::parse(&fixture("voice_inbound.form")).unwrap() == expected);
}

#[test]
fn a_call_from_any_caller_is_accepted() {
    for (field, from) in [
        ("From=anonymous", "anonymous"),
        ("From=%2B266696687", "+266696687"),
        ("From=sip%3Aa.b%40c.sip.twilio.com", "sip:a.b@c.sip.twilio.com"),
        ("From=", ""),
        ("Other=1", ""),
        ("From=%00", ""),
    ] {
        assert_eq!(with_from(field).from, from, "{field}");
    }
    assert_eq!(with_from(&format!("From={}", "1".repeat(129))).from, "");
}

#[test]
fn a_missing_or_malformed_required_field_is_named() {
    let body = fixture_text("voice_inbound.form");
    for field in ["CallSid", "AccountSid", "To"] {
        let without = format!("&{body}").replace(&format!("&{field}="), "&Other=");
        assert_eq!(IncomingCall::parse(without.as_bytes()), Err(WebhookError::Missing(field)));
        let malformed = format!("{field}=%00bad&{body}");
        assert_eq!(IncomingCall::parse(malformed.as_bytes()), Err(WebhookError::Malformed(field)));
    }
}

#[test]
fn a_call_is_forwarded() {
    let verb = r#"<Dial timeout="20" answerOnBridge="true" callerId="+12025550100"><Number>+12025550177</Number></Dial>"#;
    assert_eq!(dial("+12025550177", "+12025550100"), format!("{HEAD}{verb}</Response>"));
    let verb = r#"<Dial timeout="20" answerOnBridge="true"><Number>+12025550177</Number></Dial>"#;
    assert_eq!(dial("+12025550177", ""), format!("{HEAD}{verb}</Response>"));
}

#[test]
fn a_call_is_answered_or_rejected() {
    assert_eq!(
        announcement("We are closed."),
        format!("{HEAD}<Say>We are closed.</Say><Hangup/></Response>")
    );
    assert_eq!(reject(), format!("{HEAD}<Reject/></Response>"));
}

#[test]
fn xml_is_escaped_and_invalid_characters_are_removed() {
    let said = announcement("A & B's \"<Hangup/>\" ]]>\0\u{1b}\u{fffe}\nCafé 👋");
    let text = "A &amp; B&apos;s &quot;&lt;Hangup/&gt;&quot; ]]&gt; Café 👋";
    assert_eq!(said, format!("{HEAD}<Say>{text}</Say><Hangup/></Response>"));
    let dialled = dial("1</Number><Number>2", "3\" record=\"true");
    let verb = r#"<Dial timeout="20" answerOnBridge="true" callerId="3&quot; record=&quot;true"><Number>1&lt;/Number&gt;&lt;Number&gt;2</Number></Dial>"#;
    assert_eq!(dialled, format!("{HEAD}{verb}</Response>"));
}

#[test]
fn nothing_private_is_shown() {
    let shown = format!("{:?}", IncomingCall::parse(&fixture("voice_inbound.form")).unwrap());
    assert!(shown.contains("CA1111") && !shown.contains("2025550"), "{shown}");
}
