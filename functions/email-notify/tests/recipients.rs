//! Who receives a notification, and how often.

use email_notify::{App, handle};
use serde_json::{Value, json};
use shared_aws::{
    notification::Notifications,
    team::{AuditEvent, Teams},
};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, UserId},
    keys::TeamKey,
    notification::{MailingPreference, Notification, NotificationKind, NotificationSettings},
    registration::CarrierReason,
    user::User,
};
use shared_lambda::queue::SqsBatchResponse;
use test_kit::{TestApp, build, lambda_event, log::log_of};

use crate::fake_ses::{FROM, FakeSes, Fault, now};

fn record(id: &str, body: &str) -> Value {
    lambda_event::sqs_record(id, None, body, 1)
}

/// Returns the ids of the records that failed.
async fn deliver(function: &App, records: Vec<Value>) -> Vec<String> {
    let SqsBatchResponse { batch_item_failures, .. } =
        handle(function, now(), lambda_event::event(records)).await;
    batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

async fn notify(function: &App, notification: &Notification) -> Vec<String> {
    deliver(function, vec![record("a", &Notifications::to_text(notification))]).await
}

fn notification(app: &TestApp, subject: NotificationKind, admins: Vec<UserId>) -> Notification {
    Notification {
        id: "not_1".into(),
        organization: app.organization().clone(),
        team: Some(app.team.id.clone()),
        subject,
        at: now(),
        admins,
    }
}

/// Returns the body of a queue message that notifies these admins of an approval.
fn approval(app: &TestApp, admins: Vec<UserId>) -> String {
    Notifications::to_text(&notification(app, NotificationKind::RegistrationApproved, admins))
}

/// Stores users with the default addresses.
async fn add_users(app: &TestApp, ids: &[&str]) -> Vec<UserId> {
    for id in ids {
        app.add_user(app.organization(), &build::user(id), &[]).await;
    }
    ids.iter().map(|id| build::user_id(id)).collect()
}

/// Stores the provisional contact of the default number.
async fn add_provisional_contact(app: &TestApp) -> Contact {
    let contact = Contact::provisional(&app.team.id, &app.contact);
    app.add_contact(&contact).await;
    contact
}

async fn put_settings(app: &TestApp, settings: &NotificationSettings) {
    let actor = build::user_id("ada");
    let audit_event = AuditEvent {
        actor: &actor,
        action: "notifications.choose",
        target: app.team.id.as_str(),
        at: now(),
        entropy: 1,
    };
    let team = TeamKey { organization: app.organization(), team: &app.team.id };
    Teams::new(app.table()).put_notification_settings(team, settings, &audit_event).await.unwrap();
}

fn mailing(enabled: bool, recipients: &[&str]) -> MailingPreference {
    MailingPreference { enabled, recipients: recipients.iter().map(|address| (*address).into()).collect() }
}

fn text(mail: &Value) -> &str {
    mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_admin_is_notified_once_however_often_the_queue_delivers_the_message() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(Some("team-mail")).await);
    let function = App::new(app.table(), mailer);
    let body = approval(&app, add_users(&app, &["ada", "ben", "cleo"]).await);
    for _ in 0..3 {
        assert!(deliver(&function, vec![record("a", &body), record("b", &body)]).await.is_empty());
    }
    assert_eq!(ses.recipients(), ["ada@clinic.example", "ben@clinic.example", "cleo@clinic.example"]);
    assert_eq!(ses.calls(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_workers_send_each_e_mail_once() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let (one, other) = (App::new(app.table(), mailer.clone()), App::new(app.table(), mailer));
    let body = approval(&app, add_users(&app, &["ada", "ben", "cleo", "dan"]).await);
    let (failed, failed_too) =
        tokio::join!(deliver(&one, vec![record("a", &body)]), deliver(&other, vec![record("a", &body)]));
    assert!(failed.is_empty() && failed_too.is_empty());
    assert_eq!(ses.calls(), 4);
    assert_eq!(ses.recipients().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_has_sender_recipient_subject_and_both_bodies() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(Some("team-mail")).await);
    let function = App::new(app.table(), mailer);
    assert!(
        deliver(&function, vec![record("a", &approval(&app, add_users(&app, &["ada"]).await))])
            .await
            .is_empty()
    );
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
async fn an_address_that_two_admins_share_is_notified_once_whatever_its_letter_case() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    for (id, email) in [("ada", "Desk@Clinic.example"), ("ben", "desk@clinic.example")] {
        let user = User { email: email.into(), ..build::user(id) };
        app.add_user(app.organization(), &user, &[]).await;
    }
    let admins = vec![build::user_id("ada"), build::user_id("ben")];
    let function = App::new(app.table(), mailer);
    assert!(deliver(&function, vec![record("a", &approval(&app, admins))]).await.is_empty());
    assert_eq!(ses.recipients(), ["Desk@Clinic.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_that_was_not_sent_is_sent_by_the_next_delivery() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let function = App::new(app.table(), mailer);
    let body = approval(&app, add_users(&app, &["ada", "ben", "cleo"]).await);
    ses.fail_next("ada@clinic.example", Fault::TooMany);
    assert_eq!(deliver(&function, vec![record("a", &body)]).await, ["a"]);
    assert_eq!(
        ses.recipients(),
        ["ben@clinic.example", "cleo@clinic.example"],
        "the other addresses are still notified"
    );
    assert!(deliver(&function, vec![record("a", &body)]).await.is_empty());
    assert_eq!(ses.recipients(), ["ada@clinic.example", "ben@clinic.example", "cleo@clinic.example"]);
    assert_eq!(ses.calls(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_that_is_refused_or_unknown_is_counted_and_not_sent_again() {
    for (fault, metric) in [(Fault::Rejected, "MailRefused"), (Fault::Down, "MailUnknown")] {
        let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
        let function = App::new(app.table(), mailer);
        let body = approval(&app, add_users(&app, &["ada", "ben"]).await);
        ses.fail_next("ada@clinic.example", fault);
        let log = log_of(async {
            for _ in 0..2 {
                assert!(deliver(&function, vec![record("a", &body)]).await.is_empty(), "{fault:?}");
            }
        });
        let log = log.await;
        assert_eq!(log.matches(&format!("\"{metric}\":1")).count(), 1, "{log}");
        assert_eq!(ses.recipients(), ["ben@clinic.example"], "{fault:?}");
        assert_eq!(ses.calls(), 2, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_no_longer_a_user_is_skipped() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let function = App::new(app.table(), mailer);
    let mut admins = add_users(&app, &["ada"]).await;
    admins.insert(0, build::user_id("gone"));
    assert!(deliver(&function, vec![record("a", &approval(&app, admins))]).await.is_empty());
    assert_eq!(ses.recipients(), ["ada@clinic.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_notifications_go_to_the_addresses_in_the_settings_if_they_are_enabled() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let function = App::new(app.table(), mailer);
    let admins = add_users(&app, &["ada"]).await;
    let contact = add_provisional_contact(&app).await.id;
    let subjects = [
        NotificationKind::OptOutChanged { contact: contact.clone(), opted_out: true },
        NotificationKind::UnknownContact { contact: contact.clone(), inbox: app.inbox.id.clone() },
        NotificationKind::ContactAdded { contact, by: admins[0].clone() },
    ];
    let notify_of_all = async |prefix: &str| {
        for (index, subject) in subjects.iter().enumerate() {
            let notification = Notification {
                id: format!("not_{prefix}{index}"),
                ..notification(&app, subject.clone(), admins.clone())
            };
            assert!(notify(&function, &notification).await.is_empty());
        }
    };
    notify_of_all("unset").await;
    put_settings(
        &app,
        &NotificationSettings {
            opt_out_changed: mailing(true, &["out@clinic.example"]),
            unknown_contact: mailing(false, &["unknown@clinic.example"]),
            contact_added: mailing(true, &["added@clinic.example", "ADDED@clinic.example"]),
        },
    )
    .await;
    notify_of_all("set").await;
    assert_eq!(ses.recipients(), ["added@clinic.example", "out@clinic.example"]);
    assert!(text(&ses.mails()[0]).contains("\n\nContact: +12025550143\n\n"));
    assert!(text(&ses.mails()[1]).contains("\nAdded by: ADA\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_contains_the_current_names() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let function = App::new(app.table(), mailer);
    let all = mailing(true, &["desk@clinic.example"]);
    put_settings(
        &app,
        &NotificationSettings { unknown_contact: all.clone(), contact_added: all, ..Default::default() },
    )
    .await;
    let named = Contact {
        first_name: Some("Jane\n".into()),
        last_name: Some("Doe".into()),
        ..Contact::provisional(&app.team.id, &app.contact)
    };
    app.add_contact(&named).await;
    let (contact, by) = (named.id, build::user_id("gone"));
    let unknown = NotificationKind::UnknownContact { contact: contact.clone(), inbox: app.inbox.id.clone() };
    assert!(notify(&function, &notification(&app, unknown, Vec::new())).await.is_empty());
    let mails = ses.mails();
    let body = text(&mails[0]);
    assert!(body.contains(&format!("From: +12025550143\nTo: {}\n", app.inbox.number.as_str())), "{body}");
    assert!(!body.contains(&app.inbox.name), "only members of an inbox see its name");
    let added = Notification {
        id: "not_2".into(),
        ..notification(&app, NotificationKind::ContactAdded { contact, by }, Vec::new())
    };
    assert!(notify(&function, &added).await.is_empty());
    let body = "A contact was added to Front.\n\nContact: Jane Doe\nAdded by: a former user\n";
    assert!(text(&ses.mails()[1]).contains(body));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_says_which_names_no_longer_exist() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let function = App::new(app.table(), mailer);
    let settings = NotificationSettings {
        opt_out_changed: mailing(true, &["desk@clinic.example"]),
        unknown_contact: mailing(true, &["desk@clinic.example"]),
        ..Default::default()
    };
    put_settings(&app, &settings).await;
    let number = build::number("+12025550199");
    let contact = ContactId::provisional(&app.team.id, &number);
    let inbox = build::inbox_id("inb_gone");
    let unknown = NotificationKind::UnknownContact { contact: contact.clone(), inbox };
    assert!(notify(&function, &notification(&app, unknown, Vec::new())).await.is_empty());
    let body = "From: no longer available\nTo: no longer available\n";
    assert!(text(&ses.mails()[0]).contains(body));
    let out = NotificationKind::OptOutChanged { contact, opted_out: false };
    assert!(
        notify(&function, &Notification { id: "not_2".into(), ..notification(&app, out, Vec::new()) })
            .await
            .is_empty()
    );
    assert!(text(&ses.mails()[1]).contains("\nContact: a former contact\n"));
    let gone = Notification {
        id: "not_3".into(),
        team: Some(build::team_id("team_gone")),
        ..notification(&app, NotificationKind::RegistrationApproved, add_users(&app, &["ada"]).await)
    };
    assert!(notify(&function, &gone).await.is_empty());
    assert!(text(&ses.mails()[2]).starts_with("Registration approved: your team\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_contains_the_reasons_of_the_carriers() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let function = App::new(app.table(), mailer);
    let reasons = vec![CarrierReason { code: 30_897, detail: "The sample\r\nis disallowed.".into() }];
    let admins = add_users(&app, &["ada"]).await;
    let subjects = [
        NotificationKind::RegistrationRejected(reasons.clone()),
        NotificationKind::RegistrationSuspended(reasons),
    ];
    for (index, subject) in subjects.into_iter().enumerate() {
        let notification =
            Notification { id: format!("not_{index}"), ..notification(&app, subject, admins.clone()) };
        assert!(notify(&function, &notification).await.is_empty());
        assert!(text(&ses.mails()[index]).contains("\n- 30897: The sample is disallowed.\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_is_returned_to_the_queue_and_does_not_stop_others() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let function = App::new(app.table(), mailer);
    let body = approval(&app, add_users(&app, &["ada"]).await);
    let nameless = body.replace("registrationApproved", "registrationBegun");
    let records = vec![record("poison", "not JSON"), record("other", &nameless), record("fine", &body)];
    assert_eq!(deliver(&function, records).await, ["poison", "other"]);
    assert_eq!(ses.recipients(), ["ada@clinic.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_e_mail_is_sent_if_the_table_is_unreachable() {
    let (app, (ses, mailer)) = (TestApp::start().await, FakeSes::start(None).await);
    let body = approval(&app, add_users(&app, &["ada"]).await);
    let function = App::new(TestApp::unreachable_table(), mailer);
    assert_eq!(deliver(&function, vec![record("a", &body)]).await, ["a"]);
    assert_eq!(ses.calls(), 0);
}
