//! Every letter as it is read, against the kept ones in `snapshots/`.

use email_notify::letter::{About, Letter};
use shared_domain::registration::CarrierReason;

use crate::stage::now;

fn reasons() -> Vec<CarrierReason> {
    vec![
        CarrierReason { code: 30_897, detail: "The message samples show disallowed content.".into() },
        CarrierReason { code: 30_909, detail: "The call to action <opt-in> could not be verified.".into() },
    ]
}

fn all() -> Vec<(&'static str, About)> {
    let jane = || "Jane Doe".to_owned();
    vec![
        ("registration-approved", About::RegistrationApproved),
        ("registration-rejected", About::RegistrationRejected { reasons: reasons() }),
        ("registration-rejected-without-reasons", About::RegistrationRejected { reasons: Vec::new() }),
        ("registration-suspended", About::RegistrationSuspended { reasons: reasons() }),
        ("opted-out", About::OptOutChanged { contact: jane(), opted_out: true }),
        ("opted-in-again", About::OptOutChanged { contact: jane(), opted_out: false }),
        (
            "unknown-contact",
            About::UnknownContact { number: "+12025550143".into(), inbox: "Front desk".into() },
        ),
        ("contact-added", About::ContactAdded { contact: jane(), by: "Ada Lovelace".into() }),
    ]
}

#[test]
fn every_letter_as_text_and_as_html() {
    for (name, about) in all() {
        let letter = Letter { team: "Front".into(), at: now(), about };
        insta::assert_snapshot!(format!("{name}.txt"), letter.text().unwrap());
        insta::assert_snapshot!(format!("{name}.html"), letter.html().unwrap());
    }
}

#[test]
fn names_are_escaped_in_html_and_plain_in_text() {
    let about = About::ContactAdded { contact: "<b>Jane</b> & \"Co\"".into(), by: "O'Neil".into() };
    let letter = Letter { team: "<script>alert(1)</script> & Sons".into(), at: now(), about };
    insta::assert_snapshot!("escaped.txt", letter.text().unwrap());
    insta::assert_snapshot!("escaped.html", letter.html().unwrap());
}

#[test]
fn nothing_is_fetched_from_anywhere_when_a_letter_is_read() {
    for (name, about) in all() {
        let html = Letter { team: "Front".into(), at: now(), about }.html().unwrap();
        for fetched in ["<img", "<link", "<script", "url(", "src=", "http"] {
            assert!(!html.contains(fetched), "{name}: {fetched}");
        }
    }
}
