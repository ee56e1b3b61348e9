//! A page of 50 conversations of an inbox with a million conversations compared with one of a thousand, for
//! every filter, alternating (ABBA). Both inboxes are in one table, with items of realistic sizes.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::{
    Client,
    config::timeout::TimeoutConfig,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use shared_aws::{
    conversation::{Conversations, Listing},
    table::{Table, keys},
};
use shared_domain::{
    conversation::{Assignment, Filter, Folder},
    ids::{ConversationId, InboxId, OrganizationId, UserId},
    keys::InboxKey,
    phone::PhoneNumber,
    time::Timestamp,
};
use test_kit::{
    engine::{Engine, TABLE},
    meter::{Bill, Meter},
};

use crate::figure::Figure;

const SMALL: usize = 1_000;
const PAIRS: usize = 300;
const WARM: usize = 20;
const WRITERS: usize = 2;
const START: i64 = 1_800_000_000_000;

struct Lists {
    organization: OrganizationId,
    conversations: Conversations,
    meter: Meter,
}

pub(crate) async fn measure(large: usize) -> Vec<Figure> {
    let engine = Engine::start().await;
    let organization = OrganizationId::new(Timestamp::from_millis(START), 1);
    let inbox = |index| InboxId::new(Timestamp::from_millis(START), index);
    let (few, many) = (inbox(2), inbox(3));
    let patient = engine.aws.dynamodb_config().timeout_config(TimeoutConfig::disabled());
    let client = Client::from_conf(patient.build());
    fill(&client, &organization, &few, SMALL).await;
    println!("loading {large} conversations (some minutes)");
    let begun = Instant::now();
    fill(&client, &organization, &many, large).await;
    println!("loaded in {:.0} s", begun.elapsed().as_secs_f64());
    let meter = Meter::default();
    let metered = Client::from_conf(engine.patient_config().interceptor(meter.clone()).build());
    let conversations = Conversations::new(Table::new(metered, TABLE));
    let lists = Lists { organization, conversations, meter };
    let mut figures = Vec::new();
    for (name, filter) in filters() {
        figures.push(lists.compare(name, &filter, &few, &many, large).await);
    }
    figures
}

