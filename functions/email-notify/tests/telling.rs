//! Who is told of a notice, and how often.

use email_notify::{App, handle};
use serde_json::{Value, json};
use shared_aws::notification::Notifications;
use shared_domain::{
    contact::Contact,
    ids::{ContactId, InboxId, TeamId, UserId},
    notice::{MailingPreference, Notification, NotificationKind, NotificationSettings},
    phone::PhoneNumber,
    registration::CarrierReason,
};
use shared_lambda::queue::{SqsBatchResponse, SqsEvent};

use crate::stage::{FROM, Fault, Ses, Stage, now};

fn record(id: &str, body: &str) -> Value {
    json!({
        "messageId": id, "receiptHandle": "r", "body": body, "md5OfBody": "", "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1795341600000" },
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:mail",
        "awsRegion": "us-east-1",
    })
}

/// The records that are to come again.
async fn deliver(app: &App, records: Vec<Value>) -> Vec<String> {
    let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let SqsBatchResponse { batch_item_failures, .. } = handle(app, now(), event).await;
    batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

async fn tell(app: &App, notice: &Notification) -> Vec<String> {
    deliver(app, vec![record("a", &Notifications::to_text(notice))]).await
}

fn mailing(enabled: bool, recipients: &[&str]) -> MailingPreference {
    MailingPreference { enabled, recipients: recipients.iter().map(|address| (*address).into()).collect() }
}

fn text(mail: &Value) -> &str {
    mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_admin_is_told_once_however_often_the_queue_brings_the_notice() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(Some("team-mail")).await);
    let app = App::new(stage.table(), mailer);
    let body = stage.approved(stage.users(&["ada", "ben", "cleo"]).await);
    for _ in 0..3 {
        assert!(deliver(&app, vec![record("a", &body), record("b", &body)]).await.is_empty());
    }
    assert_eq!(ses.told(), ["ada@clinic.example", "ben@clinic.example", "cleo@clinic.example"]);
    assert_eq!(ses.calls(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_at_once_tell_once() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let (one, other) = (App::new(stage.table(), mailer.clone()), App::new(stage.table(), mailer));
    let body = stage.approved(stage.users(&["ada", "ben", "cleo", "dan"]).await);
    let (failed, failed_too) =
        tokio::join!(deliver(&one, vec![record("a", &body)]), deliver(&other, vec![record("a", &body)]));
    assert!(failed.is_empty() && failed_too.is_empty());
    assert_eq!(ses.calls(), 4);
    assert_eq!(ses.told().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_has_sender_recipient_subject_and_both_bodies() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(Some("team-mail")).await);
    let app = App::new(stage.table(), mailer);
    assert!(deliver(&app, vec![record("a", &stage.approved(stage.users(&["ada"]).await))]).await.is_empty());
    let [mail] = &ses.mails()[..] else { panic!("one e-mail") };
    assert_eq!(mail["FromEmailAddress"], FROM);
    assert_eq!(mail["Destination"], json!({ "ToAddresses": ["ada@clinic.example"] }));
    assert_eq!(mail["ConfigurationSetName"], "team-mail");
    let simple = &mail["Content"]["Simple"];
    assert_eq!(simple["Subject"], json!({ "Data": "Registration approved: Front", "Charset": "UTF-8" }));
    for (kind, beginning) in [("Text", "Registration approved: Front\n"), ("Html", "<!doctype html>")] {
        assert_eq!(simple["Body"][kind]["Charset"], "UTF-8");
        assert!(simple["Body"][kind]["Data"].as_str().unwrap().starts_with(beginning), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_two_admins_is_told_once_whatever_the_case() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let admins =
        vec![stage.user("ada", "Desk@Clinic.example").await, stage.user("ben", "desk@clinic.example").await];
    let app = App::new(stage.table(), mailer);
    assert!(deliver(&app, vec![record("a", &stage.approved(admins))]).await.is_empty());
    assert_eq!(ses.told(), ["Desk@Clinic.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_surely_got_nothing_is_told_by_the_next_delivery_alone() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let app = App::new(stage.table(), mailer);
    let body = stage.approved(stage.users(&["ada", "ben", "cleo"]).await);
    ses.fault("ada@clinic.example", Fault::TooMany);
    assert_eq!(deliver(&app, vec![record("a", &body)]).await, ["a"]);
    assert_eq!(ses.told(), ["ben@clinic.example", "cleo@clinic.example"], "others are tried all the same");
    assert!(deliver(&app, vec![record("a", &body)]).await.is_empty());
    assert_eq!(ses.told(), ["ada@clinic.example", "ben@clinic.example", "cleo@clinic.example"]);
    assert_eq!(ses.calls(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_unknown_is_not_tried_again() {
    for fault in [Fault::Rejected, Fault::Down] {
        let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
        let app = App::new(stage.table(), mailer);
        let body = stage.approved(stage.users(&["ada", "ben"]).await);
        ses.fault("ada@clinic.example", fault);
        for _ in 0..2 {
            assert!(deliver(&app, vec![record("a", &body)]).await.is_empty(), "{fault:?}");
        }
        assert_eq!(ses.told(), ["ben@clinic.example"], "{fault:?}");
        assert_eq!(ses.calls(), 2, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_gone_is_passed_over() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let app = App::new(stage.table(), mailer);
    let mut admins = stage.users(&["ada"]).await;
    admins.insert(0, UserId::parse("gone").unwrap());
    assert!(deliver(&app, vec![record("a", &stage.approved(admins))]).await.is_empty());
    assert_eq!(ses.told(), ["ada@clinic.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_notices_go_to_the_addresses_in_the_settings_and_only_when_they_are_on() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let app = App::new(stage.table(), mailer);
    let admins = stage.users(&["ada"]).await;
    let contact = stage.contact.id.clone();
    let subjects = [
        NotificationKind::OptOutChanged { contact: contact.clone(), opted_out: true },
        NotificationKind::UnknownContact { contact: contact.clone(), inbox: stage.inbox.clone() },
        NotificationKind::ContactAdded { contact, by: admins[0].clone() },
    ];
    let tell_all = async |turn: &str| {
        for (index, subject) in subjects.iter().enumerate() {
            let notice = Notification {
                id: format!("not_{turn}{index}"),
                ..stage.notice(subject.clone(), admins.clone())
            };
            assert!(tell(&app, &notice).await.is_empty());
        }
    };
    tell_all("unset").await;
    stage
        .settings(&NotificationSettings {
            opt_out_changed: mailing(true, &["out@clinic.example"]),
            unknown_contact: mailing(false, &["unknown@clinic.example"]),
            contact_added: mailing(true, &["added@clinic.example", "ADDED@clinic.example"]),
        })
        .await;
    tell_all("set").await;
    assert_eq!(ses.told(), ["added@clinic.example", "out@clinic.example"]);
    assert!(text(&ses.mails()[0]).contains("opted out of texts from Front: +12025550143"));
    assert!(text(&ses.mails()[1]).contains("Added by: ADA"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_told_as_they_are_when_the_e_mail_is_written() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let app = App::new(stage.table(), mailer);
    let all = mailing(true, &["desk@clinic.example"]);
    stage
        .settings(&NotificationSettings {
            unknown_contact: all.clone(),
            contact_added: all,
            ..Default::default()
        })
        .await;
    let named =
        Contact { first_name: Some("Jane\n".into()), last_name: Some("Doe".into()), ..stage.contact.clone() };
    stage.contact(&named).await;
    let (contact, by) = (named.id, UserId::parse("gone").unwrap());
    let unknown = NotificationKind::UnknownContact { contact: contact.clone(), inbox: stage.inbox.clone() };
    assert!(tell(&app, &stage.notice(unknown, Vec::new())).await.is_empty());
    assert!(text(&ses.mails()[0]).contains("sent a text: +12025550143\n\nIt came to: Front desk\n"));
    let added = Notification {
        id: "not_2".into(),
        ..stage.notice(NotificationKind::ContactAdded { contact, by }, Vec::new())
    };
    assert!(tell(&app, &added).await.is_empty());
    let body = "A contact was added to Front: Jane Doe\n\nAdded by: somebody who is no longer a user\n";
    assert!(text(&ses.mails()[1]).contains(body));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_meanwhile_is_told_in_neutral_words() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let app = App::new(stage.table(), mailer);
    let settings = NotificationSettings {
        opt_out_changed: mailing(true, &["desk@clinic.example"]),
        unknown_contact: mailing(true, &["desk@clinic.example"]),
        ..Default::default()
    };
    stage.settings(&settings).await;
    let number = PhoneNumber::from_carrier("+12025550199").unwrap();
    let contact = ContactId::provisional(&stage.team, &number);
    let inbox = InboxId::parse("inb_gone").unwrap();
    let unknown = NotificationKind::UnknownContact { contact: contact.clone(), inbox };
    assert!(tell(&app, &stage.notice(unknown, Vec::new())).await.is_empty());
    let body = "sent a text: a number no longer listed\n\nIt came to: one of the team's inboxes\n";
    assert!(text(&ses.mails()[0]).contains(body));
    let out = NotificationKind::OptOutChanged { contact, opted_out: false };
    assert!(
        tell(&app, &Notification { id: "not_2".into(), ..stage.notice(out, Vec::new()) }).await.is_empty()
    );
    assert!(text(&ses.mails()[1]).contains("texts from Front: a contact no longer listed\n"));
    let gone = Notification {
        id: "not_3".into(),
        team: TeamId::parse("team_gone").unwrap(),
        ..stage.notice(NotificationKind::RegistrationApproved, stage.users(&["ada"]).await)
    };
    assert!(tell(&app, &gone).await.is_empty());
    assert!(text(&ses.mails()[2]).starts_with("Registration approved: your team\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carriers_reasons_are_told() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let app = App::new(stage.table(), mailer);
    let reasons = vec![CarrierReason { code: 30_897, detail: "The sample\r\nis disallowed.".into() }];
    let admins = stage.users(&["ada"]).await;
    let subjects = [
        NotificationKind::RegistrationRejected(reasons.clone()),
        NotificationKind::RegistrationSuspended(reasons),
    ];
    for (index, subject) in subjects.into_iter().enumerate() {
        let notice = Notification { id: format!("not_{index}"), ..stage.notice(subject, admins.clone()) };
        assert!(tell(&app, &notice).await.is_empty());
        assert!(text(&ses.mails()[index]).contains("\n- 30897: The sample is disallowed.\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_notice_comes_again_until_the_dead_letters_and_holds_nothing_up() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let app = App::new(stage.table(), mailer);
    let body = stage.approved(stage.users(&["ada"]).await);
    let nameless = body.replace("registrationApproved", "registrationBegun");
    let records = vec![record("poison", "not JSON"), record("other", &nameless), record("fine", &body)];
    assert_eq!(deliver(&app, records).await, ["poison", "other"]);
    assert_eq!(ses.told(), ["ada@clinic.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_means_no_e_mail() {
    let (stage, (ses, mailer)) = (Stage::set().await, Ses::open(None).await);
    let body = stage.approved(stage.users(&["ada"]).await);
    let app = App::new(Stage::dead_table(), mailer);
    assert_eq!(deliver(&app, vec![record("a", &body)]).await, ["a"]);
    assert_eq!(ses.calls(), 0);
}
