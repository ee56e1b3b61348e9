//! Every e-mail and every text that the product writes itself, as listed in `docs/emails.md`.

use email_notify::email::{Email, EmailKind};
use shared_domain::{opt_out, registration::CarrierReason};
use test_kit::docs::assert_block;

use crate::fake_ses::now;

fn reasons() -> Vec<CarrierReason> {
    vec![
        CarrierReason { code: 30_897, detail: "The message samples show disallowed content.".into() },
        CarrierReason { code: 30_909, detail: "The call to action <opt-in> could not be verified.".into() },
    ]
}

/// One e-mail of each kind, with the sentence that says when it is sent.
fn emails() -> Vec<(&'static str, Email)> {
    let jane = || "Jane Doe".to_owned();
    let kinds = vec![
        ("The carriers approved a team's registration.", EmailKind::RegistrationApproved),
        (
            "The carriers rejected a team's registration.",
            EmailKind::RegistrationRejected { reasons: reasons() },
        ),
        (
            "The carriers rejected a team's registration without a reason.",
            EmailKind::RegistrationRejected { reasons: Vec::new() },
        ),
        (
            "The carriers suspended a team's registration.",
            EmailKind::RegistrationSuspended { reasons: reasons() },
        ),
        (
            "The carriers refuse a number that is not part of the team's registration. At most once an hour.",
            EmailKind::NumberNotRegistered { number: "+12025550100".into(), inbox: "Front desk".into() },
        ),
        ("A contact opted out.", EmailKind::OptOutChanged { contact: jane(), opted_out: true }),
        ("A contact opted in again.", EmailKind::OptOutChanged { contact: jane(), opted_out: false }),
        (
            "A number that is not in the team's contacts sent a message.",
            EmailKind::UnknownContact { number: "+12025550143".into(), inbox_number: "+12025550100".into() },
        ),
        ("A user added a contact.", EmailKind::ContactAdded { contact: jane(), by: "Ada Lovelace".into() }),
        (
            "Four deliveries to a webhook endpoint failed in a row.",
            EmailKind::WebhookFailing { receiver: "receiver.example".into() },
        ),
        (
            "No delivery to a webhook endpoint succeeded for five days.",
            EmailKind::WebhookDisabled { receiver: "receiver.example".into(), gone: false },
        ),
        (
            "The receiver of webhooks answered with the status 410.",
            EmailKind::WebhookDisabled { receiver: "receiver.example".into(), gone: true },
        ),
    ];
    let email = |kind| Email { team: "Front".into(), at: now(), kind };
    kinds.into_iter().map(|(event, kind)| (event, email(kind))).collect()
}

#[test]
fn the_emails_page_lists_every_e_mail() {
    let sections = emails().into_iter().map(|(event, email)| {
        let (subject, text, html) = (email.subject(), email.text().unwrap(), email.html().unwrap());
        let content = html.split("</h1>\n").nth(1).unwrap().split("</main>").next().unwrap();
        format!("### {subject}\n\n{event}\n\n```text\n{text}\n```\n\n```html\n{content}```\n\n")
    });
    assert_block("docs/emails.md", "emails", &format!("\n{}", sections.collect::<String>()));
}

#[test]
fn the_emails_page_shows_the_layout_of_the_html_pages() {
    let email = emails().remove(0).1;
    let html = email.html().unwrap();
    let (head, rest) = html.split_once("</h1>\n").unwrap();
    let foot = rest.split_once("</main>").unwrap().1;
    let layout = format!("\n```html\n{head}</h1>\n…\n</main>{foot}\n```\n\n");
    assert_block("docs/emails.md", "layout", &layout);
}

#[test]
fn the_emails_page_lists_every_text() {
    let texts = [
        ("A contact opted out by keyword.", opt_out::stop_text("Front")),
        ("A contact opted in again by keyword.", opt_out::start_text("Front")),
        ("A contact asked for help, at most once an hour.", opt_out::help_text("Front")),
    ];
    let rows = texts.map(|(event, text)| format!("| {event} | {text} |\n"));
    assert_block("docs/emails.md", "texts", &format!("\n| When | Text |\n|---|---|\n{}\n", rows.concat()));
}

#[test]
fn names_are_escaped_in_html_and_plain_in_text() {
    let kind = EmailKind::ContactAdded { contact: "<b>Jane</b> & \"Co\"".into(), by: "O'Neil".into() };
    let email = Email { team: "<script>alert(1)</script> & Sons".into(), at: now(), kind };
    let text = email.text().unwrap();
    assert!(text.starts_with("Contact added: <script>alert(1)</script> & Sons\n"), "{text}");
    assert!(text.contains("\nContact: <b>Jane</b> & \"Co\"\nAdded by: O'Neil\n"), "{text}");
    let html = email.html().unwrap();
    let team = "&#60;script&#62;alert(1)&#60;/script&#62; &#38; Sons";
    assert_eq!(html.matches(team).count(), 3, "in the title, the heading and the first sentence: {html}");
    assert!(html.contains("<strong>&#60;b&#62;Jane&#60;/b&#62; &#38; &#34;Co&#34;</strong>"), "{html}");
    assert!(html.contains("<strong>O&#39;Neil</strong>"), "{html}");
    assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
}

#[test]
fn reading_an_e_mail_fetches_nothing() {
    for (event, email) in emails() {
        let html = email.html().unwrap();
        for fetched in ["<img", "<link", "<script", "url(", "src=", "http"] {
            assert!(!html.contains(fetched), "{event} {fetched}");
        }
    }
}
