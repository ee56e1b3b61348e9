//! The exact cost of each operation on items of realistic sizes. The test also compares the table in
//! ARCHITECTURE.md.
//! `UPDATE_DOCS=1 cargo test --workspace --test contract -- costs` writes that table.

mod broadcasts;
mod contacts;
mod events;
mod inbound;
mod inboxes;
mod lists;
mod locks;
mod media;
mod opt_outs;
mod retention;
mod sends;
mod sizes;
mod templates;
mod webhooks;

use shared_domain::ids::ConversationId;
use test_kit::docs::assert_block;

use crate::support::{Bill, TestStores, at_second, contact, number};

/// Operation, requests, read units, write units. A refusal's write unit is what DynamoDB charges for the
/// condition.
const BUDGET: &[(&str, u32, f64, f64)] = &[
    ("access check", 1, 0.5, 0.0),
    ("acquire, unread conversation", 3, 0.0, 6.0),
    ("acquire a free lock", 2, 0.0, 4.0),
    ("acquire, refused", 3, 0.0, 3.0),
    ("acquire again as the holder", 2, 0.0, 2.0),
    ("renew", 1, 0.0, 1.0),
    ("take over an expired lock", 2, 0.0, 4.0),
    ("renew, lost", 1, 0.0, 1.0),
    ("release", 2, 0.0, 4.0),
    ("release, already released", 1, 0.0, 1.0),
    ("break", 2, 0.0, 4.0),
    ("find the inbox of a number", 2, 1.0, 0.0),
    ("inbound message, unread conversation", 3, 0.0, 9.0),
    ("inbound message, read conversation", 4, 0.0, 9.0),
    ("inbound message, read and archived conversation", 4, 0.0, 9.0),
    ("inbound message, first of a known contact", 8, 5.0, 8.0),
    ("inbound message, first of an unknown number", 10, 5.5, 8.0),
    ("inbound message, redelivered", 2, 2.0, 1.0),
    ("reply", 1, 0.0, 10.0),
    ("reply with idempotency key", 1, 0.0, 12.0),
    ("reply of 1,500 characters", 1, 0.0, 12.0),
    ("reply, refused", 1, 0.0, 6.0),
    ("reply, no assigned user", 1, 0.0, 8.0),
    ("look up an idempotency key", 1, 1.0, 0.0),
    ("compose, new conversation", 1, 0.0, 8.0),
    ("delete an outbox item", 1, 0.0, 1.0),
    ("read the pace and the sending pause", 1, 1.0, 0.0),
    ("read these and the conversation", 1, 1.5, 0.0),
    ("take a turn", 1, 0.0, 1.0),
    ("take a turn after a race", 2, 0.0, 2.0),
    ("plan the turn of a text of a broadcast", 1, 0.0, 1.0),
    ("take a planned turn", 2, 0.5, 1.0),
    ("take a turn before a planned one", 1, 0.0, 1.0),
    ("claim a message to send", 1, 0.0, 1.0),
    ("record the outcome of a send", 1, 0.0, 2.0),
    ("report of a failure", 1, 0.0, 3.0),
    ("report of a failure, repeated", 1, 0.0, 1.0),
    ("show a failure in the lists", 1, 0.0, 3.0),
    ("page of failed messages, with one", 2, 1.5, 0.0),
    ("send a failed message again", 1, 0.0, 13.0),
    ("delivery report", 1, 0.0, 2.0),
    ("read a conversation", 1, 1.0, 0.0),
    ("list page of 50", 1, 3.0, 0.0),
    ("count 50 conversations", 1, 3.0, 0.0),
    ("read the locks of a user without locks", 1, 1.0, 0.0),
    ("recount 50 unread conversations", 2, 3.0, 1.0),
    ("list page of 50, five locked", 2, 5.5, 0.0),
    ("history page of 25", 1, 1.5, 0.0),
    ("mark read", 2, 0.0, 5.0),
    ("archive", 1, 0.0, 5.0),
    ("inbound message, unread conversation without assigned user", 3, 0.0, 7.0),
    ("list page of 50, unread", 1, 3.0, 0.0),
    ("list page of 50, assigned", 1, 3.0, 0.0),
    ("list page of 50, assigned and unread", 1, 3.0, 0.0),
    ("list page of 50, read", 1, 3.0, 0.0),
    ("read a user with 3 inboxes", 1, 1.0, 0.0),
    ("read 3 inboxes and 3 teams", 1, 3.0, 0.0),
    ("read a user with 30 inboxes", 1, 1.0, 0.0),
    ("read 30 inboxes and 3 teams", 1, 16.5, 0.0),
    ("check a role in a team", 1, 1.5, 0.0),
    ("reserve an inbox", 1, 0.0, 10.0),
    ("reserve an inbox, with idempotency key", 1, 0.0, 12.0),
    ("complete an inbox and start the registration", 1, 0.0, 18.0),
    ("complete an inbox", 1, 0.0, 12.0),
    ("approve a registration", 1, 0.0, 10.0),
    ("suspend a registration", 1, 0.0, 10.0),
    ("create a contact", 1, 0.0, 12.0),
    ("rename a contact", 1, 0.0, 12.0),
    ("update a contact's copies, 3 inboxes and 2 conversations", 6, 9.5, 8.0),
    ("out-of-office message", 1, 0.0, 8.0),
    ("opt-out by keyword with confirmation", 1, 0.0, 12.0),
    ("keyword without effect", 1, 0.0, 2.0),
    ("check the opt-outs before a send", 1, 2.0, 0.0),
    ("check the opt-outs before a send, personal inbox", 1, 3.0, 0.0),
    ("create a keyword reply with two keywords", 1, 0.0, 8.0),
    ("look for a keyword, none", 1, 0.5, 0.0),
    ("look for a keyword", 2, 1.0, 0.0),
    ("keyword reply with a tag", 3, 2.0, 10.0),
    ("inbound message, first of an unknown number, with notification", 10, 5.5, 11.0),
    ("open a review", 1, 0.0, 4.0),
    ("open a review, repeated", 1, 0.0, 4.0),
    ("open reviews, page of 25", 2, 13.5, 0.0),
    ("read a review and its contact", 1, 3.0, 0.0),
    ("dismiss a review", 1, 0.0, 4.0),
    ("resolve a review with an opt-out", 1, 0.0, 12.0),
    ("queue the media of a message", 1, 0.0, 1.0),
    ("record the outcome of a media file", 1, 0.0, 1.0),
    ("create a template", 1, 0.0, 4.0),
    ("read a template", 1, 1.0, 0.0),
    ("change a template", 1, 0.0, 2.0),
    ("rename a template", 1, 0.0, 6.0),
    ("create an import", 1, 0.0, 6.0),
    ("postpone the check of an import", 1, 0.0, 1.0),
    ("claim an import", 1, 0.0, 1.0),
    ("look up 100 rows, all new", 3, 300.0, 0.0),
    ("begin a chunk", 1, 0.0, 2.0),
    ("create 100 contacts", 24, 0.0, 600.0),
    ("look up 100 rows, all known", 5, 500.0, 0.0),
    ("write an event", 3, 1.0, 2.0),
    ("write 10 events of an inbox", 12, 1.0, 11.0),
    ("write an event, repeated", 3, 3.0, 1.0),
    ("write 10 events, behind 1,000 others", 35, 90.0, 21.0),
    ("write 10 events, behind others, repeated", 28, 132.0, 11.0),
    ("look for events of 30 inboxes", 1, 15.0, 0.0),
    ("read 10 events", 1, 2.0, 0.0),
    ("find the endpoints of an event among 10", 1, 0.5, 0.0),
    ("store a webhook delivery", 1, 0.0, 1.0),
    ("attempt a webhook delivery", 3, 2.0, 1.0),
    ("look for webhook deliveries that wait", 4, 2.0, 0.0),
    ("prepare 100 recipients", 4, 0.0, 200.0),
    ("read the progress of a broadcast", 1, 8.0, 0.0),
    ("release a text of a broadcast", 1, 0.0, 24.0),
    ("a delivery report reaches the recipient", 2, 1.0, 4.0),
    ("store the reply to a broadcast", 1, 0.0, 6.0),
    ("store the reply to a broadcast, repeated", 1, 0.0, 6.0),
    ("look for expired messages, none", 1, 0.5, 0.0),
    ("whether a run still has its team", 1, 1.0, 0.0),
    ("erase an expired message, inbound", 1, 0.0, 6.0),
    ("erase an expired message, outbound", 1, 0.0, 4.0),
    ("erase the newest message in the lists", 1, 0.0, 7.0),
];

