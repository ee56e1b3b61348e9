//! Opt-outs, reviews, out-of-office messages, and keyword replies.

use shared_aws::{
    keyword_reply::{
        self, KeywordAnswer, KeywordAnswers, KeywordOutcome, KeywordReplyWrite, SavedKeywordReply,
    },
    opt_out::OptOutWrite,
};
use shared_domain::{
    ids::{KeywordReplyId, MessageId, ReviewId},
    inbox::InboxKind,
    keys::{TeamInboxKey, TeamKey},
    keyword_reply::{KeywordReply, WrittenKeywordReply},
    message::Message,
    notification::{MailingPreference, NotificationSettings},
    opt_out::{
        self, Keyword, KeywordDecision, KeywordReplies, OptOutSubject, ReviewOutcome, ReviewResolution,
    },
    out_of_office::ClosedPeriod,
    tag::Tags,
};

use crate::support::{TestStores, ada, at_second, audit_event, contact, number};

use super::{Measurements, TEXT, receive};

pub(super) async fn opt_outs(measured: &mut Measurements) {
    let stores = &measured.stores;
    let (contact_of_team, inbox) = (contact(5), stores.inbox.clone());
    let subject = OptOutSubject::of(&inbox, &contact_of_team.number);
    let answer = |at| {
        let text = stores.outbound(&contact_of_team.number, TEXT, &ada(), at_second(at));
        Message { sender: None, automatic: true, bypass_opt_out: true, ..text }
    };
    let (away, confirmation) = (answer(62), answer(64));
    let stop = stores.receive(&contact_of_team.number, "STOP", at_second(63)).await;
    let period = ClosedPeriod { id: "auto-1800000000000".into(), since: at_second(0), until: None };
    let given = async |stores: &TestStores| {
        stores.out_of_office.answer(stores.organization(), &period, &away).await.unwrap()
    };
    assert!(measured.measure("out-of-office message", given).await);
    let before = measured.stores.opt_outs.get(&subject).await.unwrap();
    let KeywordDecision::Keyword { change: Some(change), .. } =
        opt_out::after_keyword(&before.state, Keyword::Stop, false, KeywordReplies::Product, false)
    else {
        panic!("STOP changes nothing")
    };
    let entry = change.entry(&subject, contact_of_team.id.clone(), Some(stop.clone()), None, at_second(63));
    let recorded = OptOutWrite {
        team: &inbox.team,
        contact: &contact_of_team,
        entry: &entry,
        inbox: Some(&inbox.id),
        confirmation: Some(&confirmation),
        notify: false,
    };
    let record = async |stores: &TestStores| {
        stores.opt_outs.record(&subject, &before, &change, recorded).await.unwrap()
    };
    assert!(measured.measure("opt-out by keyword with confirmation", record).await);
    let out = measured.stores.opt_outs.get(&subject).await.unwrap();
    let remember_stop = async |stores: &TestStores| {
        stores.opt_outs.remember_stop(&subject, &out, &confirmation.id).await.unwrap()
    };
    assert!(measured.measure("keyword without effect", remember_stop).await);
    for (operation, kind) in [
        ("check the opt-outs before a send", InboxKind::Shared),
        ("check the opt-outs before a send, personal inbox", InboxKind::Personal),
    ] {
        let subjects = OptOutSubject::all_that_stop(inbox.team_key(), kind, &subject.number);
        let ask = async |stores: &TestStores| stores.opt_outs.any_out(&subjects).await.unwrap();
        assert!(measured.measure(operation, ask).await);
    }
}

