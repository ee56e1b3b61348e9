//! Registrations: submission, rejection, approval and suspension.

use std::time::Duration;

use product_tests::{Client, Phone, SharedInbox, Stack, TestTeam, WAIT_TIMEOUT, eventually, team::campaign};
use serde_json::{Value, json};

fn compose(inbox: &SharedInbox, phone: &Phone) -> Value {
    json!({ "from": { "inboxId": inbox.id }, "to": { "phoneNumber": phone.number() }, "text": "Hello" })
}

fn address(user: &Client) -> String {
    format!("{}@brightside.example", user.id)
}

/// ◆ product 2: until the registration is complete, the inbox is hidden from navigation and Compose and
/// cannot send. Inbound messages are stored.
#[tokio::test]
async fn an_inbox_is_hidden_until_the_registration_and_loses_no_messages() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Hidden", "amelia").await);
    let inbox = team.create_inbox("Hidden").await;
    let phone = Phone::new();
    assert!(!team.admin.accounts().await.contains(&inbox.id), "it is hidden from its creator too");
    let refused = team.admin.post("/v1/messages", compose(&inbox, &phone)).await;
    assert_eq!(refused.problem(409, "registration_incomplete")["registration"], "pending");
    let machine = json!({ "from": { "apiCode": inbox.response["apiCode"] }, "to": { "phoneNumber": phone.number() }, "text": "Hello" });
    stack.machine().post("/v1/messages", machine).await.problem(409, "registration_incomplete");
    carrier.send_inbound(&phone, &inbox.number, "Is anybody there yet?").await;
    team.register(&carrier).await;
    assert!(team.admin.accounts().await.contains(&inbox.id));
    assert_eq!(team.admin.unread(&inbox.id).await, 1);
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    assert_eq!(conversation.texts(&team.admin).await, ["Is anybody there yet?"]);
    team.admin.lock_and_reply(&conversation, "Now we are").await.expect(202);
    assert_eq!(carrier.texts_to(&phone).await, ["Now we are"]);
}

/// ◆ product 2 and 3: after the approval the inbox appears, members can be added, and each admin of the team
/// gets one e-mail, even if the event is delivered several times.
#[tokio::test]
async fn every_admin_is_notified_once_of_the_approval() {
    let stack = Stack::open();
    let (carrier, owner) = (stack.carrier(), stack.user("olivia"));
    let team = TestTeam::create(&stack, "Completion", "amelia").await;
    owner.put(&team.member("carla"), json!({ "role": "admin" })).await.expect(200);
    team.add_member("ben").await;
    let name = format!("Completion of {}", team.id);
    owner.patch(&team.path(), json!({ "name": name })).await.expect(200);
    let inbox = team.create_inbox("Completion").await;
    team.submit_registration().await;
    let decided = carrier.decide_campaign(&team.messaging_service().await, "VERIFIED", &[]).await;
    let done = team.wait_for_registration("approved").await;
    assert_eq!(done["notice"], Value::Null);
    let events = decided["eventIds"].as_array().expect("events");
    let timeline = eventually("every event is in the timeline", WAIT_TIMEOUT, async || {
        let timeline = team.get_registration().await["timeline"].take();
        let of_carrier =
            timeline.as_array().unwrap().iter().filter(|step| step["source"] == "callback").count();
        (of_carrier == events.len() + 1).then_some(timeline) // one more for the submission
    })
    .await;
    for event in events {
        carrier.redeliver_event(event.as_str().unwrap(), "3").await;
    }
    for admin in [&team.admin, &stack.user("carla")] {
        let emails = stack.wait_for_emails(&address(admin), &name).await;
        assert!(emails[0].text.contains("can now send text messages"), "{:?}", emails[0]);
        assert!(emails[0].html.contains(&name));
    }
    team.admin.put(&inbox.member("ben"), json!({})).await.expect(200);
    assert!(stack.user("ben").accounts().await.contains(&inbox.id));
    assert_eq!(
        team.get_registration().await["timeline"],
        timeline,
        "an event delivered four times is one timeline step"
    );
    for admin in [&team.admin, &stack.user("carla")] {
        assert_eq!(stack.wait_for_emails(&address(admin), &name).await.len(), 1);
    }
    let ben = stack.emails_to("ben@brightside.example").await;
    assert!(ben.iter().all(|email| !email.text.contains(&name)), "members get no e-mail");
}

