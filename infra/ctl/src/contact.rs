//! Export and erasure of one contact, for requests under privacy laws. `docs/operations/privacy.md` lists
//! what both include.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use shared_app::contact_erasure::{ContactErasure, Erased, ErasureError};
use shared_aws::{
    broadcast::{Broadcasts, Recipients, reference},
    clients::Bucket,
    contact::Contacts,
    conversation::Conversations,
    inbox::Inboxes,
    messaging::Messages,
    opt_out::{OptOutReviews, OptOuts, ReviewEntry},
    segment::Segments,
    team::Teams,
};
use shared_domain::{
    audience::SegmentKind,
    contact::Contact,
    conversation::Conversation,
    ids::{ContactId, ConversationId, OrganizationId, SegmentId},
    inbox::Inbox,
    keys::TeamKey,
    opt_out::OptOutSubject,
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::wire::{
    broadcast::BroadcastRecipientView,
    contact::{ContactView, OptOutEntryView},
    conversation::ConversationView,
    message::{Links, MessageView},
    opt_out_review::OptOutReviewView,
};

use crate::{
    Error, Operator,
    dead_letters::{self, NamedQueue},
};

/// How many segments or broadcasts are read at a time.
const PAGE: u16 = 100;
/// The time after which the events of a change are stored.
pub const EVENT_DELAY: Duration = Duration::from_secs(4);

/// The contacts that have a number.
#[derive(Debug, Clone, Args)]
pub struct ContactSelection {
    /// ID of the organization
    #[arg(long)]
    pub organization: String,
    /// Number of the contact, such as +12025550143
    #[arg(long)]
    pub number: String,
}

/// An erasure to confirm.
#[derive(Debug, Clone, Args)]
pub struct ErasureRequest {
    #[command(flatten)]
    pub contact: ContactSelection,
    /// Erases the contact without a question
    #[arg(long)]
    pub yes: bool,
}

/// What a stack holds about a number of a contact.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedContact {
    pub organization_id: String,
    pub phone_number: String,
    pub exported_at: String,
    /// Whether the number is opted out of messages from personal inboxes. Teams have their own state.
    pub opted_out_of_personal_inboxes: bool,
    /// The teams that know the number.
    pub teams: Vec<TeamContact>,
}

/// What a team holds about a number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamContact {
    pub team_id: String,
    /// The contacts that have the number. People can share one.
    pub contacts: Vec<ContactView>,
    pub opt_outs: Vec<OptOutEntryView>,
    pub conversations: Vec<ExportedConversation>,
    /// The segments that contacts with the number were put into.
    pub segments: Vec<ExportedSegment>,
    /// The broadcasts that name the number or such a contact, or have it as a recipient, the newest first.
    pub broadcasts: Vec<ExportedBroadcast>,
}

/// A segment that has a contact.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedSegment {
    pub segment_id: String,
    pub name: String,
}

/// A broadcast that has a number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedBroadcast {
    pub broadcast_id: String,
    pub name: String,
    pub created_at: String,
    /// Whether its audience names the number or a contact that has it.
    pub is_named: bool,
    /// What happened to the number. `None` before the start, and if it got into the audience later.
    pub recipient: Option<BroadcastRecipientView>,
    /// The text for the number, until it is released as a message.
    pub text: Option<String>,
}

/// A conversation with all its messages, oldest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedConversation {
    pub inbox_id: String,
    pub inbox_name: String,
    /// `None` if the conversation is not written yet.
    pub conversation: Option<ConversationView>,
    /// Files have URLs that expire soon.
    pub messages: Vec<MessageView>,
    pub reviews: Vec<OptOutReviewView>,
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasedContact {
    pub organization_id: String,
    pub contacts: usize,
    pub conversations: usize,
    pub messages: usize,
    /// Versions of media and of import files.
    pub files: usize,
    pub reviews: usize,
    /// Entries of the opt-out ledger.
    pub opt_out_changes: usize,
    /// Events of which only the data was erased.
    pub events: usize,
    pub webhook_deliveries: usize,
    /// Broadcasts of which the number was a recipient or a part of the audience.
    pub broadcasts: usize,
    /// Queue messages about the erased messages.
    pub dead_letters: usize,
    /// Whether the number stays opted out, under a hash.
    pub opted_out: bool,
}

