//! Acquire, renew and release through the handler against the same requests through the bare SDK: the access check, the
//! write of the conversation and, but for renewals, that of its holder's set. Cycle by cycle in turn.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use conversation_lock::{App, router};
use product_bench::scene::{Scene, answered};
use serde_json::Value;
use shared_aws::table::Table;
use shared_domain::lock::LockPolicy;
use shared_http::{caller::Claims, serve};
use shared_lambda::clock;
use test_kit::gateway::Event;

use crate::{
    figure::Figure,
    rounds::rounds,
    tape::{Call, Tape},
};

const ROUNDS: usize = 5;
const STEPS: [&str; 3] = ["acquire", "renew", "release"];
/// The only conversation.
const PLACE: usize = 0;

pub(crate) async fn measure(cycles: usize) -> Vec<Figure> {
    let (seen, scene, again) = (stage().await, stage().await, stage().await);
    let mut tape = record(&seen, cycles).await.into_iter();
    let app = app(scene.engine.table());
    let client = Client::from_conf(again.engine.aws.dynamodb_config().build());
    let measured = rounds::<2, 3>(ROUNDS, cycles, async |who| match who {
        0 => cycle(&app, &scene, || ()).await.map(|(took, ())| took),
        _ => replay(&client, tape.next().unwrap()).await,
    })
    .await;
    let figures = STEPS.into_iter().enumerate().map(|(step, name)| {
        let ratio = measured.ratio(step, 0, 1);
        let what = format!("lock {name}, handler ÷ its requests through the bare SDK, p50");
        Figure::new(what, ratio.to_string(), "≤ 1.25", ratio.median <= 1.25)
    });
    figures.collect()
}

async fn stage() -> Scene {
    let scene = Scene::set().await;
    scene.know(PLACE, true).await;
    scene.heard(PLACE).await;
    scene
}

fn app(table: Table) -> App {
    App::new(table, Claims::standard(), LockPolicy::default())
}

/// What the handler asks in as many cycles as the rounds have.
async fn record(scene: &Scene, cycles: usize) -> Vec<[Vec<Call>; 3]> {
    let tape = Tape::default();
    let app = app(scene.watched(tape.clone()));
    let mut recorded = Vec::new();
    for _ in 0..(ROUNDS + 1) * cycles {
        recorded.push(cycle(&app, scene, || tape.take()).await.map(|(_, calls)| calls));
    }
    recorded
}

/// Each step's time, and what is to be noted after it.
async fn cycle<T>(app: &App, scene: &Scene, mut after: impl FnMut() -> T) -> [(Duration, T); 3] {
    let (held, acquired) = step(app, scene.acquire(PLACE, &scene.ada), 200).await;
    let acquired = (acquired, after());
    let token = held["token"].as_u64().unwrap();
    let (_, renewed) = step(app, scene.renew(PLACE, &scene.ada, token), 200).await;
    let renewed = (renewed, after());
    let (_, released) = step(app, scene.release(PLACE, &scene.ada, token), 204).await;
    [acquired, renewed, (released, after())]
}

async fn step(app: &App, event: Event, status: u16) -> (Value, Duration) {
    let request = event.request();
    let begun = Instant::now();
    let answer = serve::answer(&router(app.clone()), clock::now(), 0, request).await;
    let took = begun.elapsed();
    (answered(&answer, status), took)
}

async fn replay(client: &Client, cycle: [Vec<Call>; 3]) -> [Duration; 3] {
    let mut times = [Duration::ZERO; 3];
    for (took, calls) in times.iter_mut().zip(cycle) {
        let begun = Instant::now();
        for call in calls {
            call.send(client).await;
        }
        *took = begun.elapsed();
    }
    times
}
