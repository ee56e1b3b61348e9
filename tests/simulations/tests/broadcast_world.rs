//! A broadcast, what users and recipients do while it runs, and what has to be true of it at every instant.

mod outcome;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde_json::json;
use shared_app::broadcast::{BroadcastWorkflow, Confirmation, StepOutcome};
use shared_aws::{
    broadcast::{BroadcastWrite, Broadcasts, Recipients, StoredRecipient, reference},
    clients::BroadcastJob,
    contact::{ContactEntry, Contacts, Lookup},
    conversation::{Acquired, Locks},
    messaging::{Inbound, Messages, Outbox, OutboxEntry},
    opt_out::OptOuts,
    segment::{SegmentWrite, Segments},
    table::{Table, Versioned},
    team::{AuditEvent, Members, Teams},
};
use shared_domain::{
    audience::{AudienceSegment, Filter, SegmentKind},
    broadcast::{
        Audience, Broadcast, BroadcastStatus, BroadcastStep, Progress, RecipientState as State, WaitReason,
    },
    contact::Contact,
    ids::{BroadcastId, ContactId, ConversationId, MessageId, SegmentId},
    keys::RecipientKey,
    lock::LockPolicy,
    message::{DeliveryState, Message},
    opt_out::KeywordReplies,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    sending_hours::HoursMode,
    team::Team,
    time::Timestamp,
};
use test_kit::{
    build::{self, INBOX_NUMBER},
    carrier::ACCOUNT,
    clock::TestClock,
    lambda_event::{event, sqs_record},
    queue::broadcast_queue,
    twilio::{signed_fields, webhook_accounts},
};

use crate::send_path::SendPath;

/// 2026-01-14 at 19:45 where the recipients are. The carrier simulator has the real time, which is later.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_768_445_100_000);
/// After this time, a worker puts the broadcast back into the queue.
const SLICE: Duration = Duration::from_secs(5);
/// How many requests of a check run at the same time.
const MAX_CONCURRENCY: usize = 16;
/// How many numbers an audience has besides its segment, as the API allows.
const MAX_SINGLE: usize = 1_000;

pub(crate) type Work = Pin<Box<dyn Future<Output = bool>>>;

/// What users, recipients and the registry do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Pause,
    /// The registration is approved, and a paused broadcast is resumed.
    GoOn,
    Cancel,
    /// The user who confirmed the broadcast leaves the inbox.
    RemoveSender,
    Suspend,
    /// A recipient opts out.
    Stop,
    /// A recipient writes something else.
    Reply,
    Block,
    /// A colleague acquires the lock of a conversation.
    Lock,
}

impl Act {
    pub(crate) const ALL: [Self; 9] = [
        Self::Pause,
        Self::GoOn,
        Self::Cancel,
        Self::RemoveSender,
        Self::Suspend,
        Self::Stop,
        Self::Reply,
        Self::Block,
        Self::Lock,
    ];
}

/// A broadcast with its recipients.
pub(crate) struct World {
    pub(crate) path: Rc<SendPath>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) seed: u64,
    /// The numbers of the audience.
    pub(crate) numbers: Vec<PhoneNumber>,
    draft: Broadcast,
    /// Whether texts go through the relay and the sender to the carrier simulator.
    is_sent: bool,
    acts: u64,
    /// Why a recipient may get no text.
    refusing: BTreeMap<PhoneNumber, BTreeSet<&'static str>>,
    /// Numbers that were refused before their text was released.
    forbidden: BTreeSet<PhoneNumber>,
    /// Numbers that opted out before their text was at the carrier.
    silent: BTreeSet<PhoneNumber>,
    /// Until when a recipient who waited could not be released.
    locked: BTreeMap<PhoneNumber, Timestamp>,
    /// Recipients who wrote after the carrier had their text.
    replied: BTreeSet<PhoneNumber>,
    /// How many texts were released when they were stopped, until [`Act::GoOn`].
    stopped_at: Option<u64>,
    /// How many texts were released when the broadcast was canceled or its sender removed.
    ended_at: Option<u64>,
    /// Why those who wait get no text after that.
    ended_by: Option<&'static str>,
    /// The one message of each number.
    texted: BTreeMap<PhoneNumber, MessageId>,
}