/// ◆ product 2 and 3: a rejection shows the carrier's reasons. The registration is corrected and submitted
/// again.
#[tokio::test]
async fn a_rejection_shows_its_reasons_and_can_be_corrected() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Rejected", "amelia").await);
    team.create_inbox("Rejected").await;
    team.submit_registration().await;
    team.admin.post(&team.registration(), campaign()).await.problem(409, "registration_submitted");
    let service = team.messaging_service().await;
    carrier.decide_campaign(&service, "FAILED", &[("ErrorCode", "30886")]).await;
    let rejected = team.wait_for_registration("rejected").await;
    assert_eq!(rejected["timeline"][0]["codes"], json!([30886]), "{rejected:#}");
    assert!(rejected["notice"].as_str().unwrap().contains("submit"));
    let emails = stack.wait_for_emails(&address(&team.admin), "30886").await;
    assert_eq!(emails.len(), 1);
    let again = team.submit_registration().await;
    assert_eq!(
        (&again["status"], &again["carrier"]["messagingServiceSid"]),
        (&json!("pending"), &json!(service))
    );
    carrier.decide_campaign(&service, "VERIFIED", &[]).await;
    team.wait_for_registration("approved").await;
}

/// ◆ product 2 and 3: a suspension stops sends, hides the inboxes and notifies the admins. An approval ends
/// it.
#[tokio::test]
async fn a_suspension_hides_the_inboxes_until_it_is_lifted() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Suspended", "amelia").await);
    let name = format!("Suspension of {}", team.id);
    team.admin.patch(&team.path(), json!({ "name": name })).await.expect(200);
    let inbox = team.create_inbox("Suspended").await;
    team.register(&carrier).await;
    let (service, phone) = (team.messaging_service().await, Phone::new());
    team.admin.send("/v1/messages", compose(&inbox, &phone)).await.expect(202);
    carrier.decide_campaign(&service, "SUSPENDED", &[]).await;
    team.wait_for_registration("suspended").await;
    assert!(!team.admin.accounts().await.contains(&inbox.id));
    let refused = team.admin.post("/v1/messages", compose(&inbox, &phone)).await;
    assert_eq!(refused.problem(409, "registration_incomplete")["registration"], "suspended");
    let emails = eventually("both e-mails", WAIT_TIMEOUT, async || {
        let emails = stack.wait_for_emails(&address(&team.admin), &name).await;
        (emails.len() == 2).then_some(emails)
    });
    assert!(emails.await.iter().any(|email| email.subject.contains("suspended")));
    carrier.decide_campaign(&service, "VERIFIED", &[]).await;
    team.wait_for_registration("approved").await;
    assert!(team.admin.accounts().await.contains(&inbox.id));
    team.admin.send("/v1/messages", compose(&inbox, &phone)).await.expect(202);
}

fn event(service: &str, id: &str, at: &str, word: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "time": at, "source": format!("/v1/Services/{service}/Compliance"),
        "type": format!("com.twilio.messaging.compliance.campaign-registration.campaign-{word}"),
        "datacontenttype": "application/json", "dataschema": "https://events-schemas.twilio.com/A2P/2",
        "data": { "messagingservicesid": service, "campaignsid": "CMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    })
}

/// ◆ product 3: callbacks may be late and out of order. The product looks up the campaign instead of trusting
/// an event, and an older event changes nothing.
#[tokio::test]
async fn an_event_approves_nothing_by_itself_and_an_older_one_has_no_effect() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Events", "amelia").await);
    team.create_inbox("Events").await;
    team.submit_registration().await;
    let service = team.messaging_service().await;
    let wait_for_step = async |id: &str, status: &str| {
        eventually("the event is in the timeline", WAIT_TIMEOUT, async || {
            let registration = team.get_registration().await;
            let steps = registration["timeline"].as_array().unwrap().clone();
            let found = steps.into_iter().find(|step| step["at"] == id);
            found.map(|step| (registration["status"] == status, step))
        })
        .await
    };
    let (early, future) = ("2026-01-01T10:00:00.000Z", "2036-01-01T10:00:00.000Z");
    let approved = event(&service, &format!("EZ{service}1"), future, "approved");
    carrier.post_events(&json!([approved])).await.expect(200);
    let (still_pending, step) = wait_for_step(future, "pending").await;
    assert!(still_pending, "the campaign is still in review at the carrier: {step}");

    carrier.decide_campaign(&service, "VERIFIED", &[("Notify", "false")]).await;
    let again = event(&service, &format!("EZ{service}2"), "2036-01-01T10:00:01.000Z", "approved");
    carrier.post_events(&json!([again])).await.expect(200);
    team.wait_for_registration("approved").await;
    let failure = event(&service, &format!("EZ{service}3"), early, "failure");
    carrier
        .post_events(&json!([failure, event(&service, &format!("EZ{service}3"), early, "failure")]))
        .await
        .expect(200);
    let (still_approved, step) = wait_for_step(early, "approved").await;
    assert!(still_approved && step["detail"].is_string(), "{step}");
    let unknown = event("MGffffffffffffffffffffffffffffffff", "EZunknown", early, "approved");
    // The operator's log has the deletion of a campaign.
    let deleted = event(&service, &format!("EZ{service}4"), future, "deleted");
    carrier.post_events(&json!([unknown, deleted])).await.expect(200);
    team.wait_for_registration("approved").await;
}

