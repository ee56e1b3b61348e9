//! Replies and their answers, and failed texts that are sent again.

use std::time::Duration;

use serde_json::{Value, json};
use shared_app::retry::{FailedIn, Retried, RetryWorkflow};
use shared_aws::messaging::Deliveries;
use shared_domain::{
    contact::Contact,
    conversation::Folder,
    ids::ContactId,
    inbox::TeamInbox,
    message::{DeliveryState, Report},
    time::Timestamp,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock::now;
use test_kit::{
    build,
    gateway::{Event, json as body_of},
};

use super::{Broadcasting, CANCEL, CHANGE, CORRECT, PAUSE, RECIPIENTS, phone};
use crate::inbound_sms::keywords::{Inbound, inbound, receive};

impl Broadcasting {
    /// Reports the state of the newest message.
    async fn report(&self, state: DeliveryState, at: Timestamp) {
        let message = self.test.history().await.remove(0);
        let deliveries = Deliveries::new(self.test.table());
        let report = Report::at(at);
        let organization = self.test.organization();
        deliveries.report(organization, &message.id, state, &report, Some("SM1")).await.unwrap();
    }

    async fn replied(&self, id: &str) -> u64 {
        self.read(id).await["progress"]["replied"].as_u64().unwrap()
    }

    /// Sends failed messages again.
    async fn retry(&self, since: Timestamp, now: Timestamp) -> Retried {
        let from = TeamInbox { inbox: self.test.inbox.clone(), team: self.test.team.clone() };
        let which = FailedIn { codes: None, since, until: now };
        let workflow = RetryWorkflow::new(&self.test.table());
        workflow.retry(&from, &build::user_id("ada"), which, now).await.unwrap()
    }
}

/// ◆ product 8a: the first inbound message within the reply window is marked as the reply, and counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_of_a_recipient_is_the_reply_and_counts_once() {
    let it = Broadcasting::start().await;
    let id = it.ask(json!({})).await;
    it.reply(1, "On our way").await;
    it.reply(1, "On our way").await; // delivered again
    it.reply(2, "And hungry").await;
    let broadcast = it.read(&id).await;
    assert_eq!((&broadcast["progress"]["replied"], &broadcast["answers"]), (&json!(1), &json!([])));
    let recipient = it.recipients(&id).await.remove(0);
    assert!(recipient["repliedAt"].is_string() && recipient.get("answer").is_none(), "{recipient}");
    let history = it.test.history().await;
    let of: Vec<bool> = history.iter().rev().map(|message| message.broadcast.is_some()).collect();
    assert_eq!(of, [true, true, false], "the text, the reply, and a message after it");
    let conversation = it.test.conversation().await.unwrap();
    assert_eq!((conversation.folder, conversation.read), (Folder::Inbox, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn opt_outs_automatic_messages_and_answers_to_a_newer_message_are_no_replies() {
    for text in ["STOP", "I'm driving right now - I'll get back to you later."] {
        let it = Broadcasting::start().await;
        let id = it.ask(json!({})).await;
        it.reply(1, text).await;
        assert_eq!(it.read(&id).await["progress"]["replied"], 0, "{text}");
    }
    let it = Broadcasting::start().await;
    let id = it.ask(json!({})).await;
    it.test.accept_message("Did you get that?", now() + Duration::from_secs(30)).await;
    it.reply(1, "Which text?").await;
    assert_eq!(it.read(&id).await["progress"]["replied"], 0, "an answer to a newer message");
    let it = Broadcasting::start().await;
    let id = it.ask(json!({})).await;
    let late = now() + Duration::from_hours(73);
    receive(&it.test, late, inbound(1, "Too late")).await;
    assert_eq!(it.read(&id).await["progress"]["replied"], 0, "after the reply window");
}

/// ◆ product 8a: a question with answers, each with an automatic follow-up; the first answer is sorted, and a
/// user may correct it.
#[tokio::test(flavor = "multi_thread")]
async fn replies_to_a_question_are_sorted_followed_up_and_corrected() {
    let it = Broadcasting::start().await;
    let question = json!({ "kind": "yes_no", "followUps": { "yes": "See you then!" } });
    let id = it.ask(json!({ "question": question })).await;
    it.reply(1, "Yes!").await;
    it.reply(1, "Yes!").await;
    it.reply(2, "no").await;
    assert_eq!(it.texts().await, ["Will you come?", "Yes!", "See you then!", "no"]);
    let answers = |yes: u64, other: u64| json!([{ "answer": "yes", "count": yes }, { "answer": "no", "count": 0 }, { "answer": "other", "count": other }]);
    let broadcast = it.read(&id).await;
    assert_eq!((&broadcast["answers"], &broadcast["progress"]["replied"]), (&answers(1, 0), &json!(1)));
    let correct = async |user, answer: &str| {
        let body = json!({ "phoneNumber": it.test.contact.as_str(), "answer": answer });
        it.of(user, CORRECT, &id, Some(body)).await
    };
    let (status, recipient) = correct("bob", "other").await;
    assert_eq!((status, &recipient["answer"]), (200, &json!("other")));
    assert_eq!(correct("bob", "other").await.0, 200, "it is idempotent");
    assert_eq!(it.read(&id).await["answers"], answers(0, 1));
    let (status, refused) = correct("bob", "4").await;
    assert_eq!((status, &refused["errors"][0]["pointer"]), (422, &json!("/answer")));
    assert_eq!(correct("cyn", "yes").await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_seems_to_ask_for_an_opt_out_is_no_answer_and_gets_no_follow_up() {
    let it = Broadcasting::start().await;
    let question = json!({ "kind": "yes_no", "followUps": { "other": "Please reply yes or no." } });
    let id = it.ask(json!({ "question": question })).await;
    it.reply(1, "Please stop texting me").await;
    assert_eq!(it.texts().await, ["Will you come?", "Please stop texting me"]);
    let broadcast = it.read(&id).await;
    assert_eq!(broadcast["progress"]["replied"], 1);
    assert!(broadcast["answers"].as_array().unwrap().iter().all(|one| one["count"] == 0), "{broadcast}");
}

/// ◆ product 8a: a segment by the result of an earlier broadcast, for example to remind those who did not
/// answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_has_the_contacts_with_a_result_in_an_earlier_broadcast() {
    let it = Broadcasting::start().await;
    let other =
        Contact { id: ContactId::new(now(), 7), number: phone(150), external_id: None, ..build::contact() };
    for contact in [build::contact(), other] {
        it.test.add_contact(&contact).await;
    }
    let id = it.ask(json!({ "question": { "kind": "yes_no" } })).await;
    it.reply(1, "Yes!").await;
    let draft = it.draft(&["+12025550150"], "Not sent").await;
    let segments = segments::App::new(&it.test.table(), Claims::standard(), Cursors::fixed("secret"));
    let count = async |field: String, op: &str, value: Value| {
        let body = json!({ "filter": { "field": field, "op": op, "value": value } });
        let event = Event::new("POST /v1/teams/{teamId}/segments/preview", &[("teamId", "team_1")]);
        let request = event.user("org_1", "ada").json(&body).request();
        let response = answer(&segments::router(segments.clone()), now(), 1, request).await;
        let preview = body_of(&response);
        assert_eq!(response.status(), 200, "{preview}");
        preview["count"].as_u64().unwrap()
    };
    let (state, given) = (format!("broadcast.{id}.state"), format!("broadcast.{id}.answer"));
    assert_eq!(count(state.clone(), "eq", json!("sent")).await, 1);
    assert_eq!(count(state.clone(), "ne", json!("sent")).await, 1);
    assert_eq!(count(state, "exists", json!(true)).await, 1);
    assert_eq!(count(given.clone(), "eq", json!("yes")).await, 1);
    assert_eq!(count(given, "ne", json!("yes")).await, 1);
    assert_eq!(count(format!("broadcast.{draft}.state"), "exists", json!(true)).await, 0, "not started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_text_that_is_sent_again_is_delivered_and_replied_to_as_that_of_its_recipient() {
    let it = Broadcasting::start().await;
    let begun = now();
    let id = it.ask(json!({})).await;
    it.report(DeliveryState::Failed, now()).await;
    assert_eq!(it.read(&id).await["progress"]["failed"], 1);
    let retried = it.retry(begun, now() + Duration::from_secs(1)).await;
    assert_eq!((retried.queued, retried.skipped), (1, 0));
    let progress = it.read(&id).await["progress"].clone();
    assert_eq!((&progress["failed"], &progress["queued"]), (&json!(0), &json!(1)), "{progress}");
    it.report(DeliveryState::Delivered, now()).await;
    it.reply(1, "I will").await;
    let progress = it.read(&id).await["progress"].clone();
    assert_eq!((&progress["delivered"], &progress["replied"]), (&json!(1), &json!(1)), "{progress}");
    let (_, recipients) = it.of("ada", RECIPIENTS, &id, None).await;
    assert_eq!(recipients["items"][0]["messageId"], it.test.history().await[1].id.as_str());
    assert_eq!(it.test.history().await[0].broadcast.as_ref().unwrap().broadcast.as_str(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_window_of_a_text_that_is_sent_again_begins_again() {
    let it = Broadcasting::start().await;
    let id = it.ask(json!({ "replyWindowHours": 1 })).await;
    it.report(DeliveryState::Failed, now()).await;
    let later = now() + Duration::from_hours(2);
    assert_eq!(it.retry(now() - Duration::from_secs(60), later).await.queued, 1);
    it.report(DeliveryState::Sent, later).await;
    receive(&it.test, later + Duration::from_mins(5), inbound(1, "I will")).await;
    assert_eq!(it.read(&id).await["progress"]["replied"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_text_is_sent_again_within_the_hours_of_its_recipient() {
    let it = Broadcasting::start().await;
    let noon = Timestamp::parse("2027-01-12T17:00:00Z").unwrap(); // in Washington
    let id = it.draft_at(noon, &[it.test.contact.as_str()], "Closed").await;
    let change = json!({ "hours": { "mode": "recipient" } });
    it.of("ada", CHANGE, &id, Some(change)).await;
    it.confirm(&id).await;
    it.work(noon).await;
    it.work(noon).await;
    it.report(DeliveryState::Failed, noon).await;
    let hours = |hours: u64| noon + Duration::from_hours(hours);
    let late = it.retry(noon, hours(9)).await;
    assert_eq!((late.queued, late.skipped), (0, 1), "at nine in the evening");
    let morning = it.retry(noon, hours(22)).await;
    assert_eq!((morning.queued, morning.skipped), (1, 0), "at ten in the morning");
    let again = it.test.history().await.remove(0);
    assert_eq!(again.send_until, Some(hours(32)), "until eight in the evening");
}

/// Reports and replies still come, also to a broadcast of which nothing waits.
#[tokio::test(flavor = "multi_thread")]
async fn failed_texts_of_a_canceled_broadcast_are_not_sent_again_and_those_of_a_paused_one_are() {
    for (step, queued) in [(PAUSE, 1), (CANCEL, 0)] {
        let it = Broadcasting::start().await;
        let start = now();
        let id = it.draft(&[it.test.contact.as_str(), "+12025550199"], "Closed").await;
        it.confirm(&id).await;
        it.work(start).await;
        it.report(DeliveryState::Failed, start).await;
        assert_eq!(it.of("ada", step, &id, None).await.0, 200);
        let later = start + Duration::from_mins(1);
        let retried = it.retry(start, later).await;
        assert_eq!((retried.queued, retried.skipped), (queued, 1 - queued), "{step}");
        it.sweep(later).await;
        it.work(later).await;
        assert_eq!(it.sweep(later + Duration::from_secs(30)).await, 0, "{step}: it was looked at");
    }
}

fn yes_no(follow_up: &str) -> Value {
    json!({ "question": { "kind": "yes_no", "followUps": { "yes": follow_up } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_answers_the_text_before_while_a_later_one_waits() {
    let it = Broadcasting::start().await;
    let first = it.ask(yes_no("See you then!")).await;
    let (second, text) = it.queue_text(yes_no("The bus leaves at 9.")).await;
    it.reply(1, "Yes").await;
    let texts = it.texts().await;
    assert_eq!(texts, ["Will you come?", "Will you come?", "Yes", "See you then!"]);
    assert_eq!((it.replied(&first).await, it.replied(&second).await), (1, 0));
    assert_eq!(it.read(&first).await["answers"][0], json!({ "answer": "yes", "count": 1 }));

    it.report_text(&text, DeliveryState::Sent).await;
    it.reply(1, "Yes").await; // delivered again
    assert_eq!((it.texts().await, it.replied(&second).await), (texts, 0));
    it.reply(2, "Yes").await;
    assert_eq!((it.replied(&first).await, it.replied(&second).await), (1, 1));
    assert_eq!(it.texts().await[5..], ["The bus leaves at 9."]);
}

/// The reply window of the text before may be longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_answers_the_text_before_if_a_later_one_did_not_arrive() {
    for (state, answers_first) in
        [(DeliveryState::Failed, true), (DeliveryState::Undelivered, true), (DeliveryState::Delivered, false)]
    {
        for hours in [0, 2] {
            let it = Broadcasting::start().await;
            let first = it.ask(yes_no("See you then!")).await;
            let (second, text) = it.queue_text(json!({ "replyWindowHours": 1 })).await;
            it.report_text(&text, state).await;
            let at = now() + Duration::from_hours(hours) + Duration::from_mins(1);
            receive(&it.test, at, inbound(1, "Yes")).await;
            let replied = (it.replied(&first).await == 1, it.replied(&second).await == 1);
            assert_eq!(replied, (answers_first, !answers_first && hours == 0), "{state:?} {hours}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_waits_or_did_not_arrive_has_no_reply() {
    for state in [None, Some(DeliveryState::Undelivered), Some(DeliveryState::Failed)] {
        let it = Broadcasting::start().await;
        let (id, text) = it.queue_text(yes_no("See you then!")).await;
        if let Some(state) = state {
            it.report_text(&text, state).await;
        }
        it.reply(1, "Yes").await;
        assert_eq!(it.replied(&id).await, 0, "{state:?}");
        assert_eq!(it.texts().await, ["Will you come?", "Yes"], "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_waits_hides_no_message_of_a_user() {
    let it = Broadcasting::start().await;
    let first = it.ask(json!({})).await;
    it.test.accept_message("Did you get that?", now()).await;
    let (second, _) = it.queue_text(json!({})).await;
    it.reply(1, "Which text?").await;
    assert_eq!((it.replied(&first).await, it.replied(&second).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_text_that_is_sent_again_and_waits_leaves_a_message_to_the_text_before() {
    let it = Broadcasting::start().await;
    let first = it.ask(json!({})).await;
    let begun = now();
    let (second, text) = it.queue_text(json!({})).await;
    it.report_text(&text, DeliveryState::Failed).await;
    assert_eq!(it.retry(begun, now() + Duration::from_secs(1)).await.queued, 1);
    it.reply(1, "Yes").await;
    assert_eq!((it.replied(&first).await, it.replied(&second).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_without_words_is_sorted_by_a_user_and_a_yes_that_the_carrier_knows_is_an_answer() {
    let question = json!({ "question": { "kind": "yes_no", "followUps": { "yes": "See you then!" } } });
    let it = Broadcasting::start().await;
    let id = it.ask(question.clone()).await;
    it.reply(1, "\u{200b}").await;
    assert_eq!(it.read(&id).await["progress"]["replied"], 1);
    let body = json!({ "phoneNumber": it.test.contact.as_str(), "answer": "yes" });
    let (status, corrected) = it.of("ada", CORRECT, &id, Some(body)).await;
    assert_eq!((status, &corrected["answer"]), (200, &json!("yes")));
    assert_eq!(it.read(&id).await["answers"][0], json!({ "answer": "yes", "count": 1 }));

    let it = Broadcasting::start().await;
    let id = it.ask(question).await;
    let by_carrier = Inbound { more: &[("OptOutType", "START")], ..inbound(1, "YES") };
    receive(&it.test, now() + Duration::from_secs(60), by_carrier).await;
    assert_eq!(it.read(&id).await["answers"][0], json!({ "answer": "yes", "count": 1 }));
    assert_eq!(it.texts().await, ["Will you come?", "YES"], "the carrier answered it already");
}
