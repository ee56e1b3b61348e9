//! The changes behind events, parsed from records of the table's stream.

use serde::de::DeserializeOwned;
use serde_dynamo::{AttributeValue, Item};
use shared_domain::{
    broadcast::Broadcast,
    conversation::Conversation,
    ids::{InboxId, OrganizationId, TeamId},
    import::Import,
    inbox::Inbox,
    membership::{Membership, TeamMember},
    message::Message,
    opt_out::LedgerEntry,
    registration::Registration,
};

use crate::{
    broadcast::Broadcasts,
    contact::{ContactEntry, Contacts},
    conversation::rows::ConversationRow,
    import::Imports,
    inbox::{Saved, rows::InboxRow},
    messaging::rows::MessageRow,
    opt_out::OptOuts,
    registration::rows::RegistrationRow,
    table::{StoreError, keys},
    team::rows::{MemberRow, TeamMemberRow},
};

/// An item before and after a write. `None` where it did not exist.
#[derive(Debug, Clone)]
pub struct Images<T> {
    pub before: Option<T>,
    pub after: Option<T>,
}

/// A write of an item that users see.
#[derive(Debug, Clone)]
pub struct Change {
    pub organization: OrganizationId,
    pub subject: Subject,
}

/// What was written.
#[derive(Debug, Clone)]
pub enum Subject {
    Conversation(InboxId, Images<Box<Conversation>>),
    Message(Images<Box<Message>>),
    Inbox(InboxId, Images<Box<Inbox>>),
    OutOfOffice(InboxId, Images<Saved>),
    InboxMember(InboxId, Images<Membership>),
    TeamMember(TeamId, Images<TeamMember>),
    /// The contact has no opt-out and no block, which belong to its number.
    Contact(TeamId, Images<Box<ContactEntry>>),
    /// An entry of the team's ledger.
    OptOut(TeamId, Images<LedgerEntry>),
    Registration(TeamId, Images<Box<Registration>>),
    Import(TeamId, Images<Box<Import>>),
    Broadcast(TeamId, Images<Box<Broadcast>>),
}

impl<T> Images<T> {
    fn parse(
        before: Item,
        after: Item,
        parse: impl Fn(Item) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let parse = |image: Item| (!image.is_empty()).then(|| parse(image)).transpose();
        Ok(Self { before: parse(before)?, after: parse(after)? })
    }
}

impl Change {
    /// Parses the images of a stream record. An item that did not exist has an empty image. `None` if users
    /// do not see the item. Errors with `Corrupt` if an image is not the item that its key names.
    pub fn of_images(before: Item, after: Item) -> Result<Option<Self>, StoreError> {
        let image = if after.is_empty() { &before } else { &after };
        let (Some(pk), Some(sk)) = (text(image, "pk"), text(image, "sk")) else {
            return Err(StoreError::Corrupt("a stream record without a key".into()));
        };
        let (pk, sk) = (pk.to_owned(), sk.to_owned());
        let Some((organization, owner)) = pk.split_once('#') else { return Ok(None) };
        let Ok(organization) = OrganizationId::parse(organization) else { return Ok(None) };
        let subject = if let Ok(inbox) = InboxId::parse(owner) {
            in_inbox(inbox, &sk, before, after)?
        } else if let Ok(team) = TeamId::parse(owner) {
            in_team(team, &sk, before, after)?
        } else if owner.starts_with("cnv_") && sk.starts_with("msg_") {
            let row = |image| row(image, |row: MessageRow| Ok(Box::new(row.message()?)));
            Some(Subject::Message(Images::parse(before, after, row)?))
        } else {
            None
        };
        Ok(subject.map(|subject| Self { organization, subject }))
    }
}

fn in_inbox(inbox: InboxId, sk: &str, before: Item, after: Item) -> Result<Option<Subject>, StoreError> {
    Ok(Some(if sk.starts_with("cnv_") {
        let row = |image| row(image, |row: ConversationRow| Ok(Box::new(row.conversation()?)));
        Subject::Conversation(inbox, Images::parse(before, after, row)?)
    } else if sk == "INBOX" {
        let row = |image| row(image, |row: InboxRow| Ok(Box::new(row.inbox())));
        Subject::Inbox(inbox, Images::parse(before, after, row)?)
    } else if sk == "AWAY" {
        Subject::OutOfOffice(inbox, Images::parse(before, after, |image| row(image, Ok))?)
    } else if sk.starts_with(keys::INBOX_MEMBERS) {
        let row = |image| row(image, |row: MemberRow| Ok(row.membership()));
        Subject::InboxMember(inbox, Images::parse(before, after, row)?)
    } else {
        return Ok(None);
    }))
}

fn in_team(team: TeamId, sk: &str, before: Item, after: Item) -> Result<Option<Subject>, StoreError> {
    Ok(Some(if sk.starts_with(keys::TEAM_MEMBERS) {
        let row = |image| row(image, |row: TeamMemberRow| Ok(row.member()));
        Subject::TeamMember(team, Images::parse(before, after, row)?)
    } else if sk.starts_with(keys::CONTACTS) {
        let row = |image| Contacts::entry_of_image(image).map(Box::new);
        Subject::Contact(team, Images::parse(before, after, row)?)
    } else if sk.starts_with("OUT#") {
        Subject::OptOut(team, Images::parse(before, after, OptOuts::entry_of_image)?)
    } else if sk == "REGISTRATION" {
        let row = |image| row(image, |row: RegistrationRow| Ok(Box::new(row.registration())));
        Subject::Registration(team, Images::parse(before, after, row)?)
    } else if sk.starts_with(keys::IMPORTS) {
        let row = |image| Imports::of_image(image).map(Box::new);
        Subject::Import(team, Images::parse(before, after, row)?)
    } else if sk.starts_with(keys::BROADCASTS) {
        let row = |image| Broadcasts::of_image(image).map(Box::new);
        Subject::Broadcast(team, Images::parse(before, after, row)?)
    } else {
        return Ok(None);
    }))
}

fn row<R: DeserializeOwned, T>(
    image: Item,
    convert: impl FnOnce(R) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    convert(serde_dynamo::from_item(image)?)
}

fn text<'a>(image: &'a Item, name: &str) -> Option<&'a str> {
    match image.get(name)? {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}
