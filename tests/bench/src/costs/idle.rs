//! The cost of an idle month according to the template: polled queues, scheduled functions, secrets, and
//! alarms.

use std::time::Duration;

use serde_norway::Value;
use shared_app::{retention::Expired, sweep::Swept};
use shared_aws::{
    clients::{
        BroadcastQueue, ImportQueue, MailQueue, MediaQueue, RegistrationQueue, SendQueues, WebhookQueue,
    },
    table::Table,
};
use shared_carriers::twilio::Client;
use shared_domain::opt_out::KeywordReplies;
use shared_lambda::clock;
use test_kit::{TestApp, meter::Meter, template};

use super::{
    Count, Step,
    fakes::{self, WEBHOOKS},
    prices::Prices,
};
use crate::fixture::Fixture;

/// The planned cost of a month, in dollars.
pub const GOAL: f64 = 1.50;

/// A part of the cost of a month.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub what: String,
    pub dollars: f64,
}

/// The cost of an idle month.
#[derive(Debug)]
pub struct Month {
    pub lines: Vec<Line>,
    /// Listed separately, because alarms are optional.
    pub alarms: Line,
}

impl Month {
    /// Returns the total without alarms.
    pub fn dollars(&self) -> f64 {
        self.lines.iter().map(|line| line.dollars).sum()
    }
}

pub async fn month(prices: &Prices) -> Month {
    let template = template::read();
    let mut lines = polled_queues(&template, prices);
    lines.extend(schedules(&template, prices).await);
    // One more than in the template: the secret of the carrier, which is created before the deployment.
    let secrets = of_type(&template, "AWS::SecretsManager::Secret").count() + 1;
    lines.push(line(format!("{secrets} secrets"), count(secrets) * prices.per_month.secret));
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm").count();
    let alarms = line(format!("{alarms} alarms"), count(alarms) * prices.per_month.alarm);
    Month { lines, alarms }
}

fn line(what: String, dollars: f64) -> Line {
    Line { what, dollars }
}

pub(super) fn count(things: usize) -> f64 {
    f64::from(u32::try_from(things).unwrap())
}

fn resources(template: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    template["Resources"].as_mapping().unwrap().iter()
}

fn of_type<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    resources(template).map(|(_, resource)| resource).filter(move |resource| resource["Type"] == kind)
}

/// Returns the events of this type with the packages of their functions.
fn events<'a>(template: &'a Value, kind: &'a str) -> Vec<(&'a str, &'a Value)> {
    let functions = of_type(template, "AWS::Serverless::Function");
    let of = |function: &'a Value| {
        let package = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
        let events = function["Properties"]["Events"].as_mapping().into_iter().flatten();
        let wanted = events.filter(move |(_, event)| event["Type"] == kind);
        wanted.map(move |(_, event)| (package, &event["Properties"]))
    };
    functions.flat_map(of).collect()
}

fn polled_queues(template: &Value, prices: &Prices) -> Vec<Line> {
    let assumed = &prices.assumptions;
    let polls = assumed.pollers_per_queue * assumed.polls_per_minute * assumed.minutes_per_month / 1e6;
    let is_fifo = |properties: &Value| {
        let Value::Tagged(queue) = &properties["Queue"] else { panic!("a queue of the template") };
        let named = queue.value.as_str().unwrap().trim_end_matches(".Arn");
        template["Resources"][named]["Properties"]["FifoQueue"] == true
    };
    let (fifo, standard): (Vec<_>, Vec<_>) =
        events(template, "SQS").into_iter().partition(|(_, properties)| is_fifo(properties));
    let (fifo, standard) = (fifo.len(), standard.len());
    vec![
        line(
            format!("{fifo} FIFO queues, polled"),
            count(fifo) * polls * prices.per_million.fifo_queue_requests,
        ),
        line(
            format!("{standard} other queues, polled"),
            count(standard) * polls * prices.per_million.queue_requests,
        ),
    ]
}

