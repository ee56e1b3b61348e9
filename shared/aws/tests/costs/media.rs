//! Media of messages.

use shared_aws::messaging::{InboundText, PendingMedia, Receipt};
use shared_domain::{
    ids::MediaId,
    media::{Media, MediaState},
};

use crate::support::{TestStores, at_second, inbound_text, number};

use super::Measurements;

pub(super) async fn files(measured: &mut Measurements) {
    let address = "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages/\
         MM0123456789abcdef0123456789abcdef/Media/ME0123456789abcdef0123456789abcdef";
    let file = |state: MediaState| {
        let (id, content_type) = (MediaId::of_inbound("MM1", 0), Some("image/jpeg".into()));
        Media { id, copy: None, content_type, state }
    };
    let pending = file(MediaState::Pending { source: address.into() });
    let text = InboundText { media: vec![pending], ..inbound_text(&number(7), "MM1", "Look") };
    let received = measured.stores.inbound.receive(&measured.stores.inbox, &text, at_second(900)).await;
    let (Receipt::Stored(message), _) = received.unwrap() else { panic!("the message is a duplicate") };
    let organization = measured.stores.organization().clone();
    let waiting = PendingMedia { organization: organization.clone(), message, files: 1, at: at_second(900) };
    let files = |stores: &TestStores| stores.media_files.clone();
    let enqueue = async |stores: &TestStores| files(stores).enqueue(&waiting).await.unwrap();
    measured.measure("queue the media of a message", enqueue).await;
    let (job, stored) = (waiting.jobs().remove(0), file(MediaState::Stored { size: 123_456 }));
    let resolve = async |stores: &TestStores| files(stores).resolve(&job, &stored).await.unwrap();
    assert!(measured.measure("record the outcome of a media file", resolve).await);
}
