//! Broadcasts and their recipients: counts that are always right, and releases that happen once.

use shared_aws::{
    broadcast::{
        BroadcastWrite, Broadcasts, NewRecipient, PreparedCounts, Recipients, Refused, Release, Released,
        StoredRecipient, reference,
    },
    inbox::Inboxes,
    messaging::{Acceptance, Accepted, Deliveries, Guard, Sends},
    opt_out::OptOuts,
    team::{AuditEvent, Members, Teams},
};
use shared_domain::{
    broadcast::{Broadcast, BroadcastStatus, Progress, RecipientState, SkipReason, WaitReason},
    contact::Contact,
    ids::MessageId,
    inbox::{Inbox, Stage, TeamInbox},
    keys::RecipientKey,
    message::{DeliveryState, Message, Report},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
};
use test_kit::build;

use crate::support::{TestStores, ada, at_second, membership, number, outbound_message};

/// A running broadcast of `ada` to the numbers 1 to `count`, of which the last gets no text.
pub(crate) struct TestBroadcast {
    pub(crate) stores: TestStores,
    broadcasts: Broadcasts,
    recipients: Recipients,
    pub(crate) broadcast: Broadcast,
    /// The version that a worker has read.
    version: u64,
}

impl TestBroadcast {
    pub(crate) async fn start(count: usize) -> Self {
        let stores = TestStores::start().await;
        let (table, organization) = (stores.table(), stores.organization().clone());
        let team = Team { id: stores.inbox.team.clone(), ..build::team() };
        Teams::new(table.clone()).put(&organization, &team).await.unwrap();
        Members::new(table.clone()).put(&organization, &membership(&stores.inbox, &ada())).await.unwrap();
        let (broadcasts, recipients) = (Broadcasts::new(table.clone()), Recipients::new(table));
        let draft = build::broadcast(&stores.inbox, &ada());
        let by = ada().id;
        let event = AuditEvent {
            actor: &by,
            action: "broadcast.create",
            target: draft.id.as_str(),
            at: at_second(0),
            entropy: 1,
        };
        assert_eq!(broadcasts.create(&draft, &event, None).await.unwrap(), BroadcastWrite::Done);
        let before = broadcasts.find(&organization, &draft.id).await.unwrap().unwrap();
        let broadcast = Broadcast { status: BroadcastStatus::Running, preparation: 1, ..draft };
        let mut counts = PreparedCounts::default();
        let new = |index: usize| NewRecipient {
            number: number(index),
            contact: None,
            text: Some(format!("Hi {index}.")),
            outcome: if index < count { Ok(at_second(1)) } else { Err(SkipReason::NoValue) },
        };
        let all: Vec<NewRecipient> = (1..=count).map(new).collect();
        for recipient in &all {
            counts.add(recipient, at_second(1));
        }
        let of = reference(&broadcast);
        recipients.put_many(&organization, &of, &all, at_second(1)).await.unwrap();
        let started = recipients.start(&before, &broadcast, &counts, Some(at_second(1))).await.unwrap();
        assert_eq!(started, BroadcastWrite::Done);
        let version = before.version + 1;
        Self { stores, broadcasts, recipients, broadcast, version }
    }

    pub(crate) async fn recipient(&self, index: usize) -> StoredRecipient {
        let (organization, of) = (self.stores.organization(), reference(&self.broadcast));
        self.recipients.get(organization, &of, &number(index)).await.unwrap().unwrap()
    }

    pub(crate) fn message(&self, to: &PhoneNumber) -> Message {
        let name = RecipientKey { broadcast: &self.broadcast.id, number: to };
        Message {
            id: MessageId::of_recipient(name, &self.broadcast.inbox, at_second(5)),
            contact_number: to.clone(),
            conversation: self.stores.conversation_id(to),
            broadcast: Some(reference(&self.broadcast)),
            ..outbound_message(&self.stores.inbox, to, "We close early.", &ada(), at_second(5))
        }
    }

    async fn release(&self, index: usize) -> Released {
        let recipient = self.recipient(index).await;
        self.release_as(&recipient).await
    }

    pub(crate) async fn release_as(&self, recipient: &StoredRecipient) -> Released {
        self.release_message(&self.message(&recipient.number), recipient).await
    }

    async fn release_message(&self, message: &Message, recipient: &StoredRecipient) -> Released {
        let contact = Contact::provisional(&self.broadcast.team, &recipient.number);
        let acceptance = Acceptance {
            organization: self.stores.organization(),
            message,
            contact: &contact,
            guard: Guard::Compose { user: Some(&ada().id) },
            idempotency: None,
        };
        let release = Release { broadcast: &self.broadcast, version: self.version, recipient };
        Sends::new(self.stores.metered_table()).release(acceptance, release).await.unwrap()
    }