fn filters() -> [(&'static str, Filter); 6] {
    let user = UserId::parse("staff-1042").ok().map(Assignment::User);
    let filter = |assigned: bool, read| Filter { assigned: user.clone().filter(|_| assigned), read };
    [
        ("all", filter(false, None)),
        ("unread", filter(false, Some(false))),
        ("read", filter(false, Some(true))),
        ("assigned", filter(true, None)),
        ("assigned and unread", filter(true, Some(false))),
        ("assigned and read", filter(true, Some(true))),
    ]
}

impl Lists {
    async fn compare(
        &self,
        name: &str,
        filter: &Filter,
        few: &InboxId,
        many: &InboxId,
        large: usize,
    ) -> Figure {
        let (mut small_times, mut large_times) = (Vec::new(), Vec::new());
        let mut bills = (Bill::default(), Bill::default());
        for pair in 0..WARM + PAIRS {
            let order = if pair % 2 == 0 { [few, many] } else { [many, few] };
            for inbox in order {
                let (took, bill) = self.page(inbox, filter).await;
                let (times, kept) = if inbox == few {
                    (&mut small_times, &mut bills.0)
                } else {
                    (&mut large_times, &mut bills.1)
                };
                *kept = bill;
                if pair >= WARM {
                    times.push(took);
                }
            }
        }
        let (small, great) = (median(&mut small_times), median(&mut large_times));
        let ratio = great.as_secs_f64() / small.as_secs_f64();
        let same = bills.0.read.to_bits() == bills.1.read.to_bits() && bills.0.requests == bills.1.requests;
        let value = format!(
            "{ratio:.2} ({:.0} µs and {:.0} µs); {} and {} read units in {} and {} queries",
            small.as_secs_f64() * 1e6,
            great.as_secs_f64() * 1e6,
            bills.0.read,
            bills.1.read,
            bills.0.requests,
            bills.1.requests,
        );
        let what = format!("list page of 50, {name}: {large} conversations ÷ {SMALL}, p50");
        // A filter without an index of its own fills its page with more than one query, and the second one
        // reads twice as many entries.
        let pages = if bills.0.requests == 1 { 1.0 } else { 3.0 };
        let cheap = bills.0.read <= 3.0 * pages && bills.0.requests <= 2;
        Figure::new(what, value, "≤ 1.2, same units, ≤ 3 for 50 entries", ratio <= 1.2 && same && cheap)
    }

    async fn page(&self, inbox: &InboxId, filter: &Filter) -> (Duration, Bill) {
        let listing = Listing {
            inbox: InboxKey { organization: &self.organization, inbox },
            folder: Folder::Inbox,
            filter,
        };
        let before = self.meter.bill();
        let begun = Instant::now();
        let page = self.conversations.list(listing, 50, None).await.unwrap();
        let took = begun.elapsed();
        assert!(!page.items.is_empty(), "the list is empty");
        (took, self.meter.bill() - before)
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Every second conversation is unread. Of the read and of the unread ones, every fourth is assigned to the
/// caller.
async fn fill(client: &Client, organization: &OrganizationId, inbox: &InboxId, count: usize) {
    let batches: Vec<usize> = (0..count).step_by(25).collect();
    let share = batches.len().div_ceil(WRITERS);
    let mut writers = tokio::task::JoinSet::new();
    for part in batches.chunks(share) {
        let (client, part) = (client.clone(), part.to_vec());
        let (organization, inbox) = (organization.clone(), inbox.clone());
        writers.spawn(async move {
            for first in part {
                let rows = (first..(first + 25).min(count)).map(|index| {
                    let put = PutRequest::builder().set_item(Some(row(&organization, &inbox, index)));
                    WriteRequest::builder().put_request(put.build().unwrap()).build()
                });
                client.batch_write_item().request_items(TABLE, rows.collect()).send().await.unwrap();
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
}

fn row(
    organization: &OrganizationId,
    inbox: &InboxId,
    index: usize,
) -> std::collections::HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let map = |fields: &[(&str, AttributeValue)]| {
        AttributeValue::M(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    let number = PhoneNumber::from_carrier(&format!("+1202{:07}", 2_000_000 + index)).unwrap();
    let id = ConversationId::of(inbox, &number);
    let partition = keys::inbox_partition(InboxKey { organization, inbox });
    let at = Timestamp::from_millis(START + i64::try_from(index).unwrap());
    let (unread, mine) = (index.is_multiple_of(2), index % 8 < 4);
    let user = UserId::parse(if mine { "staff-1042" } else { "staff-1043" }).unwrap();
    let assigned = map(&[("id", text(user.as_str())), ("name", text("Ada Oyelaran"))]);
    let contact = map(&[
        ("id", text("con_0123456789ABCDEF")),
        ("ext", text(&format!("S-{index:07}"))),
        ("first", text("Maximilian")),
        ("last", text("Featherstone")),
        ("number", text(number.as_str())),
        ("assigned", assigned),
    ]);
    let last = map(&[
        ("id", text(&format!("msg_{index:012}0123456789ABCDEF"))),
        ("text", text(&"a".repeat(60))),
        ("dir", text("inbound")),
    ]);
    let mut row = std::collections::HashMap::from([
        ("pk".to_owned(), text(&partition)),
        ("sk".to_owned(), text(id.as_str())),
        ("place".to_owned(), text(&keys::place(Folder::Inbox, at, &id))),
        ("contact".to_owned(), contact),
        ("lastMessage".to_owned(), last),
        ("read".to_owned(), AttributeValue::Bool(!unread)),
        ("assignedIn".to_owned(), text(&keys::assigned_in(InboxKey { organization, inbox }, &user))),
    ]);
    if unread {
        row.insert("unreadIn".to_owned(), text(&partition));
    }
    row
}