/// An inbox with 60 contacts, and the operations measured so far.
struct Measurements {
    stores: TestStores,
    lines: Vec<(&'static str, Bill)>,
}

impl Measurements {
    async fn open() -> Self {
        let stores = TestStores::start().await;
        for index in 0..60 {
            stores.contacts.put(stores.inbox.team_key(), &contact(index)).await.unwrap();
        }
        Self { stores, lines: Vec::new() }
    }

    /// Keeps the measurements and continues with an empty table.
    async fn with_new_table(self) -> Self {
        Self { lines: self.lines, ..Self::open().await }
    }

    async fn measure<T>(&mut self, operation: &'static str, work: impl AsyncFnOnce(&TestStores) -> T) -> T {
        let (done, bill) = self.stores.cost(Box::pin(work(&self.stores))).await;
        self.lines.push((operation, bill));
        done
    }

    /// Starts an unread conversation with a known contact.
    async fn conversation(&self, index: usize) -> ConversationId {
        self.stores.receive(&number(index), TEXT, at_second(index as u64)).await;
        self.stores.conversation_id(&number(index))
    }
}

/// 160 characters: one segment, and longer than the excerpt in a list.
const TEXT: &str = "Hello, I sent my transcripts two weeks ago and the portal still says that they are missing. Could you \
                     please look whether they arrived? Thank you, Maximiliana F.";

async fn receive(stores: &TestStores, index: usize, at: u64) {
    stores.receive(&number(index), TEXT, at_second(at)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_costs_what_the_budget_says() {
    let mut measured = Measurements::open().await;
    locks::access_check(&mut measured).await;
    locks::locks(&mut measured).await;
    inbound::inbound(&mut measured).await;
    inbound::inbound_first_and_repeated(&mut measured).await;
    let message = sends::sends(&mut measured).await;
    sends::delivery(&mut measured, &message).await;
    measured = measured.with_new_table().await;
    lists::reads(&mut measured).await;
    measured = measured.with_new_table().await;
    lists::filtered_lists(&mut measured).await;
    inboxes::profile(&mut measured, 3, ["read a user with 3 inboxes", "read 3 inboxes and 3 teams"]).await;
    inboxes::profile(&mut measured, 30, ["read a user with 30 inboxes", "read 30 inboxes and 3 teams"]).await;
    inboxes::new_inbox(&mut measured).await;
    inboxes::registration(&mut measured).await;
    measured = measured.with_new_table().await;
    contacts::contacts(&mut measured).await;
    opt_outs::opt_outs(&mut measured).await;
    opt_outs::keyword_replies(&mut measured).await;
    opt_outs::reviews(&mut measured).await;
    media::files(&mut measured).await;
    templates::templates(&mut measured).await;
    contacts::imports(&mut measured).await;
    events::events_of_an_inbox(&mut measured).await;
    webhooks::an_event_for_an_endpoint(&mut measured).await;
    broadcasts::broadcasts(&mut measured).await;
    retention::expired_messages(&mut measured).await;
    let budget = BUDGET
        .iter()
        .map(|&(operation, requests, read, write)| (operation, Bill::new(requests, read, write)));
    assert_eq!(measured.lines, budget.collect::<Vec<_>>());
    assert_block("ARCHITECTURE.md", "operations", &table(&measured.lines));
}

fn table(lines: &[(&str, Bill)]) -> String {
    let head = "| Operation | Requests | Read units | Write units |\n|---|---|---|---|\n".to_owned();
    lines.iter().fold(head, |table, (operation, bill)| table + &format!("| {operation} {bill}\n"))
}