impl World {
    /// Stores the draft of a broadcast to these numbers. Some of them are contacts of a segment, the first
    /// number of the others is named twice, and some have written before.
    pub(crate) async fn start(path: Rc<SendPath>, seed: u64, numbers: Vec<PhoneNumber>) -> Self {
        let (inbox, app) = (&path.inbox.app.inbox, &path.inbox.app);
        app.add_member(inbox, &app.user).await;
        let group = format!("Group {}", numbers[0].as_str());
        let singles = (numbers.len() / 2).min(MAX_SINGLE - 1);
        let (single, contacts) = numbers.split_at(singles);
        let entry = |number: &PhoneNumber| {
            let id = number.as_str().trim_start_matches('+').parse().unwrap();
            let last_name = Some(group.clone());
            let contact = Contact {
                id: ContactId::new(START, id),
                last_name,
                number: number.clone(),
                ..build::contact()
            };
            ContactEntry::new(Contact { external_id: Some(format!("S-{id}")), ..contact })
        };
        let entries: Vec<ContactEntry> = contacts.iter().map(entry).collect();
        let stored = stream::iter(entries.chunks(100)).map(|entries| async {
            let entries: Vec<&ContactEntry> = entries.iter().collect();
            Contacts::new(app.table()).create_many(inbox.team_key(), &entries, &Lookup::default()).await
        });
        stored.buffer_unordered(MAX_CONCURRENCY).for_each(|stored| async { stored.unwrap() }).await;
        let id = numbers[0].as_str().trim_start_matches('+');
        let filter = json!({ "field": "lastName", "op": "eq", "value": group });
        let segment = AudienceSegment {
            id: SegmentId::parse(&format!("seg_{id}")).unwrap(),
            name: group.clone(),
            kind: SegmentKind::Filter(Filter::parse("", &filter).unwrap()),
            count: 0,
            complete: true,
            counted_at: START,
        };
        let written = Segments::new(app.table()).write(inbox.team_key(), None, &segment, None).await;
        assert_eq!(written.unwrap(), SegmentWrite::Done);
        let (segments, mut named) = (vec![segment.id], single.to_vec());
        named.extend(single.first().cloned());
        let draft = Broadcast {
            id: BroadcastId::parse(&format!("bct_{id}")).unwrap(),
            audience: Audience { segments, contacts: Vec::new(), numbers: named },
            hours: if seed % 2 == 1 { HoursMode::Recipient } else { HoursMode::Always },
            text: "We close early. ".repeat(11), // two segments
            ..build::broadcast(inbox, &app.user)
        };
        let writers = numbers.iter().enumerate().step_by((numbers.len() / 40).clamp(2, 50));
        let received = stream::iter(writers).map(|(place, number)| async move {
            let id = number.as_str().trim_start_matches('+');
            // Not the name of a message of an act, which would be a repetition.
            let text = build::inbound_text(number, &format!("SM{id}9{place:020}"), "Are you open?");
            Inbound::new(app.table()).receive(inbox, &text, START - Duration::from_hours(1)).await
        });
        let received = received.buffer_unordered(MAX_CONCURRENCY);
        received.for_each(|received| async { drop(received.unwrap()) }).await;
        let event = AuditEvent {
            actor: &app.user.id,
            action: "broadcast.create",
            target: draft.id.as_str(),
            at: START,
            entropy: 1,
        };
        let created = Broadcasts::new(app.table()).create(&draft, &event, None).await.unwrap();
        assert_eq!(created, BroadcastWrite::Done);
        Self {
            clock: Arc::new(TestClock::at(START)),
            seed,
            numbers,
            draft,
            is_sent: false,
            acts: 0,
            refusing: BTreeMap::new(),
            forbidden: BTreeSet::new(),
            silent: BTreeSet::new(),
            locked: BTreeMap::new(),
            replied: BTreeSet::new(),
            stopped_at: None,
            ended_at: None,
            ended_by: None,
            texted: BTreeMap::new(),
            path,
        }
    }

