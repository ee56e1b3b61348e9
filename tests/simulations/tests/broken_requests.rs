//! Random invalid requests.

use std::fmt::Write;

use serde_json::{Value, json};
use test_kit::gateway::Event;

use crate::{
    api::{NUMBER, ORGANIZATION, OWNER, SERVICE, TEAM},
    contract::{Ids, Route},
    webhook::{ACCOUNT, MESSAGES, REGISTRATIONS, STATUS, Webhook, callback_url},
};

/// An invalid request.
pub(crate) struct Case {
    /// A description for the output.
    pub(crate) what: String,
    pub(crate) event: Value,
    pub(crate) route: &'static str,
    /// The webhook, if the request is one. A signature is computed after the changes.
    pub(crate) webhook: Option<Webhook>,
    /// The JSON body as it was sent.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) query: String,
}

/// Returns a text of a kind that often breaks parsers.
fn odd_text(entropy: &mut fastrand::Rng) -> String {
    let long = [65, 300, 1_025, 2_049, 5_000, 20_000][entropy.usize(..6)];
    match entropy.u8(..26) {
        0 => String::new(),
        1 => " ".into(),
        2 => "\0".into(),
        3 => "a\0b".into(),
        4 => "a".repeat(long),
        5 => "é".repeat(long / 2),
        6 => "😀".repeat(long / 8),
        7 => "\u{202e}txet".into(),
        8 => "\u{feff}x".into(),
        9 => "a\r\nX-Evil: 1".into(),
        10 => "#".into(),
        11 => "inb_1#conv".into(),
        12 => "../../v1/me".into(),
        13 => "%00%ff%zz%".into(),
        14 => "inb_".into(),
        15 => format!("inb_{}", "a".repeat(long)),
        16 => "cnv_é".into(),
        17 => "null".into(),
        18 => "-1".into(),
        19 => "99999999999999999999999999".into(),
        20 => "1e400".into(),
        21 => "+1202555".into(),
        22 => "{{".repeat(entropy.usize(1..50)),
        23 => "{{custom.}}{{firstName|".into(),
        24 => "<script>'\";--".into(),
        _ => (0..entropy.usize(1..40)).map(|_| entropy.char(..)).collect(),
    }
}

fn odd_value(entropy: &mut fastrand::Rng) -> Value {
    match entropy.u8(..16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(0),
        4 => json!(u64::MAX),
        5 => json!(1.5),
        6 => json!([]),
        7 => json!({}),
        8 => json!([null, [], {}]),
        9 => json!(["x"]),
        10 => json!({ "x": { "y": 1 } }),
        11 => json!(vec![0; 2_000]),
        _ => json!(odd_text(entropy)),
    }
}

/// Replaces, removes or adds something in a random place of a document.
fn mutate(value: &mut Value, entropy: &mut fastrand::Rng) {
    match value {
        Value::Object(fields) if !fields.is_empty() && entropy.u8(..8) > 0 => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = &names[entropy.usize(..names.len())];
            match entropy.u8(..8) {
                0 => drop(fields.remove(name)),
                1 => {
                    let extra = ["teamId", "role", "owner", "fence", "status", "", "__proto__"];
                    fields.insert((*entropy.choice(extra).unwrap()).to_owned(), odd_value(entropy));
                }
                2 => drop(fields.insert(odd_text(entropy), odd_value(entropy))),
                _ => mutate(&mut fields[name], entropy),
            }
        }
        Value::Array(items) if !items.is_empty() && entropy.bool() => {
            let at = entropy.usize(..items.len());
            if entropy.u8(..4) == 0 {
                *items = vec![items[at].clone(); entropy.usize(2..300)];
            } else {
                mutate(&mut items[at], entropy);
            }
        }
        _ => *value = odd_value(entropy),
    }
}

/// Changes bytes. Returns a description.
fn scramble(bytes: &mut Vec<u8>, entropy: &mut fastrand::Rng) -> &'static str {
    let at = entropy.usize(..=bytes.len());
    let insert = |bytes: &mut Vec<u8>, what: &[u8]| drop(bytes.splice(at..at, what.iter().copied()));
    match entropy.u8(..10) {
        0 => {
            bytes.truncate(at);
            "cut off"
        }
        1 => {
            insert(bytes, b"\xff\xfe\x80");
            "not UTF-8"
        }
        2 => {
            insert(bytes, b"\0");
            "a NUL"
        }
        3 => {
            bytes.extend_from_slice(b" {}");
            "trailing data"
        }
        4 => {
            insert(bytes, b"\\ud800");
            "half a surrogate"
        }
        5 => {
            insert(bytes, b"%");
            "a broken escape"
        }
        6 => {
            bytes.clear();
            "empty"
        }
        7 => {
            let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
            *bytes = wide;
            "UTF-16"
        }
        _ => {
            for _ in 0..entropy.usize(1..6) {
                if !bytes.is_empty() {
                    let at = entropy.usize(..bytes.len());
                    bytes[at] = entropy.u8(..);
                }
            }
            "other bytes"
        }
    }
}

