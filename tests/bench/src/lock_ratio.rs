//! Acquire, renew and release through the handler compared with the same requests through the SDK alone:
//! the access check, the write of the conversation and, except for renewals, of the holder's locks. The
//! cycles alternate.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use conversation_lock::{App, router};
use futures_util::future::join_all;
use product_bench::fixture::{Fixture, expect_status};
use serde_json::Value;
use shared_aws::table::Table;
use shared_domain::lock::LockPolicy;
use shared_http::{caller::Claims, serve};
use shared_lambda::clock;
use test_kit::gateway::Event;

use crate::{
    figure::Figure,
    recorder::{RecordedRequest, RequestRecorder},
    rounds::rounds,
};

const ROUNDS: usize = 5;
const STEPS: [&str; 3] = ["acquire", "renew", "release"];
/// The only conversation.
const PLACE: usize = 0;

pub(crate) async fn measure(cycles: usize) -> Vec<Figure> {
    let (seen, fixture, again) = (prepare().await, prepare().await, prepare().await);
    let mut recorder = record(&seen, cycles).await.into_iter();
    let app = app(fixture.engine.table());
    let client = Client::from_conf(again.engine.aws.dynamodb_config().build());
    let measured = rounds::<2, 3>(ROUNDS, cycles, async |who| match who {
        0 => cycle(&app, &fixture, || ()).await.map(|(took, ())| took),
        _ => Box::pin(replay(&client, recorder.next().unwrap())).await,
    })
    .await;
    let figures = STEPS.into_iter().enumerate().map(|(step, name)| {
        let ratio = measured.ratio(step, 0, 1);
        let what = format!("lock {name}, handler ÷ its requests through the SDK alone, p50");
        Figure::new(what, ratio.to_string(), "≤ 1.25", ratio.median <= 1.25)
    });
    figures.collect()
}

async fn prepare() -> Fixture {
    let fixture = Fixture::start().await;
    fixture.add_contact(PLACE, true).await;
    fixture.receive_message(PLACE).await;
    // The first lock of a user also creates the item of the user's locks.
    cycle(&app(fixture.engine.table()), &fixture, || ()).await;
    fixture
}

fn app(table: Table) -> App {
    App::new(table, Claims::standard(), LockPolicy::default())
}

/// Records the requests of the handler in as many cycles as the rounds have.
async fn record(fixture: &Fixture, cycles: usize) -> Vec<[Vec<RecordedRequest>; 3]> {
    let recorder = RequestRecorder::default();
    let app = app(fixture.table_with(recorder.clone()));
    let mut recorded = Vec::new();
    for _ in 0..(ROUNDS + 1) * cycles {
        recorded.push(cycle(&app, fixture, || recorder.take()).await.map(|(_, calls)| calls));
    }
    recorded
}

/// Returns the time of each step and the result of `after`.
async fn cycle<T>(app: &App, fixture: &Fixture, mut after: impl FnMut() -> T) -> [(Duration, T); 3] {
    let (held, acquired) = step(app, fixture.acquire(PLACE, &fixture.ada), 200).await;
    let acquired = (acquired, after());
    let token = held["token"].as_u64().unwrap();
    let (_, renewed) = step(app, fixture.renew(PLACE, &fixture.ada, token), 200).await;
    let renewed = (renewed, after());
    let (_, released) = step(app, fixture.release(PLACE, &fixture.ada, token), 204).await;
    [acquired, renewed, (released, after())]
}

async fn step(app: &App, event: Event, status: u16) -> (Value, Duration) {
    let request = event.request();
    let begun = Instant::now();
    let answer = serve::answer(&router(app.clone()), clock::now(), 0, request).await;
    let took = begun.elapsed();
    (expect_status(&answer, status), took)
}

async fn replay(client: &Client, cycle: [Vec<RecordedRequest>; 3]) -> [Duration; 3] {
    let mut times = [Duration::ZERO; 3];
    for ((took, calls), step) in times.iter_mut().zip(cycle).zip(STEPS) {
        let begun = Instant::now();
        let mut calls = calls.into_iter().map(|call| call.send(client));
        if let Some(access_check) = calls.next() {
            access_check.await;
        }
        if step == "acquire" {
            join_all(calls).await; // side by side, as the handler sends them
        } else {
            for call in calls {
                call.await;
            }
        }
        *took = begun.elapsed();
    }
    times
}