    /// A world whose texts go to the carrier simulator.
    pub(crate) fn sent(self) -> Self {
        Self { is_sent: true, ..self }
    }

    fn table(&self) -> Table {
        self.path.inbox.table()
    }

    /// Estimates and confirms the broadcast.
    pub(crate) async fn confirm(&self) {
        let (by, now) = (&self.path.inbox.app.user, self.clock.now());
        let workflow = BroadcastWorkflow::new(&self.table(), None);
        let estimate = workflow.estimate(&self.draft, true, now, 1).await.unwrap();
        assert_eq!(estimate.tally.recipients(), self.numbers.len() as u64);
        assert!(workflow.store_estimate(&self.found().await, &estimate).await.unwrap());
        let confirmed = workflow.confirm(&self.found().await, &estimate.id, by, now, 2).await.unwrap();
        assert!(matches!(confirmed, Confirmation::Confirmed(_)), "{confirmed:?}");
    }

    pub(crate) async fn found(&self) -> Versioned<Broadcast> {
        let Broadcast { id, .. } = &self.draft;
        Broadcasts::new(self.table()).get(self.draft.team_key(), id).await.unwrap().unwrap()
    }

    /// The message that begins or continues the broadcast.
    pub(crate) fn job(&self) -> String {
        let Broadcast { organization, team, id, .. } = self.draft.clone();
        let job = BroadcastJob { organization, team, broadcast: id, continues: false };
        serde_json::to_string(&job).unwrap()
    }

    /// Whether a message of the queue begins or continues the broadcast.
    pub(crate) fn is_job(&self, body: &str) -> bool {
        BroadcastJob::parse(body).is_ok_and(|job| job.broadcast == self.draft.id)
    }

    /// A worker with a message of the queue. Returns whether it acknowledged the message.
    pub(crate) fn worker(&self, table: &Table, queue: &str, body: String) -> Work {
        let worker = broadcast_worker::App::new(table, broadcast_queue(queue), SLICE);
        let clock = Arc::clone(&self.clock);
        Box::pin(async move {
            let now = || clock.now_then_advance(Duration::from_millis(5));
            let event = event(vec![sqs_record("q", None, &body, 1)]);
            let answer = broadcast_worker::handle(&worker, now, shared_lambda::clock::entropy, event).await;
            answer.batch_item_failures.is_empty()
        })
    }

    fn recipients(&self) -> Recipients {
        Recipients::new(self.table())
    }

    pub(crate) async fn progress(&self, broadcast: &Broadcast) -> Progress {
        self.recipients().progress(&broadcast.organization, &reference(broadcast)).await.unwrap()
    }

    async fn recipient(&self, number: &PhoneNumber) -> Option<StoredRecipient> {
        let found = self.found().await.value;
        self.recipients().get(&found.organization, &reference(&found), number).await.unwrap()
    }

    async fn all(&self, broadcast: &Broadcast) -> Vec<StoredRecipient> {
        let (recipients, of) = (self.recipients(), reference(broadcast));
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = recipients.page(&broadcast.organization, &of, None, 1_000, after.as_deref());
            let page = page.await.unwrap();
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }

