//! The default inbox with the numbers of many contacts.

use shared_aws::{conversation::Locks, messaging::Inbound, messaging::Sends, table::Table};
use shared_domain::{
    contact::Contact,
    ids::{ConversationId, OrganizationId},
    inbox::Inbox,
    keys::ConversationKey,
    message::Message,
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};
use test_kit::{TestApp, build};

/// Earlier than every request of a simulation.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_799_990_000_000);

pub(crate) struct TestInbox {
    pub(crate) app: TestApp,
    pub(crate) numbers: Vec<PhoneNumber>,
    pub(crate) locks: Locks,
    pub(crate) sends: Sends,
}

impl TestInbox {
    /// Starts with the numbers of `contacts` contacts. The contacts themselves are not stored.
    pub(crate) async fn start(contacts: usize) -> Self {
        let app = TestApp::start().await;
        let number =
            |contact| build::number(&format!("+1303{:03}{:04}", 200 + contact / 10_000, contact % 10_000));
        let numbers = (0..contacts).map(number).collect();
        Self { numbers, locks: Locks::new(app.table()), sends: Sends::new(app.table()), app }
    }

    /// Returns the table through a new client, as another host would have it.
    pub(crate) fn table(&self) -> Table {
        self.app.table()
    }

    pub(crate) fn organization(&self) -> &OrganizationId {
        self.app.organization()
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.app.inbox
    }

    pub(crate) fn conversation(&self, contact: usize) -> ConversationId {
        ConversationId::of(&self.inbox().id, &self.numbers[contact])
    }

    pub(crate) fn key<'a>(&'a self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        self.app.conversation_key(conversation)
    }

    /// Stores one inbound message of each contact.
    pub(crate) async fn receive_from_all(&self) {
        let inbound = Inbound::new(self.table());
        for (contact, number) in self.numbers.iter().enumerate() {
            let text = build::inbound_text(number, &format!("SM{contact:032}"), "Is anyone there?");
            inbound.receive(self.inbox(), &text, START).await.unwrap();
        }
    }

    /// Returns a message to a contact that is not accepted yet.
    pub(crate) fn message(&self, contact: usize, sender: &UserRef, at: Timestamp, entropy: u64) -> Message {
        build::message(self.inbox(), &self.numbers[contact], sender, at, entropy)
    }

    /// Returns the contact of a message as an unknown number has it.
    pub(crate) fn provisional_contact(&self, message: &Message) -> Contact {
        Contact::provisional(&self.inbox().team, &message.contact_number)
    }
}
