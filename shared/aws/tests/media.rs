//! Files of texts: what became of each is written once, and no text waits longer than the sweep.

use std::time::Duration;

use shared_aws::{
    clients::MediaJob,
    messaging::{InboundText, MediaFiles, PendingMedia, Receipt},
};
use shared_domain::{
    ids::{MediaId, MessageId},
    media::{Media, MediaRefusal, MediaState},
};

use crate::support::{Desk, number, seconds};

const SOURCE: &str = "https://api.example.com/Media/ME1";

fn pending(place: usize) -> Media {
    Media {
        id: MediaId::of_inbound("MM1", place),
        content_type: Some("image/jpeg".into()),
        state: MediaState::Pending { source: SOURCE.into() },
    }
}

/// A text with two files comes in.
async fn text_with_files(desk: &Desk) -> MessageId {
    let text = InboundText {
        carrier: "twilio",
        carrier_id: "MM1".into(),
        from: number(1),
        text: "Look".into(),
        media: vec![pending(0), pending(1)],
    };
    match desk.inbound.receive(&desk.inbox, &text, seconds(0)).await.unwrap() {
        Receipt::Stored(id) | Receipt::Duplicate(id) => id,
    }
}

fn job(desk: &Desk, message: &MessageId, place: usize) -> MediaJob {
    MediaJob { organization: desk.organization().clone(), message: message.clone(), place }
}

fn stored(place: usize) -> Media {
    Media { content_type: Some("image/png".into()), state: MediaState::Stored { size: 5 }, ..pending(place) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_stays_so_and_what_was_refused_may_still_be_had() {
    let desk = Desk::open().await;
    let message = text_with_files(&desk).await;
    let files = MediaFiles::new(desk.other_host());
    let refused = Media {
        state: MediaState::Refused { source: SOURCE.into(), reason: MediaRefusal::Unavailable },
        ..pending(1)
    };
    assert!(files.resolve(&job(&desk, &message, 1), &refused).await.unwrap());
    let media = desk.messages.get(desk.organization(), &message).await.unwrap().unwrap().media;
    assert_eq!(media, [pending(0), refused.clone()], "each file for itself");
    assert!(files.resolve(&job(&desk, &message, 1), &stored(1)).await.unwrap());
    assert!(!files.resolve(&job(&desk, &message, 1), &refused).await.unwrap());
    assert!(!files.resolve(&job(&desk, &message, 1), &stored(1)).await.unwrap(), "once");
    let media = desk.messages.get(desk.organization(), &message).await.unwrap().unwrap().media;
    assert_eq!(media, [pending(0), stored(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_what_is_not_there_writes_nothing() {
    let desk = Desk::open().await;
    let message = text_with_files(&desk).await;
    let files = MediaFiles::new(desk.other_host());
    let before = desk.all_rows().await;
    assert!(!files.resolve(&job(&desk, &message, 2), &stored(2)).await.unwrap(), "no third file");
    assert!(!files.resolve(&job(&desk, &message, 0), &stored(1)).await.unwrap(), "another file's outcome");
    let nobody = MessageId::in_conversation(&desk.conversation_with(&number(9)), seconds(0), 7);
    assert!(!files.resolve(&job(&desk, &nobody, 0), &stored(0)).await.unwrap());
    assert!(!files.resolve(&job(&desk, &MessageId::parse("msg_1").unwrap(), 0), &stored(0)).await.unwrap());
    assert_eq!(desk.all_rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_whose_files_the_stream_lost_is_found_by_the_sweep_until_it_is_queued() {
    let desk = Desk::open().await;
    let files = MediaFiles::new(desk.other_host());
    let message = text_with_files(&desk).await;
    let organization = desk.organization().clone();
    let waiting = PendingMedia { organization, message: message.clone(), files: 2, at: seconds(0) };
    files.enqueue(&waiting).await.unwrap();
    files.enqueue(&waiting).await.unwrap();
    assert!(files.overdue(seconds(60)).await.unwrap().is_empty());
    let found = files.overdue(seconds(0) + Duration::from_secs(61)).await.unwrap();
    assert_eq!(found, [waiting]);
    assert_eq!(found[0].jobs(), [job(&desk, &message, 0), job(&desk, &message, 1)]);
    files.remove(&message).await.unwrap();
    files.remove(&message).await.unwrap();
    assert!(files.overdue(seconds(600)).await.unwrap().is_empty());
}
