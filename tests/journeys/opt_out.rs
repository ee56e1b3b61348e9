//! Opt-outs: keywords, their scope, and the ledger.

use product_tests::{Office, PATIENCE, Phone, Stack, eventually};
use serde_json::{Value, json};

/// Product 7: a message that is only STOP opts out at once and is confirmed once. START opts in again. Until
/// then sends are refused. The ledger records both changes.
#[tokio::test]
async fn stop_opts_out_at_once_and_start_opts_in() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Opt-out", "amelia").await);
    let (inbox, other) = (office.creates("One").await, office.creates("Two").await);
    office.is_registered(&carrier).await;
    let (settings, desk) =
        (format!("{}/notification-settings", office.path()), format!("{}@brightside.example", office.team));
    let off = json!({ "enabled": false, "recipients": [] });
    let on = json!({ "enabled": true, "recipients": [desk] });
    office
        .admin
        .put(&settings, json!({ "optOutChanged": on, "unknownContact": off, "contactAdded": off }))
        .await
        .expect(200);
    let phone = Phone::new();
    carrier.text_in(&phone, &inbox.number, "Hello").await;
    carrier.text_in(&phone, &other.number, "Hello").await;
    let thread = stack.thread_in(&office.admin, &inbox.id, "inbox", &phone).await;
    let calm = carrier.calm().await; // no fault of another journey strikes the confirmation
    carrier.text_in(&phone, &inbox.number, " Stop. ").await;
    let words = async |count: usize| {
        eventually("the confirmation", PATIENCE, async || {
            let words = carrier.words_on(&phone).await;
            (words.len() == count).then_some(words)
        })
        .await
    };
    assert!(words(1).await[0].contains("unsubscribed"));
    drop(calm);
    let seen = thread.seen_by(&office.admin).await;
    assert_eq!(seen["contact"]["optedOut"], true);
    let second = stack.thread_in(&office.admin, &other.id, "inbox", &phone).await;
    assert_eq!(second.seen_by(&office.admin).await["contact"]["optedOut"], true, "the whole team");
    let token = thread.acquired_by(&office.admin).await;
    let reply = json!({ "text": "One more thing", "lockToken": token });
    office.admin.post(&thread.messages(), reply).await.problem(409, "opted_out");
    let compose =
        json!({ "from": { "inboxId": other.id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    office.admin.post("/v1/messages", compose.clone()).await.problem(409, "opted_out");
    let reasons = office.admin.get(&thread.can_send()).await.expect(200);
    assert_eq!(reasons["reasons"][0]["code"], "opted_out");
    let elsewhere = json!({ "from": { "inboxId": stack.desk().inbox_id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    office.admin.send("/v1/messages", elsewhere).await.expect(202); // another team
    words(2).await;

    carrier.text_in(&phone, &inbox.number, "STOP").await; // again: silence
    carrier.text_in(&phone, &other.number, "START").await; // not the number that STOP was texted to
    assert_eq!(thread.seen_by(&office.admin).await["contact"]["optedOut"], true);
    let calm = carrier.calm().await;
    carrier.text_in(&phone, &inbox.number, "start").await;
    assert!(words(3).await[2].contains("subscribed again"));
    drop(calm);
    assert_eq!(second.seen_by(&office.admin).await["contact"]["optedOut"], false);
    office.admin.send("/v1/messages", compose).await.expect(202);

    let contact = thread.seen_by(&office.admin).await["contact"]["contactId"].as_str().unwrap().to_owned();
    let ledger =
        office.admin.get(&format!("{}/contacts/{contact}/opt-outs", office.path())).await.expect(200);
    let lines: Vec<_> = ledger["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["status"].clone(), line["source"].clone()))
        .collect();
    assert_eq!(lines, [(json!("opted_in"), json!("keyword")), (json!("opted_out"), json!("keyword"))]);
    assert!(ledger["items"][1]["messageId"].is_string());
    let mails = stack.mails_about(&desk, "opt").await;
    assert!(!mails.is_empty());
    let csv = office
        .admin
        .request(reqwest::Method::GET, &format!("{}/opt-outs", office.path()))
        .header("accept", "text/csv");
    let csv = product_tests::client::read("GET opt-outs".into(), csv).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.body.lines().count(), 3, "{}", csv.body);
}

/// Product 7: a user opts out and in; START does not open what a user closed.
#[tokio::test]
async fn a_user_opts_a_contact_out_and_in() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "By hand", "amelia").await);
    let (inbox, phone) = (office.creates("By hand").await, Phone::new());
    office.is_registered(&carrier).await;
    let contacts = format!("{}/contacts", office.path());
    let made = office
        .admin
        .post(&contacts, json!({ "firstName": "Ola", "mobileNumber": phone.number() }))
        .await
        .expect(201);
    let opt_out = format!("{contacts}/{}/opt-out", made["contactId"].as_str().unwrap());
    assert_eq!(office.admin.put(&opt_out, Value::Null).await.expect(200)["optedOut"], true);
    office.admin.put(&opt_out, Value::Null).await.expect(200);
    carrier.text_in(&phone, &inbox.number, "START").await;
    let compose =
        json!({ "from": { "inboxId": inbox.id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    office.admin.post("/v1/messages", compose.clone()).await.problem(409, "opted_out");
    let twin = json!({ "firstName": "Ola's twin", "mobileNumber": phone.number() });
    let twin = office.admin.post(&contacts, twin).await.expect(201);
    assert_eq!(twin["optedOut"], true, "an opt-out is the number's, whoever has it");
    let number = json!({ "mobileNumber": Phone::new().number() });
    let moved = format!("{contacts}/{}", twin["contactId"].as_str().unwrap());
    assert_eq!(office.admin.patch(&moved, number).await.expect(200)["optedOut"], false);
    assert_eq!(office.admin.delete(&opt_out).await.expect(200)["optedOut"], false);
    office.admin.send("/v1/messages", compose).await.expect(202);
    let ledger = office.admin.get(&format!("{}/opt-outs", office.path())).await.expect(200);
    let users: Vec<_> =
        ledger["items"].as_array().unwrap().iter().map(|line| line["userId"].clone()).collect();
    assert_eq!(users, ["amelia", "amelia"]);
    stack.user("dev").put(&opt_out, Value::Null).await.problem(404, "not_found");
}

/// Product 7: STOP to a personal inbox blocks all personal inboxes of the organization, and no shared one.
#[tokio::test]
async fn stop_to_a_personal_inbox_applies_to_all_personal_inboxes() {
    let stack = Stack::open();
    let (carrier, phone) = (stack.carrier(), Phone::new());
    carrier.text_in(&phone, &stack.inbox("inb_ben").phone_number, "STOP").await;
    let to = json!({ "phoneNumber": phone.number() });
    for user in ["ben", "carla"] {
        let text = json!({ "from": { "inboxId": format!("inb_{user}") }, "to": to, "text": "Hi" });
        stack.user(user).post("/v1/messages", text).await.problem(409, "opted_out");
    }
    let shared = json!({ "from": { "inboxId": stack.desk().inbox_id }, "to": to, "text": "Hi" });
    stack.user("ben").send("/v1/messages", shared).await.expect(202);
}

/// Product 7: the carrier's refusal is recorded as an opt-out from the carrier.
#[tokio::test]
async fn a_refusal_by_the_carrier_is_recorded_as_an_opt_out() {
    let stack = Stack::open();
    let (carrier, amelia) = (stack.carrier(), stack.user("amelia"));
    let thread = stack.new_thread("Hello").await;
    let storm = carrier.storm("refuse:21610").await;
    let accepted = amelia.answer_in_any_weather(&thread, "Hello back").await.expect(202);
    amelia.message_in(accepted["messageId"].as_str().unwrap(), "failed").await;
    let _lull = storm.over().await;
    eventually("the contact is opted out", PATIENCE, async || {
        (thread.seen_by(&amelia).await["contact"]["optedOut"] == true).then_some(())
    })
    .await;
    let token = thread.acquired_by(&amelia).await;
    amelia
        .post(&thread.messages(), json!({ "text": "Again", "lockToken": token }))
        .await
        .problem(409, "opted_out");
}

/// Product 7: the carrier accepts a message to somebody who opted out there alone, and reports 21610 later.
#[tokio::test]
async fn an_opt_out_that_only_the_carrier_knows_is_recorded_from_its_status_callback() {
    let stack = Stack::open();
    let (carrier, amelia) = (stack.carrier(), stack.user("amelia"));
    let thread = stack.new_thread("Hello").await;
    carrier.opt_out(&thread.phone, &stack.desk().phone_number).await;
    let accepted = amelia.answer(&thread, "Hello back").await.expect(202);
    let message = amelia.message_in(accepted["messageId"].as_str().unwrap(), "failed").await;
    let states = message["states"].as_array().unwrap();
    assert!(states.iter().any(|state| state["code"] == "21610"), "{message}");
    assert_eq!(thread.seen_by(&amelia).await["contact"]["optedOut"], true);
    let token = thread.acquired_by(&amelia).await;
    let again = json!({ "text": "Again", "lockToken": token });
    amelia.post(&thread.messages(), again).await.problem(409, "opted_out");
}

/// Product 7: "please stop texting me" is put up for review, not acted upon; a member of the inbox judges
/// it, once.
#[tokio::test]
async fn an_opt_out_request_without_a_keyword_is_reviewed() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Judges", "amelia").await);
    let (inbox, phone, other) = (office.creates("Judged").await, Phone::new(), Phone::new());
    office.is_registered(&carrier).await;
    let reviews = format!("{}/opt-out-reviews", inbox.path());
    let waiting = async || office.admin.get(&reviews).await.expect(200)["items"].as_array().unwrap().clone();
    carrier.text_in(&phone, &inbox.number, "Please stop texting me!").await;
    carrier.text_in(&other, &inbox.number, "can u stop sending these messages").await;
    carrier.text_in(&other, &inbox.number, "I'll stop by tomorrow").await;
    let [newer, older] = &waiting().await[..] else { panic!("not two") };
    assert_eq!(older["text"], "Please stop texting me!");
    assert_eq!(older["contact"]["phoneNumber"], phone.number());
    let thread = stack.thread_in(&office.admin, &inbox.id, "inbox", &phone).await;
    assert_eq!(older["conversationId"], thread.id);
    assert_eq!(older["messageId"], thread.history(&office.admin).await[0]["messageId"]);
    assert_eq!(thread.seen_by(&office.admin).await["contact"]["optedOut"], false, "not acted upon");

    let page = office.admin.get(&format!("{reviews}?limit=1")).await.expect(200);
    assert_eq!(page["items"][0], *newer);
    let cursor = page["nextCursor"].as_str().unwrap();
    let page = office.admin.get(&format!("{reviews}?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!(page["items"][0], *older);

    let wish = format!("{reviews}/{}", older["reviewId"].as_str().unwrap());
    let (out, nothing) = (json!({ "decision": "opted_out" }), json!({ "decision": "dismissed" }));
    for stranger in ["olivia", "nora", "zoe"] {
        let stranger = stack.user(stranger); // the owner and other admins too: the texts are the members'
        stranger.get(&reviews).await.problem(404, "not_found");
        stranger.put(&wish, out.clone()).await.problem(404, "not_found");
    }
    let judged = office.admin.put(&wish, out.clone()).await.expect(200);
    assert_eq!(judged["decided"]["decision"], "opted_out");
    assert_eq!(judged["decided"]["by"]["userId"], "amelia");
    assert_eq!(judged["contact"]["optedOut"], true);
    assert_eq!(office.admin.put(&wish, out.clone()).await.expect(200), judged);
    office.admin.put(&wish, nothing.clone()).await.problem(409, "already_decided");
    let compose =
        json!({ "from": { "inboxId": inbox.id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    office.admin.post("/v1/messages", compose).await.problem(409, "opted_out");
    let ledger = office.admin.get(&format!("{}/opt-outs", office.path())).await.expect(200);
    assert_eq!(ledger["items"][0]["source"], "user");
    assert_eq!(ledger["items"][0]["messageId"], older["messageId"]);

    let other_wish = format!("{reviews}/{}", newer["reviewId"].as_str().unwrap());
    let judged = office.admin.put(&other_wish, nothing).await.expect(200);
    assert_eq!(judged["contact"]["optedOut"], false);
    office.admin.put(&other_wish, out).await.problem(409, "already_decided");
    assert!(waiting().await.is_empty());
}
