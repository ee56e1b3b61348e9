//! Keyword replies: each keyword belongs to one reply, also under concurrent writes.

use std::collections::BTreeMap;

use shared_aws::keyword_reply::{KeywordReplies, KeywordReplyWrite, SavedKeywordReply};
use shared_domain::{
    ids::KeywordReplyId,
    keyword_reply::{KeywordReply, WrittenKeywordReply},
};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, audit_event, seed};

const WORDS: [&str; 5] = ["hours", "menu", "address", "parking", "prices"];

fn saved(id: usize, keywords: &[&str]) -> SavedKeywordReply {
    let keywords = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
    let written = WrittenKeywordReply { keywords, text: "Hi.".into(), tag: None };
    let id = KeywordReplyId::parse(&format!("kwr_{id}")).unwrap();
    SavedKeywordReply { id, reply: KeywordReply::parse(&written).unwrap(), saved_at: at_second(1) }
}

/// Creates, changes or removes a reply, as a request does.
async fn step(stores: &TestStores, replies: &KeywordReplies, random: &mut fastrand::Rng) {
    let (inbox, actor, words) = (&stores.inbox, ada(), random.usize(1..=3));
    let event = audit_event(&actor, "keyword_reply.edit", "kwr", at_second(1));
    let keywords = random.choose_multiple(WORDS, words);
    let known = replies.page(inbox.key(), 100, None).await.unwrap().items;
    match random.choice(&known).filter(|_| random.usize(0..3) > 0) {
        Some(before) if random.usize(0..4) == 0 => {
            replies.remove(inbox, before, &event).await.unwrap();
        }
        before => {
            let id = random.usize(..);
            let wanted = SavedKeywordReply {
                id: before.map_or_else(|| saved(id, &keywords).id, |before| before.value.id.clone()),
                ..saved(id, &keywords)
            };
            let written = replies.write(inbox, before, &wanted, &event, None).await.unwrap();
            if let KeywordReplyWrite::KeywordTaken(keyword) = written {
                assert!(wanted.reply.keywords().contains(&keyword));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_keywords_are_those_of_the_replies_after_concurrent_writes() {
    let seed = seed();
    let stores = std::sync::Arc::new(TestStores::start().await);
    let mut tasks = JoinSet::new();
    for task in 0..4_u64 {
        let stores = stores.clone();
        tasks.spawn(async move {
            let replies = KeywordReplies::new(stores.table());
            let mut random = fastrand::Rng::with_seed(seed ^ task);
            for _ in 0..60 {
                step(&stores, &replies, &mut random).await;
            }
        });
    }
    tasks.join_all().await;
    let replies = KeywordReplies::new(stores.table());
    let key = stores.inbox.key();
    let page = replies.page(key, 100, None).await.unwrap();
    assert_eq!(page.items.len(), replies.count(key).await.unwrap());
    let mut owners = BTreeMap::new();
    for entry in &page.items {
        for keyword in entry.value.reply.keywords() {
            let other = owners.insert(keyword.clone(), entry.value.id.clone());
            assert_eq!(other, None, "two replies have {keyword}, seed {seed}");
        }
    }
    for word in WORDS {
        let found = replies.find(key, word).await.unwrap().map(|found| found.id);
        assert_eq!(found.as_ref(), owners.get(word), "{word}, seed {seed}");
    }
    let pointers = stores.items().await.into_keys().filter(|(_, sk)| sk.starts_with("KEYWORD#"));
    assert_eq!(pointers.count(), owners.len(), "keywords without a reply, seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_write_changes_nothing() {
    let stores = TestStores::start().await;
    let (replies, inbox, actor) = (KeywordReplies::new(stores.table()), &stores.inbox, ada());
    let event = audit_event(&actor, "keyword_reply.edit", "kwr_1", at_second(1));
    let first = saved(1, &["hours"]);
    assert_eq!(replies.write(inbox, None, &first, &event, None).await.unwrap(), KeywordReplyWrite::Done);
    assert_eq!(replies.write(inbox, None, &first, &event, None).await.unwrap(), {
        KeywordReplyWrite::KeywordTaken("hours".into())
    });
    let read = replies.get(inbox.key(), &first.id).await.unwrap().unwrap();
    let second = saved(1, &["menu"]);
    assert_eq!(
        replies.write(inbox, Some(&read), &second, &event, None).await.unwrap(),
        KeywordReplyWrite::Done
    );
    let before = stores.items().await;
    let third = saved(1, &["parking"]);
    assert_eq!(
        replies.write(inbox, Some(&read), &third, &event, None).await.unwrap(),
        KeywordReplyWrite::Changed
    );
    assert!(!replies.remove(inbox, &read, &event).await.unwrap());
    assert_eq!(stores.items().await, before);
}