/// Returns an excessive body and its description.
fn excessive_body(entropy: &mut fastrand::Rng) -> (Vec<u8>, &'static str) {
    match entropy.u8(..6) {
        0 => (b"[".repeat(60_000), "60,000 lists"),
        1 => ([b"{\"a\":".repeat(10_000), b"1".to_vec(), b"}".repeat(10_000)].concat(), "10,000 objects"),
        2 => {
            let fields: String = (0..4_000).fold(String::new(), |mut all, number| {
                write!(all, "\"f{number}\":1,").unwrap();
                all
            });
            (format!("{{{fields}\"name\":\"x\"}}").into_bytes(), "4,000 fields")
        }
        3 => (b"{\"name\":\"x\",\"name\":\"y\",\"text\":\"x\",\"text\":\"y\"}".to_vec(), "fields twice"),
        4 => (vec![b' '; 64 * 1024 + 1], "64 KiB and one"),
        // The platform limit is 6 MB per event. Large bodies are slow, so they are rare.
        _ if entropy.u8(..12) == 0 => (vec![b'a'; 4_400_000], "as large as an event can be"),
        _ => (vec![b'"'; 200_000], "200,000 quotes"),
    }
}

fn odd_query(route: &Route, entropy: &mut fastrand::Rng) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let known =
        ["limit", "cursor", "q", "folder", "read", "assignedTo", "from", "to", "dryRun", "token", "force"];
    for _ in 0..entropy.usize(1..4) {
        let of_route = (!route.query.is_empty()).then(|| entropy.usize(..route.query.len()));
        let name = of_route.map_or(known[entropy.usize(..known.len())], |at| route.query[at].as_str());
        match entropy.u8(..6) {
            0 => {
                let none = ["0", "101", "-1", "1.0", "١", "0x10", " 5", "65537"];
                query.append_pair(name, entropy.choice(none).unwrap());
            }
            1 => _ = query.append_pair(name, "true"),
            _ => _ = query.append_pair(name, &odd_text(entropy)),
        }
    }
    let mut query = query.finish();
    match entropy.u8(..10) {
        0 => query.push_str("&limit=%zz&cursor=%"),
        1 => query.push_str("&%00=%ff&=&&=&a"),
        2 => (0..10_000).for_each(|number| write!(query, "&p{number}=1").unwrap()),
        3 => query.push_str("&limit=5&limit=500"),
        4 => query.push_str(" {}|\\^`\u{e9}<>\""),
        _ => {}
    }
    query
}

/// Returns an invalid request to a route of the API.
pub(crate) fn api_case(route: &Route, ids: &Ids, entropy: &mut fastrand::Rng) -> Case {
    let mut what = String::new();
    // All cases share the same entities, so a DELETE gets an unknown id.
    let removes = route.key.starts_with("DELETE") && !route.key.ends_with("/lock") && !route.ids.is_empty();
    let breaks_ids = !route.ids.is_empty() && (removes || entropy.u8(..5) == 0);
    let broken = if breaks_ids { entropy.usize(..route.ids.len()) } else { usize::MAX };
    let broken = if removes { route.ids.len() - 1 } else { broken };
    let values: Vec<String> = route
        .ids
        .iter()
        .enumerate()
        .map(|(place, name)| if place == broken { odd_text(entropy) } else { ids.get(name).to_owned() })
        .collect();
    let pairs: Vec<(&str, &str)> = route.ids.iter().copied().zip(values.iter().map(String::as_str)).collect();
    let mut event = Event::new(route.key, &pairs);
    if breaks_ids {
        write!(what, "{} is {:.40?}; ", route.ids[broken], values[broken]).unwrap();
    }
    event = match entropy.u8(..40) {
        0 => event,
        1 => event.user(&odd_text(entropy), OWNER),
        2 => event.user(ORGANIZATION, &odd_text(entropy)),
        3 => event.claims(json!({})),
        4 => event.claims(json!({ "client_id": odd_text(entropy), "scope": "shared-inbox/send" })),
        _ => event.user(ORGANIZATION, OWNER),
    };
    let query = if entropy.u8(..3) == 0 { odd_query(route, entropy) } else { String::new() };
    if !query.is_empty() {
        write!(what, "?{query:.60}; ").unwrap();
        event = event.query(&query);
    }
    if entropy.u8(..8) == 0 {
        let key = odd_text(entropy).chars().filter(|letter| !letter.is_control()).collect::<String>();
        event = event.header("idempotency-key", &key);
    }
    let mut body = None;
    if let Some(mut sample) = ids.body(route.key) {
        let bytes = match entropy.u8(..10) {
            0 => {
                let (bytes, how) = excessive_body(entropy);
                what.push_str(how);
                bytes
            }
            1 | 2 => {
                let mut bytes = sample.to_string().into_bytes();
                what.push_str(scramble(&mut bytes, entropy));
                bytes
            }
            3 => {
                what.push_str("untouched");
                sample.to_string().into_bytes()
            }
            _ => {
                for _ in 0..entropy.usize(1..3) {
                    mutate(&mut sample, entropy);
                }
                write!(what, "{:.200}", sample.to_string()).unwrap();
                sample.to_string().into_bytes()
            }
        };
        let content_type = match entropy.u8(..10) {
            0 => "text/plain",
            1 => "application/x-www-form-urlencoded",
            2 => "multipart/form-data; boundary=x",
            3 => "text/csv",
            _ => "application/json",
        };
        event = event.header("content-type", content_type).raw(&*bytes);
        body = Some(bytes);
    }
    let mut event = event.event();
    if entropy.u8(..30) == 0 {
        mislabel_encoding(&mut event, &mut body, entropy, &mut what);
    }
    Case { what, event, route: route.key, webhook: None, body, query }
}

