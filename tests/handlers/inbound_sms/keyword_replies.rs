//! `inbound-sms` and `inbound-sweep`: keyword replies. Webhooks are also delivered twice, late and to hosts
//! that crash.

use std::time::Duration;

use shared_aws::{
    contact::{ContactEntry, ContactWrite, Contacts},
    keyword_reply::{KeywordReplies, KeywordReplyWrite, SavedKeywordReply},
    team::AuditEvent,
};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, KeywordReplyId},
    inbox::Inbox,
    keyword_reply::{KeywordReply, WrittenKeywordReply},
    opt_out::stop_text,
    registration::RegistrationStatus,
    tag::Tags,
    time::Timestamp,
};
use test_kit::{TestApp, build, crash};
use tokio::task::JoinSet;

use super::keywords::{
    AWAY, app, at, automatic_replies, crashing_app, deliver, inbound, receive, retire, set_registration,
    turn_on_out_of_office,
};

pub(crate) const HOURS: &str = "We are open from 9 to 5.";

/// Starts with an inbox that answers `hours` and `opening hours`, and tags the contact.
async fn start() -> TestApp {
    let test = TestApp::start().await;
    add_reply(&test, "kwr_1", &["Hours", "opening hours"], Some("Curious"), at(0)).await;
    test
}

pub(crate) async fn add_reply(
    test: &TestApp,
    id: &str,
    keywords: &[&str],
    tag: Option<&str>,
    saved_at: Timestamp,
) {
    let written = WrittenKeywordReply {
        keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
        text: HOURS.into(),
        tag: tag.map(str::to_owned),
    };
    let id = KeywordReplyId::parse(id).unwrap();
    let saved = SavedKeywordReply { id, reply: KeywordReply::parse(&written).unwrap(), saved_at };
    let event = AuditEvent {
        actor: &test.user.id,
        action: "keyword_reply.create",
        target: saved.id.as_str(),
        at: saved_at,
        entropy: 7,
    };
    let replies = KeywordReplies::new(test.table());
    let written = replies.write(&test.inbox, None, &saved, &event, None).await.unwrap();
    assert_eq!(written, KeywordReplyWrite::Done);
}

/// Returns the contact that is shown for the number.
async fn contact(test: &TestApp) -> ContactEntry {
    let contacts = Contacts::new(test.table());
    contacts.shown_entry(test.inbox.team_key(), &test.contact).await.unwrap().unwrap()
}