/// Returns the contacts, opt-outs, conversations, segments and broadcasts of a number, and writes to the
/// audit trail.
pub async fn export(
    operator: &Operator,
    bucket: &Bucket,
    contact: &ContactSelection,
) -> Result<ExportedContact, Error> {
    let (organization, number) = parse(operator, contact).await?;
    let mut teams = Vec::new();
    for team in Teams::new(operator.table.clone()).ids(&organization).await? {
        let team = TeamKey { organization: &organization, team: &team };
        teams.extend(export_team(operator, bucket, team, &number).await?);
    }
    let opt_outs = OptOuts::new(operator.table.clone());
    let of_personal_inboxes = OptOutSubject::of_personal_inboxes(&organization, &number);
    let opted_out = opt_outs.get(&of_personal_inboxes).await?.state.is_out();
    let event = operator.event("contact.export", organization.as_str());
    operator.organizations.record(&organization, &event).await?;
    Ok(ExportedContact {
        organization_id: organization.to_string(),
        phone_number: number.as_str().to_owned(),
        exported_at: operator.now.to_string(),
        opted_out_of_personal_inboxes: opted_out,
        teams,
    })
}

async fn export_team(
    operator: &Operator,
    bucket: &Bucket,
    team: TeamKey<'_>,
    number: &PhoneNumber,
) -> Result<Option<TeamContact>, Error> {
    let entries = Contacts::new(operator.table.clone()).all_with_number(team, number).await?;
    let ids: Vec<_> = entries.iter().map(|entry| &entry.contact.id).collect();
    let opt_outs = OptOuts::new(operator.table.clone()).about(team, number, &ids).await?;
    let mut conversations = Vec::new();
    for inbox in Inboxes::new(operator.table.clone()).of_team(team).await? {
        conversations.extend(export_conversation(operator, bucket, &inbox, number).await?);
    }
    let segments = export_segments(operator, team, &ids).await?;
    let broadcasts = export_broadcasts(operator, team, number, &ids).await?;
    let is_known =
        !(entries.is_empty() && opt_outs.is_empty() && conversations.is_empty() && broadcasts.is_empty());
    Ok(is_known.then(|| TeamContact {
        team_id: team.team.to_string(),
        contacts: entries.iter().map(ContactView::of).collect(),
        opt_outs: opt_outs.iter().map(OptOutEntryView::of).collect(),
        conversations,
        segments,
        broadcasts,
    }))
}

