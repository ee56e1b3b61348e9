//! A body for each parser of untrusted input. No input may make a body panic, and the assertions about parsed
//! values must hold.

use std::{collections::BTreeMap, sync::Arc};

use shared_app::import::check_file;
use shared_aws::clients::{ImportJob, MediaJob, RegistrationJob, SendJob};
use shared_carriers::twilio::{
    InboundMessage, IncomingCall, StatusCallback, parse_events,
    signature::{sign, verify_url},
    voice,
};
use shared_domain::{
    audience::{self, ContactFacts, Filter},
    contact::Contact,
    ids::TeamId,
    import::{self, Columns, export_safe},
    media, opt_out,
    phone::PhoneNumber,
    segment::Segments,
    settings,
    signing::SigningKeys,
    tag::Tags,
    template::{MergeValues, TemplateText},
    time::Timestamp,
};
use shared_http::cursor::ListCursors;

/// Parses the input and checks the result.
pub type Body = fn(&[u8]);

/// All bodies with the names of their targets, which are also the names of their seed folders.
pub const ALL: [(&str, Body); 14] = [
    ("inbound_form", inbound_form),
    ("status_form", status_form),
    ("voice_form", voice_form),
    ("registration_events", registration_events),
    ("signature", signature),
    ("contact_list", contact_list),
    ("contact_row", contact_row),
    ("keyword", keyword),
    ("phone", phone),
    ("cursor", cursor),
    ("queue_jobs", queue_jobs),
    ("template", template),
    ("segments", segments),
    ("filter", filter),
];

fn is_sid(text: &str, prefixes: &[&str]) -> bool {
    text.len() == 34 && prefixes.iter().any(|prefix| text.starts_with(prefix)) && text.is_ascii()
}

/// Parses the webhook of an inbound message.
pub fn inbound_form(bytes: &[u8]) {
    let Ok(message) = InboundMessage::parse(bytes) else { return };
    assert!(is_sid(&message.message_sid, &["SM", "MM"]) && is_sid(&message.account_sid, &["AC"]));
    assert!(message.media.len() <= 10);
    if let Ok(sender) = PhoneNumber::from_stored(&message.from) {
        assert!(!sender.as_str().contains(char::is_control));
    }
    let is_number = message.from.starts_with('+') && PhoneNumber::from_carrier(&message.from).is_ok();
    assert!(
        !is_number || !format!("{message:?}").contains(&message.from),
        "the debug format shows the number"
    );
    let _ =
        (opt_out::keyword(&message.body), opt_out::wants_review(&message.body), Segments::of(&message.body));
    for media in &message.media {
        let _ = media::plain_type(&media.content_type);
    }
}

/// Parses a status callback.
pub fn status_form(bytes: &[u8]) {
    let Ok(callback) = StatusCallback::parse(bytes) else { return };
    assert!(is_sid(&callback.message_sid, &["SM", "MM"]));
    assert_ne!(callback.error_code, Some(0));
    let _ = callback.status.carrier_state();
}

/// Parses the webhook of a call and builds TwiML from untrusted text.
pub fn voice_form(bytes: &[u8]) {
    if let Ok(call) = IncomingCall::parse(bytes) {
        assert!(is_sid(&call.call_sid, &["CA"]));
        // Untrusted values must not add elements.
        let twiml = voice::dial(&call.to, &call.from);
        assert_eq!((twiml.matches('<').count(), twiml.matches('>').count()), (7, 7), "{twiml}");
    }
    let twiml = voice::announcement(&String::from_utf8_lossy(bytes));
    assert_eq!(twiml.matches('<').count(), 6, "{twiml}");
}

/// Parses registration events.
pub fn registration_events(bytes: &[u8]) {
    let Ok(batch) = parse_events(bytes) else { return };
    assert!(batch.events.len() + batch.unreadable <= 1_000);
    for event in batch.events {
        assert!(
            (1..=64).contains(&event.id.len()) && event.error_codes.len() <= 20 && event.reasons.len() <= 20
        );
    }
}

