//! What follows a change: its events, and their way to sockets and webhooks.

use std::time::Duration;

use shared_aws::{
    clients::{Aws, RealtimeQueue, WebhookQueue},
    realtime::{NewSocket, Sockets},
    table::Table,
};
use shared_domain::{ids::UserId, user::UserRef};
use shared_lambda::clock;
use test_kit::{
    changes::Changes,
    connections::FakeConnections,
    engine::Engine,
    lambda_event::{event, sqs_record},
    meter::Meter,
    topic::FakeTopic,
};

use super::{Count, Step, fakes, log::Log, prices::Prices};
use crate::fixture::Fixture;

/// One message in a batch of a standard queue: a receive and a delete.
const MESSAGE: Count = Count {
    gateway: 0,
    invocations: 1.0,
    queued: 0.0,
    polled: 0.0,
    polled_standard: 2.0,
    published: 0.0,
    delivered: 1.0,
    frames: 0.0,
    carrier: 0,
    logged: 0.0,
    table: test_kit::meter::Bill { requests: 0, read: 0.0, write: 0.0 },
};

/// The functions behind the table's stream and the topic, without a webhook endpoint.
pub(super) struct Live {
    log: Log,
    changes: Changes,
    topic: FakeTopic,
    writer: event_writer::App,
    realtime: realtime::App,
    fanout: webhook_fanout::App,
    connections: Vec<String>,
    frames: FakeConnections,
}

impl Live {
    /// Starts with the connections of all agents, a few of which belong to members of the inbox.
    pub(super) async fn start(fixture: &Fixture, table: &Table, log: &Log, prices: &Prices) -> Self {
        let (topic, frames, queue) =
            (FakeTopic::start().await, FakeConnections::start().await, fakes::Queue::open().await);
        let aws: Aws = queue.aws();
        let mut connections = Vec::new();
        let members = prices.assumptions.connections_per_inbox;
        for index in 0..prices.assumptions.agents {
            let others = UserId::parse(&format!("agent-{index}")).unwrap();
            let UserRef { id, .. } = if index % 2 == 0 { &fixture.ada } else { &fixture.ben };
            let user = if index < members { id } else { &others };
            let connection = format!("connection-{index}");
            let socket = NewSocket {
                connection: connection.clone(),
                owner: false,
                token_expires_at: clock::now() + Duration::from_hours(1),
                cursor: String::new(),
            };
            let sockets = Sockets::new(fixture.engine.table());
            let organization = &fixture.inbox.organization;
            let place = sockets.open(organization, user, &socket, clock::now()).await.unwrap().unwrap();
            sockets.mark_greeted(&place, &connection).await.unwrap();
            connections.push(connection);
        }
        Self {
            writer: event_writer::App::new(table, topic.client()),
            realtime: realtime::App::new(table, RealtimeQueue::new(&aws, &queue.url), frames.pusher()),
            fanout: webhook_fanout::App::new(table, WebhookQueue::new(&aws, &queue.url)),
            changes: Changes::from_now(&fixture.engine).await,
            log: log.clone(),
            topic,
            connections,
            frames,
        }
    }

    /// Forgets what changed until now.
    pub(super) async fn skip(&mut self, engine: &Engine) {
        self.changes.take(engine).await;
    }

    /// Returns the steps of the events of what changed since the last call. The changes are one batch of the
    /// stream, and each event is alone in its batch of a queue.
    pub(super) async fn follow(&mut self, engine: &Engine, meter: &Meter) -> Vec<Step> {
        let records = self.changes.take(engine).await;
        let requests = self.topic.requests();
        let answer = event_writer::handle(&self.writer, event(records), clock::now()).await;
        assert!(answer.batch_item_failures.is_empty());
        #[expect(clippy::cast_precision_loss, reason = "a few requests")]
        let published = (self.topic.requests() - requests) as f64;
        let logged = self.log.take();
        let known = Count { invocations: 1.0, published, logged, ..Count::default() };
        let mut steps = vec![Step::metered("event-writer", meter, known)];
        for publication in self.topic.drain() {
            let body = publication.body.to_string();
            let records = vec![sqs_record("1", None, &body, 1)];
            realtime::handle(&self.realtime, event(records.clone()), clock::now()).await.unwrap();
            #[expect(clippy::cast_precision_loss, reason = "a few frames")]
            let frames = self.connections.iter().map(|one| self.frames.take(one).len()).sum::<usize>() as f64;
            let of_inbox = !publication.body["inboxId"].is_null(); // the users here are in no team
            assert_eq!(frames > 0.0, of_inbox, "{body}");
            steps.push(Step::metered(
                "realtime",
                meter,
                Count { frames, logged: self.log.take(), ..MESSAGE },
            ));
            if !publication.attributes["type"].starts_with("lock.") {
                let answer = webhook_fanout::handle(&self.fanout, event(records)).await;
                assert!(answer.batch_item_failures.is_empty());
                steps.push(Step::metered(
                    "webhook-fanout",
                    meter,
                    Count { logged: self.log.take(), ..MESSAGE },
                ));
            }
        }
        self.changes.take(engine).await; // the events themselves
        steps
    }
}
