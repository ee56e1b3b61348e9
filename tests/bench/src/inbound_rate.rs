//! Inbound messages of sixteen clients at once, from the signed webhook to the stored items, compared with
//! the same writes through the SDK alone, with as many clients and each time on a new engine.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::Client;
use inbound_sms::{App, handle};
use product_bench::fixture::{Fixture, expect_status, webhook_accounts};
use shared_aws::table::Table;
use shared_domain::opt_out::KeywordReplies;
use shared_lambda::clock;
use tokio::task::JoinSet;

use crate::{
    figure::Figure,
    recorder::{RecordedRequest, RequestRecorder},
    rounds::readable,
};

const CLIENTS: usize = 16;
const ROUNDS: usize = 5;

/// The result of one run of all clients.
struct Run {
    rate: f64,
    p99: Duration,
}

/// Measures with `texts` messages per client.
pub(crate) async fn measure(texts: usize) -> Figure {
    let writes = record(texts).await;
    let mut runs = Vec::new();
    for round in 0..=ROUNDS {
        let (one, other) = if round % 2 == 0 {
            let handled = through_the_handler(texts).await;
            (handled, through_the_sdk(&writes).await)
        } else {
            let bare = through_the_sdk(&writes).await;
            (through_the_handler(texts).await, bare)
        };
        if round > 0 {
            runs.push((one, other)); // the first round warms up
        }
    }
    runs.sort_by(|one, other| (one.0.rate / one.1.rate).total_cmp(&(other.0.rate / other.1.rate)));
    let ratio = |run: &(Run, Run)| run.0.rate / run.1.rate;
    let middle = &runs[ROUNDS / 2];
    let value = format!(
        "{:.2} (rounds {:.2}–{:.2}; {:.0} texts/s with p99 {} ÷ {:.0}/s with {})",
        ratio(middle),
        ratio(&runs[0]),
        ratio(&runs[ROUNDS - 1]),
        middle.0.rate,
        readable(middle.0.p99),
        middle.1.rate,
        readable(middle.1.p99),
    );
    Figure::without_goal(
        format!(
            "inbound messages of {CLIENTS} clients, webhook to stored items, rate ÷ that of the writes alone"
        ),
        value,
    )
}

async fn prepare() -> Arc<Fixture> {
    let fixture = Fixture::start().await;
    for client in 0..CLIENTS {
        fixture.add_contact(client, true).await;
        fixture.receive_message(client).await;
    }
    Arc::new(fixture)
}

fn app(table: Table) -> App {
    App::new(table, webhook_accounts(), KeywordReplies::Carrier)
}

/// Records the writes of each message of each client.
async fn record(texts: usize) -> Vec<Vec<Vec<RecordedRequest>>> {
    let (fixture, recorder) = (prepare().await, RequestRecorder::default());
    let app = app(fixture.table_with(recorder.clone()));
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let mut calls = Vec::new();
        for nth in 1..=texts {
            deliver(&app, &fixture, client, nth).await;
            calls.push(recorder.take().into_iter().filter(RecordedRequest::is_write).collect());
        }
        clients.push(calls);
    }
    clients
}

async fn deliver(app: &App, fixture: &Fixture, client: usize, nth: usize) -> Duration {
    let request = fixture.inbound_webhook(client, nth).request();
    let begun = Instant::now();
    let answer = handle(app, clock::now(), clock::entropy(), request).await;
    let took = begun.elapsed();
    expect_status(&answer, 200);
    took
}

async fn through_the_handler(texts: usize) -> Run {
    let fixture = prepare().await;
    let app = Arc::new(app(fixture.engine.table()));
    let clients = (0..CLIENTS).map(|client| {
        let (app, fixture) = (app.clone(), fixture.clone());
        async move {
            let mut times = Vec::new();
            for nth in 1..=texts {
                times.push(deliver(&app, &fixture, client, nth).await);
            }
            times
        }
    });
    all_at_once(clients).await
}

async fn through_the_sdk(writes: &[Vec<Vec<RecordedRequest>>]) -> Run {
    let fixture = prepare().await;
    let client = Client::from_conf(fixture.engine.aws.dynamodb_config().build());
    let clients = writes.iter().map(|texts| {
        let (client, texts) = (client.clone(), texts.clone());
        async move {
            let mut times = Vec::new();
            for calls in texts {
                let begun = Instant::now();
                for call in calls {
                    call.send(&client).await;
                }
                times.push(begun.elapsed());
            }
            times
        }
    });
    all_at_once(clients).await
}

async fn all_at_once(
    clients: impl Iterator<Item = impl Future<Output = Vec<Duration>> + Send + 'static>,
) -> Run {
    let clients: Vec<_> = clients.collect();
    let begun = Instant::now();
    let mut running: JoinSet<_> = clients.into_iter().collect();
    let mut times = Vec::new();
    while let Some(done) = running.join_next().await {
        times.extend(done.unwrap());
    }
    let took = begun.elapsed();
    times.sort();
    Run { rate: times.len() as f64 / took.as_secs_f64(), p99: times[times.len() * 99 / 100] }
}
