//! Broadcasts.

use shared_aws::broadcast::{
    BroadcastReplies, NewRecipient, RecipientReply, Recipients, Released, ReplyOutcome, reference,
};
use shared_domain::{
    ids::MessageId,
    message::{DeliveryState, Report},
    question::Answer,
};

use crate::{
    broadcasts::TestBroadcast,
    support::{TestStores, at_second, number},
};

use super::{Measurements, TEXT};

pub(super) async fn broadcasts(measured: &mut Measurements) {
    let it = Box::pin(TestBroadcast::start(3)).await;
    let TestBroadcast { stores, broadcast, .. } = &it;
    let (organization, of) = (stores.organization(), reference(broadcast));
    let recipients = Recipients::new(stores.metered_table());

    let new = |index: usize| NewRecipient {
        number: number(index),
        contact: None,
        text: Some(TEXT.into()),
        outcome: Ok(at_second(1)),
    };
    let hundred: Vec<NewRecipient> = (100..200).map(new).collect();
    let (stored, bill) = stores.cost(recipients.put_many(organization, &of, &hundred, at_second(1))).await;
    stored.unwrap();
    measured.lines.push(("prepare 100 recipients", bill));

    let (progress, bill) = stores.cost(recipients.progress(organization, &of)).await;
    assert_eq!(progress.unwrap().total(), 3);
    measured.lines.push(("read the progress of a broadcast", bill));

    let waiting = it.recipient(1).await;
    let (released, bill) = stores.cost(it.release_as(&waiting)).await;
    assert_eq!(released, Released::Queued);
    measured.lines.push(("release a text of a broadcast", bill));

    let message = it.message(&number(1));
    let report = Report::at(at_second(9));
    let sent = stores.messages.report(organization, &message.id, DeliveryState::Sent, &report, None).await;
    sent.unwrap();
    let message = stores.messages.get(organization, &message.id).await.unwrap().unwrap();
    let (followed, bill) = stores.cost(recipients.follow(organization, &message)).await;
    followed.unwrap();
    measured.lines.push(("a delivery report reaches the recipient", bill));

    let inbound = receive(stores).await;
    let reply = RecipientReply {
        organization,
        of: &of,
        number: &number(1),
        conversation: &message.conversation,
        message: &inbound,
        at: at_second(20),
        answer: Some(Answer::Yes),
        follow_up: None,
    };
    let replies = BroadcastReplies::new(stores.metered_table());
    let (replied, bill) = stores.cost(replies.write(&reply)).await;
    assert_eq!(replied.unwrap(), ReplyOutcome::Done);
    measured.lines.push(("store the reply to a broadcast", bill));
    let (again, bill) = stores.cost(replies.write(&reply)).await;
    assert_eq!(again.unwrap(), ReplyOutcome::Repeated);
    measured.lines.push(("store the reply to a broadcast, repeated", bill));
}

async fn receive(stores: &TestStores) -> MessageId {
    stores.receive(&number(1), "Yes", at_second(20)).await
}