    /// Does something, and keeps what has to be true from now on.
    pub(crate) async fn act(&mut self, act: Act, number: &PhoneNumber) {
        let found = self.found().await.value;
        let is_started = self.progress(&found).await.total() > 0;
        self.acts += 1;
        match act {
            Act::Pause if found.status == BroadcastStatus::Running => {
                self.step(BroadcastStep::Pause).await;
                self.stopped_at = Some(self.released().await);
            }
            Act::Suspend if is_started => {
                self.register(RegistrationStatus::Suspended).await;
                self.stopped_at = Some(self.released().await);
            }
            Act::GoOn => self.go_on().await,
            Act::Cancel if !found.status.is_final() => {
                self.step(BroadcastStep::Cancel).await;
                self.end("canceled").await;
            }
            Act::RemoveSender => {
                let by = &self.path.inbox.app.user.id;
                let event =
                    AuditEvent { actor: by, action: "member.remove", target: "ada", at: START, entropy: 9 };
                let members = Members::new(self.table());
                members.remove(found.team_key(), found.inbox_key(), by, &event).await.unwrap();
                self.end("no_access").await;
            }
            Act::Block => {
                let opt_outs = OptOuts::new(self.table());
                opt_outs.set_blocked(found.team_key(), number, true).await.unwrap();
                self.refuse(number, "blocked").await;
            }
            Act::Stop => {
                self.receive(number, "Stop").await;
                self.refuse(number, "opted_out").await;
            }
            Act::Reply if !self.refusing.contains_key(number) => self.reply(number).await,
            Act::Lock => self.lock(number).await,
            Act::Pause | Act::Suspend | Act::Cancel | Act::Reply => {}
        }
        self.look().await;
    }

    pub(crate) async fn go_on(&mut self) {
        self.stopped_at = None;
        self.register(RegistrationStatus::Approved).await;
        if self.found().await.value.status == BroadcastStatus::Paused {
            self.step(BroadcastStep::Resume).await;
        }
    }

    /// Lets this time pass, or the time until the hours of the recipients begin.
    pub(crate) fn pass_time(&self, found: &Broadcast, time: Duration) {
        let quiet = found.waiting.filter(|waiting| waiting.reason == WaitReason::QuietHours);
        let begins = quiet.and_then(|waiting| waiting.until);
        self.clock.now_then_advance(begins.map_or(time, |until| self.clock.now().duration_until(until)));
    }

    async fn step(&self, step: BroadcastStep) {
        let workflow = BroadcastWorkflow::new(&self.table(), None);
        let (by, now) = (&self.path.inbox.app.user.id, self.clock.now());
        let outcome = workflow.take_step(self.found().await, step, by, now, self.acts).await.unwrap();
        assert!(!matches!(outcome, StepOutcome::Changed), "{}", self.name());
    }

    async fn register(&self, registration: RegistrationStatus) {
        let team = Team { registration, ..self.path.inbox.app.team.clone() };
        Teams::new(self.table()).put(self.path.inbox.organization(), &team).await.unwrap();
    }

    async fn end(&mut self, by: &'static str) {
        if self.ended_at.is_none() {
            self.ended_at = Some(self.released().await);
            self.ended_by = Some(by);
        }
    }

    async fn receive(&self, number: &PhoneNumber, text: &str) {
        let digits = number.as_str().trim_start_matches('+');
        let sid = format!("SM{digits}{:021}", self.acts);
        let fields = [
            ("MessageSid", sid.as_str()),
            ("AccountSid", ACCOUNT),
            ("From", number.as_str()),
            ("To", INBOX_NUMBER),
            ("Body", text),
            ("NumMedia", "0"),
        ];
        let request = signed_fields("POST /webhooks/twilio/messages", "", &fields).request();
        let app = inbound_sms::App::new(self.table(), webhook_accounts(), KeywordReplies::Carrier);
        let answer = inbound_sms::handle(&app, self.clock.now(), self.acts, request).await;
        assert_eq!(answer.status(), 200, "{}", self.name());
    }