pub(super) async fn keyword_replies(measured: &mut Measurements) {
    let (inbox, from, actor) = (measured.stores.inbox.clone(), contact(6).number, ada());
    let written = WrittenKeywordReply {
        keywords: vec!["Office hours".into(), "hours".into()],
        text: TEXT.into(),
        tag: Some("Curious".into()),
    };
    let id = KeywordReplyId::parse("kwr_01KB5Q8Z7M4T9XRA").unwrap();
    let reply = KeywordReply::parse(&written).unwrap();
    let saved = SavedKeywordReply { id, reply, saved_at: at_second(80) };
    let event = audit_event(&actor, "keyword_reply.create", inbox.id.as_str(), at_second(80));
    let replies = |stores: &TestStores| keyword_reply::KeywordReplies::new(stores.metered_table());
    let write =
        async |stores: &TestStores| replies(stores).write(&inbox, None, &saved, &event, None).await.unwrap();
    let done = measured.measure("create a keyword reply with two keywords", write).await;
    assert_eq!(done, KeywordReplyWrite::Done);
    let find = async |stores: &TestStores, text| replies(stores).find(inbox.key(), text).await.unwrap();
    let none = measured.measure("look for a keyword, none", async |stores| find(stores, "thanks").await);
    assert_eq!(none.await, None);
    let found = measured.measure("look for a keyword", async |stores| find(stores, "hours").await).await;
    assert_eq!(found, Some(saved.clone()));
    let message = measured.stores.receive(&from, "hours", at_second(81)).await;
    let text = measured.stores.outbound(&from, TEXT, &ada(), at_second(82));
    let answer = Message { sender: None, automatic: true, ..text };
    let tags = Tags::parse("", &["Curious"]).unwrap();
    let apply = async |stores: &TestStores| {
        let entry = stores.contacts.shown_entry(inbox.team_key(), &from).await.unwrap().unwrap();
        let (from, message, reply) = (&from, &message, Some(&answer));
        let answer = KeywordAnswer {
            inbox: &inbox,
            from,
            message,
            at: at_second(81),
            reply,
            tags: Some((&entry, &tags)),
        };
        KeywordAnswers::new(stores.metered_table()).write(&answer).await.unwrap()
    };
    assert_eq!(measured.measure("keyword reply with a tag", apply).await, KeywordOutcome::Done);
}

pub(super) async fn reviews(measured: &mut Measurements) {
    let stores = &measured.stores;
    let (organization, inbox) = (stores.organization().clone(), stores.inbox.clone());
    let unknown_contact =
        MailingPreference { enabled: true, recipients: vec!["desk@college.example".into()] };
    let settings = NotificationSettings { unknown_contact, ..NotificationSettings::default() };
    let ada = ada();
    let audit_event = audit_event(&ada, "notifications.edit", "team", at_second(0));
    stores
        .teams
        .put_notification_settings(
            TeamKey { organization: &organization, team: &inbox.team },
            &settings,
            &audit_event,
        )
        .await
        .unwrap();
    let operation = "inbound message, first of an unknown number, with notification";
    measured.measure(operation, async |stores| receive(stores, 998, 70).await).await;
    let index = TeamInboxKey { organization: &organization, team: &inbox.team, inbox: &inbox.id };
    let mut texts = Vec::new();
    for who in 20..45 {
        let text = measured.stores.receive(&number(who), TEXT, at_second(100 + who as u64)).await;
        let open_review = async |stores: &TestStores| {
            stores.reviews.open_review(index, &text, &number(who), TEXT).await.unwrap()
        };
        if who == 20 {
            assert!(measured.measure("open a review", open_review).await);
            assert!(!measured.measure("open a review, repeated", open_review).await);
        } else {
            assert!(open_review(&measured.stores).await);
        }
        texts.push(text);
    }
    let open = async |stores: &TestStores| stores.reviews.open(index, 25, None).await.unwrap();
    assert_eq!(measured.measure("open reviews, page of 25", open).await.items.len(), 25);
    let get = async |stores: &TestStores, index: TeamInboxKey<'_>, text: &MessageId| {
        stores.reviews.get(index, &ReviewId::of(text)).await.unwrap().unwrap().review
    };
    let review = measured
        .measure("read a review and its contact", async |stores| get(stores, index, &texts[0]).await)
        .await;
    let decided = ReviewResolution { outcome: ReviewOutcome::Dismissed, by: ada.clone(), at: at_second(200) };
    let end = async |stores: &TestStores| stores.reviews.resolve(index, &review, &decided).await.unwrap();
    assert!(measured.measure("dismiss a review", end).await);
    let (review, contact_of_team) = (get(&measured.stores, index, &texts[1]).await, contact(21));
    let subject = OptOutSubject::of_team(&organization, &inbox.team, &contact_of_team.number);
    let before = measured.stores.opt_outs.get(&subject).await.unwrap();
    let change = opt_out::after_user(&before.state, true).unwrap();
    let (text, by) = (Some(texts[1].clone()), Some(ada.id.clone()));
    let entry = change.entry(&subject, contact_of_team.id.clone(), text, by, at_second(200));
    let with = OptOutWrite {
        team: &inbox.team,
        contact: &contact_of_team,
        entry: &entry,
        inbox: None,
        confirmation: None,
        notify: false,
    };
    let decided = ReviewResolution { outcome: ReviewOutcome::OptedOut, ..decided };
    let opt_out = async |stores: &TestStores| {
        let (decision, state) = ((&review, &decided), (&before, &change));
        stores.reviews.resolve_with_opt_out(index, decision, &subject, state, with).await.unwrap()
    };
    assert!(measured.measure("resolve a review with an opt-out", opt_out).await);
}