    async fn progress(&self) -> Progress {
        let (organization, of) = (self.stores.organization(), reference(&self.broadcast));
        self.recipients.progress(organization, &of).await.unwrap()
    }

    async fn counts(&self) -> [u64; 8] {
        let progress = self.progress().await;
        RecipientState::ALL.map(|state| progress.count(state))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_recipient_is_queued_once_and_follows_its_message() {
    let test = TestBroadcast::start(4).await;
    assert_eq!(test.counts().await, [3, 0, 0, 0, 0, 0, 0, 1]);
    let waiting = test.recipient(1).await;
    assert_eq!(test.release_as(&waiting).await, Released::Queued);
    assert_eq!(test.release_as(&waiting).await, Released::Refused(Refused::NotWaiting));
    assert_eq!(test.counts().await, [2, 0, 1, 0, 0, 0, 0, 1]);
    let mut texts = Vec::new();
    for index in [1, 2, 4] {
        texts.push(test.recipient(index).await.text);
    }
    assert_eq!(texts, [None, Some("Hi 2.".into()), None], "only those that wait have a text");

    let deliveries = Deliveries::new(test.stores.table());
    let id = test.message(&number(1)).id;
    for (state, expected) in [
        (DeliveryState::Sent, [2, 0, 0, 1, 0, 0, 0, 1]),
        (DeliveryState::Sent, [2, 0, 0, 1, 0, 0, 0, 1]),
        (DeliveryState::Delivered, [2, 0, 0, 0, 1, 0, 0, 1]),
        (DeliveryState::Failed, [2, 0, 0, 0, 1, 0, 0, 1]),
    ] {
        let report = Report::at(at_second(9));
        deliveries.report(test.stores.organization(), &id, state, &report, None).await.unwrap();
        assert_eq!(test.counts().await, expected, "{state:?}");
    }
    assert_eq!(test.progress().await.total(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_requires_everything_that_a_broadcast_requires() {
    let test = TestBroadcast::start(6).await;
    let (table, organization) = (test.stores.table(), test.stores.organization().clone());
    let opt_outs = OptOuts::new(table.clone());
    opt_outs.set_blocked(test.stores.inbox.team_key(), &number(1), true).await.unwrap();
    assert_eq!(test.release(1).await, Released::Refused(Refused::Skip(SkipReason::Blocked)));

    let team = Team { id: test.stores.inbox.team.clone(), ..build::team() };
    let suspended = Team { registration: RegistrationStatus::Suspended, ..team.clone() };
    Teams::new(table.clone()).put(&organization, &suspended).await.unwrap();
    assert_eq!(test.release(2).await, Released::Refused(Refused::NotRegistered));
    Teams::new(table.clone()).put(&organization, &team).await.unwrap();

    let retired = Inbox { stage: Stage::Retired, ..test.stores.inbox.clone() };
    Inboxes::new(table.clone()).put(&retired).await.unwrap();
    assert_eq!(test.release(2).await, Released::Refused(Refused::Skip(SkipReason::Retired)));
    Inboxes::new(table.clone()).put(&test.stores.inbox).await.unwrap();

    let read =
        async || test.broadcasts.get(test.broadcast.team_key(), &test.broadcast.id).await.unwrap().unwrap();
    let before = read().await;
    let paused = Broadcast { status: BroadcastStatus::Paused, ..before.value.clone() };
    test.broadcasts.halt(&before, &paused, Some(at_second(9)), None, false).await.unwrap();
    assert_eq!(test.release(2).await, Released::Refused(Refused::NotRunning));
    let due = Some(at_second(10));
    test.broadcasts.write(&read().await, &before.value, due, None).await.unwrap();
    let late = test.release(2).await;
    assert_eq!(late, Released::Refused(Refused::NotRunning), "a worker of before the pause");
    assert_eq!(test.counts().await, [5, 0, 0, 0, 0, 0, 0, 1], "nothing was written");
    let resumed = TestBroadcast { version: read().await.version, ..test };
    assert_eq!(resumed.release(2).await, Released::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_segments_of_queued_texts_are_counted_also_of_those_that_are_sent_again() {
    let test = TestBroadcast::start(4).await;
    let organization = test.stores.organization();
    let segments = async || {
        let of = reference(&test.broadcast);
        test.recipients.counts(organization, &of).await.unwrap().queued_segments
    };
    let (deliveries, text) = (Deliveries::new(test.stores.table()), "We close early. ".repeat(20));
    let long = [1, 2].map(|index| Message { text: text.clone(), ..test.message(&number(index)) });
    for (message, expected) in long.iter().zip([3, 6]) {
        let recipient = test.recipient(usize::try_from(expected / 3).unwrap()).await;
        assert_eq!(test.release_message(message, &recipient).await, Released::Queued);
        assert_eq!(segments().await, expected);
    }
    for (message, state, expected) in [
        (&long[0], DeliveryState::Sent, 3),
        (&long[0], DeliveryState::Delivered, 3),
        (&long[1], DeliveryState::Failed, 0),
    ] {
        let report = Report::at(at_second(9));
        deliveries.report(organization, &message.id, state, &report, None).await.unwrap();
        assert_eq!(segments().await, expected, "{state:?}");
    }
    let again =
        TeamInbox { inbox: test.stores.inbox.clone(), team: build::team() }.retry(&long[1], at_second(10));
    let guard = Guard::Compose { user: Some(&ada().id) };
    assert_eq!(test.stores.accept(&again, guard, None).await, Accepted::Stored);
    assert_eq!(segments().await, 3);
    deliveries
        .report(organization, &again.id, DeliveryState::Sent, &Report::at(at_second(11)), None)
        .await
        .unwrap();
    assert_eq!(segments().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_that_wait_are_found_in_the_order_of_their_times() {
    let test = TestBroadcast::start(4).await;
    let (organization, of) = (test.stores.organization(), reference(&test.broadcast));
    let later = at_second(100);
    let held = test.recipient(2).await;
    assert!(test.recipients.hold(organization, &of, &held, WaitReason::QuietHours, later).await.unwrap());
    let skipped = test.recipient(3).await;
    assert!(test.recipients.skip(organization, &of, &skipped, SkipReason::Canceled).await.unwrap());
    assert!(!test.recipients.skip(organization, &of, &skipped, SkipReason::Canceled).await.unwrap());
    assert_eq!(test.counts().await, [1, 1, 0, 0, 0, 0, 0, 2]);
    let due = async |now| test.recipients.due(organization, &of, now, 10).await.unwrap();
    let numbers = |found: Vec<StoredRecipient>| found.into_iter().map(|one| one.number).collect::<Vec<_>>();
    assert_eq!(numbers(due(Some(at_second(2))).await), [number(1)]);
    assert_eq!(numbers(due(None).await), [number(1), number(2)]);
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = test.recipients.page(organization, &of, None, 1, after.as_deref()).await.unwrap();
        all.extend(numbers(page.items));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    all.sort();
    assert_eq!(all, (1..=4).map(number).collect::<Vec<_>>());
    let skipped = test.recipients.page(organization, &of, Some(RecipientState::Skipped), 10, None);
    assert_eq!(skipped.await.unwrap().items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_that_is_due_is_found_and_one_worker_has_its_lease() {
    let test = TestBroadcast::start(1).await;
    let (team, id) = (test.broadcast.team_key(), &test.broadcast.id);
    assert!(test.broadcasts.due(at_second(0)).await.unwrap().is_empty());
    assert_eq!(test.broadcasts.due(at_second(1)).await.unwrap()[0].broadcast, *id);
    test.broadcasts.postpone(&test.broadcast, None, None, at_second(60)).await.unwrap();
    assert!(test.broadcasts.due(at_second(59)).await.unwrap().is_empty());

    assert!(test.broadcasts.acquire(team, id, 1, false, at_second(0)).await.unwrap());
    assert!(!test.broadcasts.acquire(team, id, 2, false, at_second(1)).await.unwrap());
    assert!(
        test.broadcasts.acquire(team, id, 1, false, at_second(80)).await.unwrap(),
        "a worker renews its lease"
    );
    assert!(test.broadcasts.acquire(team, id, 2, false, at_second(171)).await.unwrap(), "the lease expired");
    test.broadcasts.give_back(team, id, 1, None).await.unwrap();
    assert!(!test.broadcasts.acquire(team, id, 3, false, at_second(172)).await.unwrap());
    test.broadcasts.give_back(team, id, 2, None).await.unwrap();
    assert!(test.broadcasts.acquire(team, id, 3, false, at_second(172)).await.unwrap());

    let again = Some(at_second(180));
    test.broadcasts.give_back(team, id, 3, again).await.unwrap();
    assert!(!test.broadcasts.acquire(team, id, 4, true, at_second(179)).await.unwrap(), "it continues later");
    assert!(test.broadcasts.acquire(team, id, 4, true, at_second(180)).await.unwrap());
    test.broadcasts.give_back(team, id, 4, again).await.unwrap();
    assert!(test.broadcasts.acquire(team, id, 5, false, at_second(179)).await.unwrap(), "a user is first");
}