    /// A recipient writes. It is a reply if the carrier had the text before, and none if the text still waits
    /// or failed afterwards.
    async fn reply(&mut self, number: &PhoneNumber) {
        let (before, had_text) = self.text_of(number).await;
        self.receive(number, "Thanks!").await;
        let (after, has_text) = self.text_of(number).await;
        if had_text == Some(true) {
            self.replied.insert(number.clone());
        } else if (had_text, has_text) == (Some(false), Some(false)) {
            let replied_at = |one: Option<StoredRecipient>| one.and_then(|one| one.replied_at);
            let name = self.name();
            assert_eq!(replied_at(after), replied_at(before), "{name}: a reply to a text that is not there");
        }
    }

    /// A recipient, and whether it has the text. `None` if nobody knows yet.
    async fn text_of(&self, number: &PhoneNumber) -> (Option<StoredRecipient>, Option<bool>) {
        let recipient = self.recipient(number).await;
        let text = match recipient.as_ref().and_then(|one| one.message.as_ref()) {
            Some(id) => Some(self.path.inbox.app.message(id).await.delivery.state()),
            None => None,
        };
        let has_text = match (recipient.as_ref().map(|one| one.state), text) {
            (Some(State::Sent | State::Delivered), _)
            | (Some(State::Queued), Some(DeliveryState::Sent | DeliveryState::Delivered)) => Some(true),
            (Some(State::Queued), Some(DeliveryState::Sending | DeliveryState::Unknown)) => None,
            _ => Some(false),
        };
        (recipient, has_text)
    }

    async fn refuse(&mut self, number: &PhoneNumber, reason: &'static str) {
        self.refusing.entry(number.clone()).or_default().insert(reason);
        let recipient = self.recipient(number).await;
        if recipient.as_ref().is_none_or(waits) {
            self.forbidden.insert(number.clone());
        }
        if reason == "opted_out" {
            let message = match recipient.and_then(|one| one.message) {
                Some(id) => Some(self.path.inbox.app.message(&id).await),
                None => None,
            };
            if message.is_none_or(|message| message.delivery.state() == DeliveryState::Queued) {
                self.silent.insert(number.clone());
            }
        }
    }

    async fn lock(&mut self, number: &PhoneNumber) {
        let id = ConversationId::of(&self.draft.inbox, number);
        let (user, policy) = (build::user_ref(&format!("bob{}", self.acts), "Bob"), LockPolicy::default());
        let (key, now) = (self.path.inbox.key(&id), self.clock.now());
        let acquired = Locks::new(self.table()).acquire(key, &user, now, self.acts, &policy).await.unwrap();
        if let Acquired::Held(lease) = acquired
            && self.recipient(number).await.as_ref().is_none_or(waits)
        {
            self.locked.insert(number.clone(), lease.expires_at);
        }
    }

    /// The recipient whose turn it is, who is released now or next. `None` if nobody waits.
    pub(crate) async fn next_number(&self) -> Option<PhoneNumber> {
        let found = self.found().await.value;
        let next = self.recipients().next_due(&found.organization, &reference(&found)).await.unwrap();
        next.map(|recipient| recipient.number)
    }

    /// How many segments were released that nobody has reported as sent.
    pub(crate) async fn segments_ahead(&self) -> u64 {
        let found = self.found().await.value;
        let counts = self.recipients().counts(&found.organization, &reference(&found)).await;
        counts.unwrap().queued_segments
    }

    async fn released(&self) -> u64 {
        released(&self.progress(&self.found().await.value).await)
    }

    fn name(&self) -> String {
        format!("SEED={} {}", self.seed, self.draft.id)
    }

    /// Requires what holds at every instant.
    pub(crate) async fn look(&self) -> (Broadcast, Progress) {
        let (name, total) = (self.name(), self.numbers.len() as u64);
        let found = self.found().await.value;
        let progress = self.progress(&found).await;
        if progress.total() == 0 {
            let is_early = matches!(found.status, BroadcastStatus::Preparing | BroadcastStatus::Canceled);
            assert!(is_early, "{name}: {:?} without recipients", found.status);
            return (found, progress);
        }
        assert_eq!(progress.total(), total, "{name}: {progress:?}");
        if let Some(shown) = found.progress {
            assert_eq!(shown.total(), total, "{name}: shown {shown:?}");
        }
        if found.status == BroadcastStatus::Completed {
            assert!(progress.is_complete(), "{name}: completed with {progress:?}");
        }
        for fixed in [self.stopped_at, self.ended_at].into_iter().flatten() {
            assert_eq!(released(&progress), fixed, "{name}: released after it was stopped");
        }
        (found, progress)
    }