/// Product 3: callbacks are verified. They need both valid credentials and a valid signature.
#[tokio::test]
async fn events_without_a_valid_signature_are_refused() {
    let stack = Stack::open();
    let carrier = stack.carrier();
    let (address, token) = carrier.events_endpoint();
    let body =
        json!([event("MGffffffffffffffffffffffffffffffff", "EZ1", "2026-01-01T10:00:00.000Z", "approved")])
            .to_string();
    let (url, signature) = product_tests::sign_json(&address, body.as_bytes(), token);
    let anonymous = stack.bearer(None);
    let request = |url: &str| anonymous.request_to(reqwest::Method::POST, url);
    let account = carrier.account();
    carrier.post_events_with(request(&url), body.clone(), &signature).await.problem(403, "signature");
    let wrong = request(&url).basic_auth(account, Some("wrong"));
    carrier.post_events_with(wrong, body.clone(), &signature).await.problem(403, "signature");
    let right = |url: &str| request(url).basic_auth(account, Some(token));
    carrier.post_events_with(right(&url), body.clone(), "bm9wZQ==").await.problem(403, "signature");
    carrier.post_events_with(right(&url), format!("{body} "), &signature).await.problem(403, "signature");
    carrier.post_events_with(right(&address), body.clone(), &signature).await.problem(403, "signature");
    carrier.post_events_with(right(&url), body, &signature).await.expect(200);
}

/// ◆ product 3: a scheduled poll checks pending registrations, so a lost callback delays an approval but does
/// not prevent it.
#[tokio::test]
async fn a_lost_event_delays_an_approval_but_does_not_prevent_it() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Poll", "amelia").await);
    team.create_inbox("Poll").await;
    team.submit_registration().await;
    eventually("the event of the submission arrives", WAIT_TIMEOUT, async || {
        let registration = team.get_registration().await;
        let steps = registration["timeline"].as_array().unwrap();
        steps.iter().any(|step| step["source"] == "callback").then_some(())
    })
    .await;
    carrier.decide_campaign(&team.messaging_service().await, "VERIFIED", &[("Notify", "false")]).await;
    let approved = eventually("the poll finds the approval", Duration::from_secs(200), async || {
        let registration = team.get_registration().await;
        (registration["status"] == "approved").then_some(registration)
    })
    .await;
    let steps = approved["timeline"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["status"] == "approved" && step["source"] == "poll"), "{steps:#?}");
}

#[tokio::test]
async fn only_admins_see_the_carriers_ids() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Names", "amelia").await;
    team.add_member("ben").await;
    team.create_inbox("Names").await;
    team.submit_registration().await;
    let (ben, dev) = (stack.user("ben"), stack.user("dev"));
    let seen = ben.get(&team.registration()).await.expect(200);
    assert_eq!((&seen["carrier"], &seen["status"]), (&Value::Null, &json!("pending")));
    ben.post(&team.registration(), campaign()).await.problem(403, "admin_required");
    dev.get(&team.registration()).await.problem(404, "not_found");
    let bad = json!({ "useCase": "?", "description": "short", "messageFlow": "", "messageSamples": [], "hasEmbeddedLinks": false, "hasEmbeddedPhone": false });
    let other = TestTeam::create(&stack, "Bad details", "amelia").await;
    let problem = other.admin.post(&other.registration(), bad).await.problem(422, "invalid_fields");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/useCase", "/description", "/messageFlow", "/messageSamples"]);
    let mut without = campaign();
    without.as_object_mut().unwrap().remove("useCase");
    other.admin.post(&other.registration(), without).await.expect_field_error("/useCase");
}