/// Runs each scheduled function once with nothing to do, and multiplies by its schedule.
async fn schedules(template: &Value, prices: &Prices) -> Vec<Line> {
    let mut lines = Vec::new();
    for (package, properties) in events(template, "Schedule") {
        let minutes: f64 = match properties["Schedule"].as_str().unwrap() {
            "rate(1 minute)" => 1.0,
            "rate(5 minutes)" => 5.0,
            other => panic!("unknown schedule {other}"),
        };
        let runs = prices.assumptions.minutes_per_month / minutes;
        let run = run(package).await.count;
        let what = format!(
            "`{package}`, {runs} runs of {} requests and {} read units",
            run.table.requests, run.table.read
        );
        lines.push(line(what, run.dollars_per_million(prices) * runs / 1e6));
    }
    lines
}

async fn run(package: &str) -> Step {
    let (fixture, meter, now) = (Fixture::start().await, Meter::default(), clock::now());
    let (table, queue) = (fixture.table_with(meter.clone()), fakes::Queue::open().await);
    let (aws, url) = (queue.aws(), queue.url.as_str());
    let function = match package {
        "send-reconcile" => {
            let queues = send_reconcile::Queues {
                messages: SendQueues::new(&aws, url, url),
                notifications: MailQueue::new(&aws, url),
                media: MediaQueue::new(&aws, url),
            };
            let grace = Duration::from_secs(300);
            let imports = ImportQueue::new(&aws, url);
            let broadcasts = BroadcastQueue::new(&aws, url);
            let app =
                send_reconcile::App::new(table, fakes::carrier().await, queues, imports, broadcasts, grace);
            assert_eq!(send_reconcile::handle(&app, now).await.unwrap(), send_reconcile::Tally::default());
            "send-reconcile"
        }
        "registration-poll" => {
            let queue = RegistrationQueue::new(&aws, url);
            let app = registration_poll::App::new(table, queue, Duration::from_secs(900));
            let done = registration_poll::handle(&app, now).await.unwrap();
            assert_eq!(done, registration_poll::Tally::default());
            "registration-poll"
        }
        "inbox-reconcile" => {
            let carrier = fakes::carrier().await;
            let app = inbox_reconcile::App::new(&table, carrier, Duration::from_secs(900));
            assert_eq!(inbox_reconcile::handle(&app, now).await.unwrap(), inbox_reconcile::Tally::default());
            "inbox-reconcile"
        }
        "inbound-sweep" => {
            let sweep = |table: &Table, carrier: Client| {
                let app = inbound_sweep::App::new(table, carrier, WEBHOOKS, KeywordReplies::Carrier);
                async move { inbound_sweep::handle(&app, || now, 7).await.unwrap() }
            };
            let carrier = fakes::carrier().await;
            sweep(&fixture.table_with(Meter::default()), carrier.clone()).await; // adds the number to its list
            let idle = Swept { numbers: 1, ..Swept::default() };
            assert_eq!(sweep(&table, carrier).await, idle);
            "inbound-sweep"
        }
        "webhook-sweep" => {
            let app = webhook_sweep::App::new(&table, WebhookQueue::new(&aws, url));
            assert_eq!(webhook_sweep::handle(&app, now).await.unwrap(), webhook_sweep::Tally::default());
            "webhook-sweep"
        }
        "retention-sweep" => {
            let bucket = TestApp::unreachable_bucket();
            let sweep = async |table: &Table| {
                let app = retention_sweep::App::new(table, bucket.clone(), Duration::from_secs(86_400));
                assert_eq!(retention_sweep::handle(&app, || now).await.unwrap(), Expired::default());
            };
            sweep(&fixture.table_with(Meter::default())).await; // looks for missing teams, once a day
            sweep(&table).await;
            "retention-sweep"
        }
        other => panic!("the scheduled function {other} is not counted"),
    };
    assert_eq!(queue.requests(), 0, "{function} queued a message");
    Step::metered(function, &meter, Count { invocations: 1.0, ..Count::default() })
}