/// Makes `isBase64Encoded` wrong.
fn mislabel_encoding(
    event: &mut Value,
    body: &mut Option<Vec<u8>>,
    entropy: &mut fastrand::Rng,
    what: &mut String,
) {
    let Some(bytes) = body.as_ref() else { return };
    let text = match entropy.u8(..3) {
        0 => {
            event["isBase64Encoded"] = json!(false);
            event["body"].as_str().unwrap_or_default().to_owned()
        }
        1 => {
            event["isBase64Encoded"] = json!(true);
            String::from_utf8_lossy(bytes).into_owned()
        }
        _ => {
            event["isBase64Encoded"] = json!(true);
            "!!! not base64 !!!".to_owned()
        }
    };
    what.push_str(" (isBase64Encoded is wrong)");
    event["body"] = json!(text);
    *body = Some(text.into_bytes());
}

/// Returns an invalid contact import.
pub(crate) fn list_case(entropy: &mut fastrand::Rng) -> Case {
    let route = "POST /v1/teams/{teamId}/contact-imports";
    let mut list = b"ContactId,FirstName,LastName,MobileNumber,StaffId,Course\r\n".to_vec();
    for row in 0..entropy.usize(..20) {
        let cells: Vec<String> = (0..6).map(|_| format!("\"{}\"", odd_text(entropy))).collect();
        list.extend_from_slice(format!("{row},{}\r\n", cells.join(",")).as_bytes());
    }
    let mut what = "a file, ".to_owned();
    match entropy.u8(..5) {
        0 => list = [b"PK\x03\x04".to_vec(), list].concat(),
        1 => list = b"a,b\n\"".iter().copied().chain(vec![b'x'; 300_000]).collect(),
        2 => {}
        _ => what.push_str(scramble(&mut list, entropy)),
    }
    let types = [
        "text/csv",
        "text/csv; charset=utf-16",
        "application/octet-stream",
        "TEXT/CSV",
        "application/zip",
        "",
    ];
    let query = ["", "dryRun=true", "dryRun=perhaps", "clearMissingAssignments=1"][entropy.usize(..4)];
    let mut event = Event::new(route, &[("teamId", TEAM)])
        .user(ORGANIZATION, OWNER)
        .query(query)
        .header("content-type", types[entropy.usize(..types.len())])
        .raw(&*list);
    if entropy.u8(..6) == 0 {
        event = event.header("content-encoding", "gzip");
    }
    Case { what, event: event.event(), route, webhook: None, body: None, query: query.to_owned() }
}

/// Returns an invalid webhook. Half of them have a valid signature, so that the code behind the check is
/// tested too.
pub(crate) fn webhook_case(route: &'static str, ids: &Ids, entropy: &mut fastrand::Rng) -> Case {
    let mut what = String::new();
    let mut webhook = if route == REGISTRATIONS {
        events(entropy, &mut what)
    } else {
        carrier_form(route, ids, entropy, &mut what)
    };
    if entropy.u8(..8) == 0 {
        let types = [
            "text/plain",
            "application/json",
            "APPLICATION/X-WWW-FORM-URLENCODED",
            "multipart/form-data",
            "",
            "é",
        ];
        webhook.content_type = Some(types[entropy.usize(..types.len())].to_owned());
        write!(what, " as {:?}", webhook.content_type).unwrap();
    }
    if entropy.u8(..10) == 0 {
        write!(webhook.query, "&x={}", entropy.u8(..)).unwrap();
    }
    let signed = entropy.bool();
    if signed {
        webhook = webhook.signed();
        what.push_str(", signed");
    } else if entropy.bool() {
        webhook.signature = Some(odd_text(entropy).chars().filter(|letter| !letter.is_control()).collect());
    }
    let event = webhook.event();
    let query = webhook.query.clone();
    Case { what, event, route, webhook: Some(webhook), body: None, query }
}

