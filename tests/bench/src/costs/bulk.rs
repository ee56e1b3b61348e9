//! What a recipient of a broadcast and a row of an import use of the partitions that many of them share.
//! Those that are worked on together are measured together, and each has its part.

use std::{fmt::Write, future::ready, ops::Range, time::Duration};

use shared_app::{
    broadcast::{BroadcastWorkflow, Slice},
    import::{ContactFile, ImportWorkflow, SliceLimits, SliceOutcome},
};
use shared_aws::{
    broadcast::{BroadcastWrite, Broadcasts, Recipients},
    clients::BroadcastJob,
    import::Imports,
    team::AuditEvent,
};
use shared_domain::{
    broadcast::{Audience, Broadcast, BroadcastRef, BroadcastStatus},
    ids::{BroadcastId, Id},
    import::{Import, ImportOptions},
};
use shared_lambda::clock;
use test_kit::build;
use tracing::instrument::WithSubscriber;

use super::{Count, Flow, Step, capacity::Units, flows::Flows, log::Log, prices::Prices};
use crate::fixture::{TEXT, number};

/// The contacts who get a broadcast. It is released in one slice.
const RECIPIENTS: Range<usize> = 5..30;
/// The recipient whose text is sent: the one of the delivery reports.
const SENT: usize = 5;
/// The part of a recipient.
const OF_RECIPIENTS: f64 = 1.0 / 25.0;
/// The rows of an import.
const ROWS: Range<usize> = 0..50;
/// The part of a row.
const OF_ROWS: f64 = 1.0 / 50.0;

/// What was measured.
#[derive(Debug)]
pub struct Bulk {
    /// A recipient: prepared, released, sent and delivered, with the events.
    pub recipient: Units,
    /// The row of a new contact, with its event.
    pub row: Units,
}

/// Prepares, releases and sends a broadcast, and imports a file.
pub async fn measure(prices: &Prices) -> Bulk {
    let log = Log::default();
    let measured = async {
        let app = Flows::start(prices, &log).await;
        Bulk { recipient: app.recipient(prices).await, row: app.row().await }
    };
    Box::pin(measured).with_subscriber(log.subscriber()).await
}

impl Flows {
    async fn recipient(&self, prices: &Prices) -> Units {
        for index in RECIPIENTS {
            self.fixture.add_contact(index, true).await;
        }
        let broadcast = self.add_broadcast().await;
        let Broadcast { organization, team, id, .. } = &broadcast;
        let (organization, team, id) = (organization.clone(), team.clone(), id.clone());
        let job = BroadcastJob { organization, team, broadcast: id, continues: false };
        self.skip().await;
        let workflow = BroadcastWorkflow::new(&self.fixture.table_with(self.meter.clone()), None);
        let mut units = Units::default();
        for _ in ["prepare", "release"] {
            let slice = Box::pin(workflow.run_slice(clock::now, 1, &job)).await.unwrap();
            assert_ne!(slice, Slice::Over);
            units.add(&self.worked("broadcast-worker").await, OF_RECIPIENTS);
        }
        let recipients = Recipients::new(self.fixture.engine.table());
        let of = BroadcastRef { broadcast: broadcast.id, preparation: 1 };
        let sent = recipients.get(&broadcast.organization, &of, &number(SENT)).await.unwrap();
        let message = sent.and_then(|recipient| recipient.message).expect("its text was released");
        for flow in self.deliver(&message, prices).await {
            units.add(&flow, 1.0);
        }
        units
    }

    async fn add_broadcast(&self) -> Broadcast {
        let (inbox, ada) = (&self.fixture.inbox, &self.fixture.ada);
        let broadcast = Broadcast {
            id: BroadcastId::new(clock::now(), 1),
            audience: Audience { numbers: RECIPIENTS.map(number).collect(), ..Audience::default() },
            text: TEXT.into(),
            status: BroadcastStatus::Preparing,
            ..build::broadcast(inbox, ada)
        };
        let event = self.event("broadcast.create", broadcast.id.as_str());
        let broadcasts = Broadcasts::new(self.fixture.engine.table());
        assert_eq!(broadcasts.create(&broadcast, &event, None).await.unwrap(), BroadcastWrite::Done);
        broadcast
    }

    async fn row(&self) -> Units {
        let mut file = String::from("ContactId,FirstName,LastName,MobileNumber\n");
        for row in ROWS {
            writeln!(file, "S-{row},Maximiliana {row},Oyelaran,(907) 334-{row:04}").unwrap();
        }
        let (team, now) = (self.fixture.inbox.team_key(), clock::now());
        let by = self.fixture.ada.id.clone();
        let import = Import::queued(Id::new(now, 1), team, by, ImportOptions::default(), now);
        let event = self.event("contacts.import", import.id.as_str());
        let imports = Imports::new(self.fixture.engine.table());
        assert!(imports.create(&import, import.at, &event, None).await.unwrap());
        self.skip().await;
        let table = self.fixture.table_with(self.meter.clone());
        let turn = Duration::from_secs(900);
        let limits = SliceLimits { turn, units_per_second: 1_000_000, ..SliceLimits::default() };
        let workflow = ImportWorkflow::new(&table, limits);
        let file = ContactFile { etag: "e".into(), content: file.into_bytes() };
        let imported = Box::pin(workflow.run_slice(import, ready(Ok(file)), clock::now, 1)).await;
        assert_eq!(imported.unwrap(), SliceOutcome::Over);
        let mut units = Units::default();
        units.add(&self.worked("contact-import").await, OF_ROWS);
        units
    }

    fn event<'a>(&'a self, action: &'static str, target: &'a str) -> AuditEvent<'a> {
        AuditEvent { actor: &self.fixture.ada.id, action, target, at: clock::now(), entropy: 1 }
    }

    /// Returns the step that a function did since the last one, with its events.
    async fn worked(&self, function: &'static str) -> Flow {
        let known = Count { invocations: 1.0, logged: self.log.take(), ..Count::default() };
        self.flow("", None, vec![Step::metered(function, &self.meter, known)]).await
    }
}