pub(crate) async fn tags(test: &TestApp) -> Vec<String> {
    contact(test).await.tags.iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_text_that_is_a_keyword_is_answered_once_and_tags_the_contact() {
    let test = start().await;
    turn_on_out_of_office(&test).await;
    for second in 10..13 {
        receive(&test, at(second), inbound(1, "HOURS?")).await;
    }
    assert_eq!(automatic_replies(&test).await, [HOURS], "and no out-of-office message");
    assert_eq!(tags(&test).await, ["Curious"]);
    receive(&test, at(20), inbound(2, "What are your hours?")).await;
    assert_eq!(automatic_replies(&test).await, [HOURS, AWAY]);
    receive(&test, at(30), inbound(3, "opening  hours")).await;
    assert_eq!(automatic_replies(&test).await, [HOURS, AWAY, HOURS], "each keyword is answered");
    assert!(contact(&test).await.contact.provisional);
}

#[tokio::test(flavor = "multi_thread")]
async fn opt_out_words_keep_their_meaning() {
    let test = start().await;
    receive(&test, at(10), inbound(1, "STOP")).await;
    receive(&test, at(20), inbound(2, "hours")).await;
    assert_eq!(automatic_replies(&test).await, [stop_text("Front")], "the contact opted out");
    assert_eq!(tags(&test).await, ["Curious"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_that_ends_no_opt_out_can_be_a_keyword() {
    let test = TestApp::start().await;
    add_reply(&test, "kwr_1", &["yes"], None, at(0)).await;
    receive(&test, at(10), inbound(1, "Yes!")).await;
    assert_eq!(automatic_replies(&test).await, [HOURS]);
    assert_eq!(tags(&test).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_own_numbers_and_loops_get_no_answer() {
    let test = start().await;
    for second in 10..16 {
        receive(&test, at(second), inbound(u32::try_from(second).unwrap(), "hours")).await;
    }
    assert_eq!(automatic_replies(&test).await, [HOURS, HOURS, HOURS], "at most three an hour");
    receive(&test, at(3_620), inbound(99, "hours")).await;
    assert_eq!(automatic_replies(&test).await.len(), 4);

    let own = start().await;
    let inbox = Inbox {
        id: build::inbox_id("inb_3"),
        number: own.contact.clone(),
        api_code: "MINE".into(),
        ..build::inbox()
    };
    own.add_inbox(&inbox).await;
    receive(&own, at(10), inbound(1, "hours")).await;
    assert_eq!(automatic_replies(&own).await, [""; 0]);
    assert_eq!(tags(&own).await, [""; 0]);

    let machine = TestApp::start().await;
    add_reply(&machine, "kwr_1", &["We are open from 9 to 5", "auto reply"], Some("Person"), at(0)).await;
    receive(&machine, at(10), inbound(1, HOURS)).await;
    receive(&machine, at(20), inbound(2, "[Auto-Reply]")).await;
    assert_eq!(automatic_replies(&machine).await, [""; 0], "the text of the inbox itself, and of a machine");
    assert_eq!(tags(&machine).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_may_not_send_and_a_blocked_contact_only_tag() {
    for case in 0..3 {
        let test = start().await;
        match case {
            0 => retire(&test).await,
            1 => set_registration(&test, RegistrationStatus::NotStarted).await,
            _ => {
                let provisional = Contact::provisional(&test.team.id, &test.contact);
                test.add_contact(&Contact { blocked: true, ..provisional }).await;
            }
        }
        receive(&test, at(10), inbound(1, "hours")).await;
        assert_eq!(automatic_replies(&test).await, [""; 0], "{case}");
        assert_eq!(tags(&test).await, ["Curious"], "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_delivery_does_not_bring_back_a_tag_and_is_not_answered_by_a_newer_reply() {
    let test = start().await;
    receive(&test, at(10), inbound(1, "hours")).await;
    receive(&test, at(10), inbound(2, "menu")).await;
    let (contacts, before) = (Contacts::new(test.table()), contact(&test).await);
    let after = ContactEntry { tags: Tags::default(), ..before.clone() };
    let written = contacts.write(test.inbox.team_key(), Some(&before), &after, None).await.unwrap();
    assert_eq!(written, ContactWrite::Done);
    add_reply(&test, "kwr_2", &["menu"], Some("Hungry"), at(15)).await;
    receive(&test, at(20), inbound(1, "hours")).await;
    receive(&test, at(20), inbound(2, "menu")).await;
    assert_eq!(automatic_replies(&test).await, [HOURS]);
    assert_eq!(tags(&test).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_keeps_its_tags_and_changes_of_a_user_at_the_same_time() {
    let test = start().await;
    receive(&test, at(5), inbound(1, "hello")).await;
    let (contacts, team) = (Contacts::new(test.table()), test.inbox.team_key());
    let read = contact(&test).await;
    receive(&test, at(10), inbound(2, "hours")).await;
    let mut named = ContactEntry { tags: Tags::parse("", &["VIP"]).unwrap(), ..read.clone() };
    named.contact.first_name = Some("Noor".into());
    named.contact.provisional = false;
    let written = contacts.write(team, Some(&read), &named, None).await.unwrap();
    assert_eq!(written, ContactWrite::Changed, "a user who does not know the tag");
    let read = contact(&test).await;
    named.tags = read.tags.with(&named.tags).unwrap();
    assert_eq!(contacts.write(team, Some(&read), &named, None).await.unwrap(), ContactWrite::Done);
    assert_eq!(tags(&test).await, ["Curious", "VIP"]);
    add_reply(&test, "kwr_2", &["menu"], Some("hungry"), at(15)).await;
    receive(&test, at(20), inbound(3, "menu")).await;
    assert_eq!(tags(&test).await, ["Curious", "hungry", "VIP"]);
    let provisional = Contact::provisional(&test.team.id, &test.contact);
    let other = Contact { id: ContactId::parse("con_kim").unwrap(), provisional: false, ..provisional };
    test.add_contact(&other).await;
    let found = contacts.with_number(team, &test.contact, 10, None).await.unwrap();
    assert_eq!(found.items.len(), 2, "both are found by the number");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_only_tagged_do_not_count_as_answered() {
    let test = TestApp::start().await;
    let words = ["one", "two", "three", "four"];
    for (index, word) in words.iter().enumerate() {
        add_reply(&test, &format!("kwr_{index}"), &[word], Some(word), at(0)).await;
    }
    set_registration(&test, RegistrationStatus::NotStarted).await;
    for (sid, word) in (0..3).zip(words) {
        receive(&test, at(10), inbound(sid, word)).await;
    }
    assert_eq!(tags(&test).await, ["one", "three", "two"]);
    assert_eq!(automatic_replies(&test).await, [""; 0]);
    set_registration(&test, RegistrationStatus::Approved).await;
    receive(&test, at(20), inbound(9, "four")).await;
    assert_eq!(automatic_replies(&test).await, [HOURS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_keyword_delivered_concurrently_is_answered_once() {
    let test = start().await;
    add_reply(&test, "kwr_2", &["menu"], Some("Hungry"), at(0)).await;
    let mut deliveries = JoinSet::new();
    for index in 0..8 {
        let app = app(&test);
        let (sid, text) = if index % 2 == 0 { (1, "hours") } else { (2, "menu") };
        deliveries.spawn(async move { deliver(&app, at(10), inbound(sid, text)).await });
    }
    let statuses = deliveries.join_all().await;
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    receive(&test, at(11), inbound(1, "hours")).await;
    receive(&test, at(11), inbound(2, "menu")).await;
    assert_eq!(automatic_replies(&test).await, [HOURS, HOURS]);
    assert_eq!(tags(&test).await, ["Curious", "Hungry"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_one_answer_is_sent_once_the_carrier_repeats() {
    for requests in crash::points() {
        let test = start().await;
        turn_on_out_of_office(&test).await;
        let status = deliver(&crashing_app(&test, requests), at(10), inbound(1, "hours")).await;
        receive(&test, at(11), inbound(1, "hours")).await;
        assert_eq!(automatic_replies(&test).await, [HOURS], "{requests}");
        assert_eq!(tags(&test).await, ["Curious"], "{requests}");
        if status == 200 {
            assert!(requests > 10, "{requests}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delivered_late_only_tags() {
    let test = start().await;
    receive(&test, at(5), inbound(1, "hello")).await;
    let status = deliver(&crashing_app(&test, 3), at(10), inbound(2, "hours")).await;
    assert!(status >= 500, "{status}");
    let late = at(10) + Duration::from_mins(16);
    receive(&test, late, inbound(2, "hours")).await;
    assert_eq!(automatic_replies(&test).await, [""; 0]);
    assert_eq!(tags(&test).await, ["Curious"]);
}