fn carrier_form(route: &'static str, ids: &Ids, entropy: &mut fastrand::Rng, what: &mut String) -> Webhook {
    let sid = format!("SM{:032x}", entropy.u128(..));
    let call = format!("CA{:032x}", entropy.u128(..));
    let names: &[&str] = match route {
        MESSAGES => {
            &["MessageSid", "AccountSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "OptOutType"]
        }
        STATUS => &["MessageSid", "AccountSid", "MessageStatus", "ErrorCode", "From", "To"],
        _ => &["CallSid", "AccountSid", "From", "To", "Direction"],
    };
    let odd = entropy.usize(..names.len() + 2);
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (place, name) in names.iter().enumerate() {
        let value: String = match *name {
            _ if place == odd => odd_text(entropy),
            "MessageSid" => sid.clone(),
            "CallSid" => call.clone(),
            "AccountSid" => ACCOUNT.into(),
            // Reports are about messages from the inbox to the contact.
            "From" if route == STATUS => NUMBER.into(),
            "To" if route == STATUS => "+12025550143".into(),
            "From" => "+12025550143".into(),
            "To" => NUMBER.into(),
            "MessageStatus" => "delivered".into(),
            "ErrorCode" => "30003".into(),
            _ => "1".into(),
        };
        if place == odd {
            write!(what, "{name} is {value:.40?}; ").unwrap();
        }
        if place != odd || entropy.u8(..4) > 0 {
            form.append_pair(name, &value);
        }
    }
    let mut body = form.finish().into_bytes();
    match entropy.u8(..8) {
        0 => (0..10_000).for_each(|number| body.extend_from_slice(format!("&p{number}=1").as_bytes())),
        1 => body.extend_from_slice(b"&Body=twice&From=%2B13035550100&MessageSid=SM1"),
        2 => body.extend_from_slice(&b"&Body=".repeat(20_000)),
        3 => what.push_str(scramble(&mut body, entropy)),
        4 => body.extend_from_slice(b"&Body=%ff%fe%00%zz%"),
        _ => {}
    }
    let query = match entropy.u8(..6) {
        _ if route != STATUS => String::new(),
        0 => format!("organization={}", odd_query_text(entropy)),
        1 => format!("organization=org_1&message={}&proof=00", odd_query_text(entropy)),
        // A valid proof for a text that is not a message id.
        2 => {
            let text = odd_text(entropy);
            callback_url(ORGANIZATION, &text).split_once('?').unwrap().1.to_owned()
        }
        _ => callback_url(ORGANIZATION, ids.get("messageId")).split_once('?').unwrap().1.to_owned(),
    };
    Webhook::form(route, &query, body)
}

fn odd_query_text(entropy: &mut fastrand::Rng) -> String {
    form_urlencoded::byte_serialize(odd_text(entropy).as_bytes()).collect()
}

fn events(entropy: &mut fastrand::Rng, what: &mut String) -> Webhook {
    let mut events = json!([{
        "id": format!("EZ{:032x}", entropy.u128(..)),
        "type": "com.twilio.messaging.compliance.campaign-registration.campaign-approved",
        "time": "2026-11-22T10:00:00.000Z",
        "data": { "accountsid": ACCOUNT, "messagingservicesid": SERVICE, "timestamp": 1_795_341_600_000_i64,
            "campaignregistrationerrors": [{ "errorcode": 30897, "errordescription": "no" }] },
    }]);
    let body = match entropy.u8(..8) {
        0 => {
            let (bytes, how) = excessive_body(entropy);
            what.push_str(how);
            bytes
        }
        1 | 2 => {
            let mut bytes = events.to_string().into_bytes();
            what.push_str(scramble(&mut bytes, entropy));
            bytes
        }
        3 => json!(vec![events[0].clone(); 1_001]).to_string().into_bytes(),
        _ => {
            for _ in 0..entropy.usize(1..3) {
                mutate(&mut events, entropy);
            }
            write!(what, "{events:.200}").unwrap();
            events.to_string().into_bytes()
        }
    };
    let mut webhook = Webhook::events(body);
    match entropy.u8(..12) {
        0 => webhook.query = "bodySHA256=00".into(),
        1 => webhook.query.clear(),
        2 => webhook.authorization = None,
        3 => {
            webhook.authorization =
                Some(format!("Basic {}", odd_text(entropy).replace(char::is_control, "")));
        }
        _ => {}
    }
    webhook
}
