//! Media of messages: each outcome is written once, and the sweep finds messages whose jobs were lost.

use std::time::Duration;

use shared_aws::{
    clients::MediaJob,
    messaging::{InboundText, MediaFiles, PendingMedia, Receipt},
};
use shared_domain::{
    ids::{MediaId, MessageId},
    media::{Media, MediaRefusal, MediaState},
    phone::Channel,
};

use crate::support::{TestStores, at_second, number};

const SOURCE: &str = "https://api.example.com/Media/ME1";

fn pending(place: usize) -> Media {
    Media {
        id: MediaId::of_inbound("MM1", place),
        copy: None,
        content_type: Some("image/jpeg".into()),
        state: MediaState::Pending { source: SOURCE.into() },
    }
}

/// Receives a message with two files.
async fn text_with_files(stores: &TestStores) -> MessageId {
    let text = InboundText {
        carrier: "twilio",
        carrier_id: "MM1".into(),
        from: number(1),
        channel: Channel::Sms,
        text: "Look".into(),
        media: vec![pending(0), pending(1)],
    };
    match stores.inbound.receive(&stores.inbox, &text, at_second(0)).await.unwrap().0 {
        Receipt::Stored(id) | Receipt::Duplicate(id) => id,
        Receipt::Erased => panic!("the message was erased"),
    }
}

fn job(stores: &TestStores, message: &MessageId, place: usize) -> MediaJob {
    MediaJob { organization: stores.organization().clone(), message: message.clone(), place }
}

fn stored(place: usize) -> Media {
    Media { content_type: Some("image/png".into()), state: MediaState::Stored { size: 5 }, ..pending(place) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_file_stays_stored_and_a_refused_file_can_still_be_stored() {
    let stores = TestStores::start().await;
    let message = text_with_files(&stores).await;
    let files = MediaFiles::new(stores.table());
    let refused = Media {
        state: MediaState::Refused { source: SOURCE.into(), reason: MediaRefusal::Unavailable },
        ..pending(1)
    };
    assert!(files.resolve(&job(&stores, &message, 1), &refused).await.unwrap());
    let media = stores.messages.get(stores.organization(), &message).await.unwrap().unwrap().media;
    assert_eq!(media, [pending(0), refused.clone()], "the other file is unchanged");
    assert!(files.resolve(&job(&stores, &message, 1), &stored(1)).await.unwrap());
    assert!(!files.resolve(&job(&stores, &message, 1), &refused).await.unwrap());
    assert!(!files.resolve(&job(&stores, &message, 1), &stored(1)).await.unwrap(), "once");
    let media = stores.messages.get(stores.organization(), &message).await.unwrap().unwrap().media;
    assert_eq!(media, [pending(0), stored(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_a_missing_file_writes_nothing() {
    let stores = TestStores::start().await;
    let message = text_with_files(&stores).await;
    let files = MediaFiles::new(stores.table());
    let before = stores.all_items().await;
    assert!(!files.resolve(&job(&stores, &message, 2), &stored(2)).await.unwrap(), "there is no third file");
    assert!(
        !files.resolve(&job(&stores, &message, 0), &stored(1)).await.unwrap(),
        "the outcome belongs to another file"
    );
    let missing = MessageId::in_conversation(&stores.conversation_id(&number(9)), at_second(0), 7);
    assert!(!files.resolve(&job(&stores, &missing, 0), &stored(0)).await.unwrap());
    assert!(!files.resolve(&job(&stores, &MessageId::parse("msg_1").unwrap(), 0), &stored(0)).await.unwrap());
    assert_eq!(stores.all_items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_media_jobs_were_lost_is_overdue_until_it_is_queued() {
    let stores = TestStores::start().await;
    let files = MediaFiles::new(stores.table());
    let message = text_with_files(&stores).await;
    let organization = stores.organization().clone();
    let waiting = PendingMedia { organization, message: message.clone(), files: 2, at: at_second(0) };
    files.enqueue(&waiting).await.unwrap();
    files.enqueue(&waiting).await.unwrap();
    assert!(files.overdue(at_second(60)).await.unwrap().is_empty());
    let found = files.overdue(at_second(0) + Duration::from_secs(61)).await.unwrap();
    assert_eq!(found, [waiting]);
    assert_eq!(found[0].jobs(), [job(&stores, &message, 0), job(&stores, &message, 1)]);
    files.remove(&message).await.unwrap();
    files.remove(&message).await.unwrap();
    assert!(files.overdue(at_second(600)).await.unwrap().is_empty());
}