async fn export_segments(
    operator: &Operator,
    team: TeamKey<'_>,
    ids: &[&ContactId],
) -> Result<Vec<ExportedSegment>, Error> {
    let segments = Segments::new(operator.table.clone());
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = segments.page(team, PAGE, after.as_deref()).await?;
        for segment in page.items.into_iter().map(|segment| segment.value) {
            let is_static = matches!(segment.kind, SegmentKind::Static);
            if is_static && has_one_of(&segments, team, &segment.id, ids).await? {
                found.push(ExportedSegment { segment_id: segment.id.to_string(), name: segment.name });
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Whether one of these contacts was put into a segment.
async fn has_one_of(
    segments: &Segments,
    team: TeamKey<'_>,
    segment: &SegmentId,
    ids: &[&ContactId],
) -> Result<bool, Error> {
    let mut after = None;
    loop {
        let page = segments.contacts(team.organization, segment, after.as_deref()).await?;
        if page.items.iter().any(|contact| ids.contains(&contact)) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}

async fn export_broadcasts(
    operator: &Operator,
    team: TeamKey<'_>,
    number: &PhoneNumber,
    ids: &[&ContactId],
) -> Result<Vec<ExportedBroadcast>, Error> {
    let broadcasts = Broadcasts::new(operator.table.clone());
    let recipients = Recipients::new(operator.table.clone());
    let (mut found, mut before) = (Vec::new(), None::<String>);
    loop {
        let page = broadcasts.older_than(team, before.as_deref(), PAGE).await?;
        for broadcast in &page {
            let audience = &broadcast.audience;
            let is_named = audience.numbers.contains(number)
                || audience.contacts.iter().any(|contact| ids.contains(&contact));
            let recipient = recipients.get(team.organization, &reference(broadcast), number).await?;
            if is_named || recipient.is_some() {
                found.push(ExportedBroadcast {
                    broadcast_id: broadcast.id.to_string(),
                    name: broadcast.name.clone(),
                    created_at: broadcast.created_at.to_string(),
                    is_named,
                    recipient: recipient.as_ref().map(BroadcastRecipientView::of),
                    text: recipient.and_then(|recipient| recipient.text),
                });
            }
        }
        before = page.last().map(|last| last.id.to_string());
        if page.len() < usize::from(PAGE) {
            return Ok(found);
        }
    }
}

async fn export_conversation(
    operator: &Operator,
    bucket: &Bucket,
    inbox: &Inbox,
    number: &PhoneNumber,
) -> Result<Option<ExportedConversation>, Error> {
    let (organization, table) = (&inbox.organization, || operator.table.clone());
    let id = ConversationId::of(&inbox.id, number);
    let conversation = Conversations::new(table()).get(inbox.key().conversation(&id)).await?;
    let messages = Messages::new(table()).all(organization, &id).await?;
    let reviews = OptOutReviews::new(table()).of_number(inbox.key(), number).await?;
    if conversation.is_none() && messages.is_empty() && reviews.is_empty() {
        return Ok(None);
    }
    let shown = |conversation: &Conversation| conversation.contact.clone();
    let contact = conversation.as_ref().map(shown);
    let review = |review| {
        let contact = contact.clone().unwrap_or_else(|| Contact::provisional(&inbox.team, number));
        OptOutReviewView::of(&ReviewEntry { review, contact })
    };
    let links = Links { bucket, organization, now: operator.now };
    Ok(Some(ExportedConversation {
        inbox_id: inbox.id.to_string(),
        inbox_name: inbox.name.clone(),
        messages: messages.iter().map(|message| MessageView::of(message, &links)).collect(),
        reviews: reviews.into_iter().map(review).collect(),
        conversation: conversation.as_ref().map(|shown| ConversationView::of(shown, operator.now)),
    }))
}

/// Erases everything that a stack holds about a number. `confirm` asks the operator, `pause` waits for
/// [`EVENT_DELAY`], and `clock` tells when a request is sent.
pub async fn erase(
    operator: &Operator,
    bucket: &Bucket,
    queues: &[NamedQueue],
    request: &ErasureRequest,
    clock: impl Fn() -> Timestamp,
    confirm: impl FnOnce() -> bool,
    pause: impl AsyncFn(),
) -> Result<ErasedContact, Error> {
    let (organization, number) = parse(operator, &request.contact).await?;
    if !request.yes && !confirm() {
        return Err(Error::Conflict("Nothing was erased. Confirm, or pass --yes.".into()));
    }
    let inboxes = inboxes(operator, &organization).await?;
    let conversations: Vec<_> = inboxes.iter().map(|inbox| ConversationId::of(&inbox.id, &number)).collect();
    let erasure = ContactErasure::new(&operator.table, bucket.clone());
    erasure.check_hold(&organization, &number).await.map_err(of_erasure)?;
    let dead_letters = dead_letters::discard_of(queues, &conversations).await?;
    let erased = erasure.erase(&organization, &number, clock, pause).await.map_err(of_erasure)?;
    // A repetition that finds nothing changes nothing.
    if !erased.is_nothing() || dead_letters > 0 {
        let event = operator.event("contact.erase", organization.as_str());
        operator.organizations.record(&organization, &event).await?;
    }
    let Erased {
        contacts,
        conversations,
        messages,
        files,
        reviews,
        opt_out_changes,
        events,
        webhook_deliveries,
        broadcasts,
        opted_out,
    } = erased;
    let organization_id = organization.to_string();
    Ok(ErasedContact {
        organization_id,
        contacts,
        conversations,
        messages,
        files,
        reviews,
        opt_out_changes,
        events,
        webhook_deliveries,
        broadcasts,
        dead_letters,
        opted_out,
    })
}

async fn inboxes(operator: &Operator, organization: &OrganizationId) -> Result<Vec<Inbox>, Error> {
    let mut inboxes = Vec::new();
    for team in Teams::new(operator.table.clone()).ids(organization).await? {
        let team = TeamKey { organization, team: &team };
        inboxes.extend(Inboxes::new(operator.table.clone()).of_team(team).await?);
    }
    Ok(inboxes)
}

async fn parse(
    operator: &Operator,
    contact: &ContactSelection,
) -> Result<(OrganizationId, PhoneNumber), Error> {
    let organization = operator.organization(&contact.organization).await?.id;
    let number = PhoneNumber::parse(&contact.number).map_err(|_| {
        let expected = "a phone number, such as +12025550143".into();
        Error::Invalid { argument: "number", expected }
    })?;
    Ok((organization, number))
}

fn of_erasure(error: ErasureError) -> Error {
    match error {
        ErasureError::Store(error) => error.into(),
        ErasureError::Bucket(error) => Error::Bucket(error),
        ErasureError::ImportOpen => Error::Conflict(
            "An import of the organization is not complete, and its file can contain the contact. Run the \
             command again when the import is complete."
                .into(),
        ),
        ErasureError::Held(team) => Error::Conflict(format!(
            "The team {team} is under a legal hold and has data of the number, so it is not erased. End the hold with \
             `inboxctl team hold end`, or keep the data."
        )),
        ErasureError::Changing => Error::Conflict(
            "The contact is not erased completely, because new messages or events were stored during the \
             command. Run it again."
                .into(),
        ),
    }
}