    /// Requires that the counts are those of the recipients.
    pub(crate) async fn look_at_all(&self) {
        let found = self.found().await.value;
        let counts =
            async || self.recipients().counts(&found.organization, &reference(&found)).await.unwrap();
        let before = counts().await;
        let progress = before.progress;
        let mut counted = BTreeMap::<State, u64>::new();
        let all = self.all(&found).await;
        for one in &all {
            *counted.entry(one.state).or_default() += 1;
        }
        if progress.total() > 0 && counts().await == before {
            for state in State::ALL {
                let counted = counted.get(&state).copied().unwrap_or_default();
                assert_eq!(progress.count(state), counted, "{}: {state:?}", self.name());
            }
            let replied = all.iter().filter(|one| one.replied_at.is_some()).count() as u64;
            assert_eq!(progress.replied, replied, "{}: replied", self.name());
            let queued = all.iter().filter(|one| one.state == State::Queued);
            let segments = queued.map(|one| one.text_segments.unwrap() as u64).sum::<u64>();
            assert_eq!(before.queued_segments, segments, "{}: segments", self.name());
        }
    }

    /// What the broadcast waits for.
    pub(crate) async fn describe(&self) -> String {
        let found = self.found().await.value;
        let mut lines = format!("{}: {:?} {:?}", self.name(), found.status, found.waiting);
        for one in self.all(&found).await {
            let message = match &one.message {
                Some(id) => Some(self.path.inbox.app.message(id).await.delivery.state()),
                None => None,
            };
            write!(lines, "\n{} {:?} {:?} {message:?}", one.number.as_str(), one.state, one.reason).unwrap();
        }
        lines
    }

    /// Returns the messages in the outbox with their entries, without those of other broadcasts. Requires
    /// that each number has one message and that it is the recipient's.
    pub(crate) async fn outbox(&mut self) -> Vec<(OutboxEntry, Message)> {
        let in_a_while = self.clock.now() + Duration::from_mins(2);
        let entries = Outbox::new(self.table()).overdue(in_a_while).await.unwrap();
        let messages = Messages::new(self.table());
        let found = stream::iter(entries).map(|entry| async {
            let message = messages.get(&entry.organization, &entry.message).await.unwrap().unwrap();
            (entry, message)
        });
        let mut found: Vec<_> = found.buffered(MAX_CONCURRENCY).collect().await;
        found.retain(|(_, message): &(OutboxEntry, Message)| {
            message.broadcast.as_ref().is_none_or(|of| of.broadcast == self.draft.id)
        });
        let seed = self.name();
        for (_, message) in &found {
            let number = message.contact_number.clone();
            let name = RecipientKey { broadcast: &self.draft.id, number: &number };
            let expected = MessageId::of_recipient(name, &self.draft.inbox, message.created_at);
            assert_eq!(message.id, expected, "{seed}: another message to {:?}", name.number);
            let first = self.texted.entry(number).or_insert_with(|| message.id.clone());
            assert_eq!(*first, message.id, "{seed}: a second text");
        }
        found
    }
}

fn waits(recipient: &StoredRecipient) -> bool {
    matches!(recipient.state, State::Pending | State::Held)
}

/// How many texts were released.
pub(crate) fn released(progress: &Progress) -> u64 {
    let waits = [State::Pending, State::Held, State::Skipped];
    progress.total() - waits.into_iter().map(|state| progress.count(state)).sum::<u64>()
}