/// Verifies signatures of a form. Only the signature of these bytes with this key is valid.
pub fn signature(bytes: &[u8]) {
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    let url = "https://inbox.example/webhooks/twilio/messages";
    let text = String::from_utf8_lossy(bytes);
    assert!(verify_url(url, FORM, bytes, Some(&text), &["key"]).is_err());
    assert!(verify_url(&text, FORM, bytes, Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA="), &["key"]).is_err());
    let signed = sign(url, &[("Body", &text)], "key");
    let mut form = b"Body=".to_vec();
    text.bytes().for_each(|byte| form.extend_from_slice(format!("%{byte:02x}").as_bytes()));
    if form.len() <= 64 * 1024 {
        assert!(verify_url(url, FORM, &form, Some(&signed), &["other", "key"]).is_ok());
        assert!(verify_url(url, FORM, &form, Some(&signed), &["other"]).is_err());
    }
}

/// Decodes a contact list and parses its header.
pub fn contact_list(bytes: &[u8]) {
    let (first, second) = (check_file("", bytes), check_file("", bytes));
    assert_eq!(first, second);
    if let Ok(text) = import::decode(bytes) {
        let _ = Columns::parse(text.lines().next().unwrap_or_default().split(','));
    }
}

/// Parses a row of a contact list, exports a cell, and validates settings.
pub fn contact_row(bytes: &[u8]) {
    let header = ["ContactId", "FirstName", "LastName", "MobileNumber", "OptedOut", "StaffId", "Course"];
    let columns = Columns::parse(header).expect("a header");
    let text = String::from_utf8_lossy(bytes);
    let fields: Vec<&str> = text.split(',').collect();
    if let Ok(row) = columns.row(&fields) {
        assert!(!format!("{row:?}").is_empty());
    }
    let safe = export_safe(&text);
    let digits = safe.strip_prefix('+').unwrap_or_default();
    let number = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    assert!(
        number || !safe.starts_with(['=', '+', '-', '@', '\t', '\r']),
        "a spreadsheet would evaluate {safe:?}"
    );
    let _ = (
        settings::name("", &text),
        settings::email("", &text),
        settings::color("", &text),
        settings::api_code("", &text),
    );
}

/// Finds the keyword of a text.
pub fn keyword(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found = opt_out::keyword(&text);
    assert_eq!(opt_out::keyword(&format!(" {text}\n")), found, "surrounding whitespace changes nothing");
    if text.is_ascii() {
        assert_eq!(opt_out::keyword(&text.to_uppercase()), found);
        assert_eq!(opt_out::keyword(&text.to_lowercase()), found);
    }
    let _ = opt_out::wants_review(&text);
}

/// Parses a number that a user entered and a number from a carrier.
pub fn phone(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(number) = PhoneNumber::parse(&text) {
        let e164 = number.as_str();
        assert!(e164.bytes().skip(1).all(|byte| byte.is_ascii_digit()) && e164.len() <= 16, "{e164}");
        assert!(PhoneNumber::from_carrier(e164).as_ref() == Ok(&number), "a parsed number parses to itself");
        assert!(!format!("{number:?}").contains(&e164[1..]), "the debug format shows the number");
    }
    if let Ok(number) = PhoneNumber::from_carrier(&text) {
        assert_eq!(number.as_str(), text);
    }
}

/// Seals and opens a cursor.
pub fn cursor(bytes: &[u8]) {
    let keys = Arc::new(SigningKeys::single("secret"));
    let cursors = |principal: &str, list: &str| ListCursors {
        keys: keys.clone(),
        now: Timestamp::default(),
        principal: principal.into(),
        list: list.into(),
    };
    let text = String::from_utf8_lossy(bytes);
    assert!(cursors("ada", "inbox").open(&text).is_err(), "a cursor that was not sealed");
    let sealed = cursors("ada", "inbox").seal(&text);
    assert_eq!(cursors("ada", "inbox").open(&sealed).ok().as_deref(), Some(&*text));
    assert!(cursors("ada", &text).open(&sealed).is_err() || text == "inbox");
    assert!(cursors(&text, "inbox").open(&sealed).is_err() || text == "ada");
}

/// Parses queue messages.
pub fn queue_jobs(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = SendJob::parse(&text);
    let _ = ImportJob::parse(&text);
    if let Ok(job) = MediaJob::parse(&text) {
        assert!(MediaJob::parse(&job.body()).is_ok_and(|again| again.body() == job.body()));
    }
    if let Ok(job) = RegistrationJob::parse(&text) {
        assert!(RegistrationJob::parse(&job.body()).is_ok_and(|again| again.body() == job.body()));
    }
}

/// Parses a template and renders it. Merge fields in the values are not replaced.
pub fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(template) = TemplateText::parse(&text) else { return };
    let names = template.fields().iter().map(ToString::to_string).collect::<Vec<_>>();
    let custom: BTreeMap<String, String> = names
        .iter()
        .filter_map(|name| name.strip_prefix("custom."))
        .map(|name| (name.to_owned(), "{{lastName}}".to_owned()))
        .collect();
    let value = Some("{{firstName}}");
    let values = MergeValues {
        first_name: value,
        last_name: value,
        contact_id: value,
        sender_name: value,
        custom: &custom,
    };
    let rendered = template.render(&values).expect("each field has a value");
    if !names.is_empty() {
        assert!(rendered.contains("{{firstName}}") || rendered.contains("{{lastName}}"), "{rendered}");
    }
    let no_values = MergeValues {
        first_name: None,
        last_name: None,
        contact_id: None,
        sender_name: None,
        custom: &BTreeMap::new(),
    };
    if let Err(missing) = template.render(&no_values) {
        assert!(!missing.is_empty());
    }
}

/// Counts the segments of a text.
pub fn segments(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let whole = Segments::of(&text);
    assert_eq!(whole, Segments::of(&text));
    assert!(
        Segments::of(&format!("{text}a")).count >= whole.count,
        "a longer text has at least as many segments"
    );
}

/// Parses the filter of a segment, and its canonical form again. Evaluates it and its negation.
pub fn filter(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let filter = match Filter::parse("/filter", &json) {
        Ok(filter) => filter,
        Err(errors) => {
            assert!(!errors.is_empty() && errors.iter().all(|error| error.pointer.starts_with("/filter")));
            return;
        }
    };
    let canonical = filter.to_json();
    assert!(canonical.to_string().len() <= audience::MAX_LENGTH);
    assert_eq!(Filter::parse("/filter", &canonical).as_ref(), Ok(&filter), "{canonical}");
    let number = PhoneNumber::parse("(202) 555-0143").expect("a number");
    let contact = Contact::provisional(&TeamId::parse("team_1").expect("an id"), &number);
    let (custom, tags) = (BTreeMap::new(), Tags::from_cell("Parent, VIP").expect("tags"));
    let facts = ContactFacts::new(&contact, &custom, &tags);
    let matches = filter.matches(&facts, Timestamp::default());
    assert_ne!(matches, Filter::Not(Box::new(filter)).matches(&facts, Timestamp::default()));
}
