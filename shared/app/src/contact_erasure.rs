//! Erasing everything that a stack holds about one number of a contact.
//!
//! A pass deletes from the outside inwards: what refers to a thing goes before the thing by which it is
//! found. So a pass that was interrupted is completed by the next one. Ids of conversations are derived from
//! inbox and number, so they are found without an item.
//!
//! Deletions are changes, and the writer of events may still report them, and what happened just before, with
//! the data of the contact. Passes are therefore repeated, with pauses, until one finds nothing.
//!
//! What stays: an opt-out under a digest of the number, and the claims of inbound messages under digests of
//! the carrier's ids, so that the sweep does not take erased messages in again.

use shared_aws::{
    broadcast::{Broadcasts, Recipients, reference},
    clients::{Bucket, BucketError},
    contact::Contacts,
    conversation::Conversations,
    event::EventLog,
    import::{self, Imports},
    inbox::Inboxes,
    messaging::{Messages, stored_at, uploaded_at},
    opt_out::{OptOutReviews, OptOuts},
    segment::Segments,
    table::{StoreError, Table, Versioned},
    team::Teams,
    webhook::{WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::{
    broadcast::{Audience, Broadcast},
    event::EventScope,
    ids::{ContactId, ConversationId, OrganizationId, TeamId},
    inbox::Inbox,
    keys::TeamKey,
    opt_out::OptOutSubject,
    phone::PhoneNumber,
    time::Timestamp,
};

/// Passes before the erasure is reported as incomplete. The last one has to find nothing.
const MAX_PASSES: usize = 12;
const SEGMENTS_PER_PAGE: u16 = 100;
const BROADCASTS_PER_PAGE: u16 = 50;

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    pub contacts: usize,
    pub conversations: usize,
    pub messages: usize,
    /// Broadcasts of which the number was a recipient or a part of the audience.
    pub broadcasts: usize,
    /// Versions of media and of import files.
    pub files: usize,
    pub reviews: usize,
    /// Entries of the opt-out ledger.
    pub opt_out_changes: usize,
    /// Events of which only the data was erased.
    pub events: usize,
    pub webhook_deliveries: usize,
    /// Whether an opt-out of the number stays.
    pub opted_out: bool,
}

impl Erased {
    /// Whether nothing was found.
    pub fn is_nothing(self) -> bool {
        self == Self { opted_out: self.opted_out, ..Self::default() }
    }

    fn add(&mut self, pass: Self) {
        self.contacts += pass.contacts;
        self.conversations += pass.conversations;
        self.messages += pass.messages;
        self.broadcasts += pass.broadcasts;
        self.files += pass.files;
        self.reviews += pass.reviews;
        self.opt_out_changes += pass.opt_out_changes;
        self.events += pass.events;
        self.webhook_deliveries += pass.webhook_deliveries;
        self.opted_out = pass.opted_out;
    }
}

/// Why a contact was not erased completely. The erasure can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The file of an import may contain the contact.
    #[error("an import of the organization is not complete")]
    ImportOpen,
    /// A team under a legal hold has data of the number. Nothing of it is erased.
    #[error("the team {0} is under a legal hold and has data of the number")]
    Held(TeamId),
    /// Every pass found something, because the contact is writing or events are delayed.
    #[error("new data of the contact was stored during the erasure")]
    Changing,
}

/// The workflow of erasures.
#[derive(Debug, Clone)]
pub struct ContactErasure {
    teams: Teams,
    inboxes: Inboxes,
    contacts: Contacts,
    conversations: Conversations,
    messages: Messages,
    reviews: OptOutReviews,
    opt_outs: OptOuts,
    events: EventLog,
    imports: Imports,
    endpoints: WebhookEndpoints,
    deliveries: WebhookDeliveries,
    segments: Segments,
    broadcasts: Broadcasts,
    recipients: Recipients,
    bucket: Bucket,
}

impl ContactErasure {
    pub fn new(table: &Table, bucket: Bucket) -> Self {
        Self {
            teams: Teams::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            messages: Messages::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            events: EventLog::new(table.clone()),
            imports: Imports::new(table.clone()),
            endpoints: WebhookEndpoints::new(table.clone()),
            deliveries: WebhookDeliveries::new(table.clone()),
            segments: Segments::new(table.clone()),
            broadcasts: Broadcasts::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            bucket,
        }
    }

    /// Erases all contacts of an organization that have this number, with everything that belongs to them.
    /// `pause` waits until events of changes are stored.
    pub async fn erase(
        &self,
        organization: &OrganizationId,
        number: &PhoneNumber,
        clock: impl Fn() -> Timestamp,
        pause: impl AsyncFn(),
    ) -> Result<Erased, ErasureError> {
        if self.imports.any_open(organization, clock()).await? {
            return Err(ErasureError::ImportOpen);
        }
        let mut erased = Erased::default();
        for _ in 0..MAX_PASSES {
            self.check_hold(organization, number).await?;
            let pass = self.pass(organization, number, &clock).await?;
            erased.add(pass);
            if pass.is_nothing() {
                return Ok(erased);
            }
            pause().await;
        }
        Err(ErasureError::Changing)
    }

    /// Errors with [`ErasureError::Held`] if a team under a legal hold has data of this number. A hold that
    /// begins during an erasure ends it after its pass.
    pub async fn check_hold(
        &self,
        organization: &OrganizationId,
        number: &PhoneNumber,
    ) -> Result<(), ErasureError> {
        for team in self.teams.held(organization).await? {
            if self.has_data(TeamKey { organization, team: &team }, number).await? {
                return Err(ErasureError::Held(team));
            }
        }
        Ok(())
    }

    async fn has_data(&self, team: TeamKey<'_>, number: &PhoneNumber) -> Result<bool, StoreError> {
        let contacts = self.contacts.all_with_number(team, number).await?;
        let ids: Vec<_> = contacts.iter().map(|entry| &entry.contact.id).collect();
        if !contacts.is_empty() || !self.opt_outs.about(team, number, &ids).await?.is_empty() {
            return Ok(true);
        }
        for inbox in self.inboxes.of_team(team).await? {
            let conversation = ConversationId::of(&inbox.id, number);
            let key = inbox.key().conversation(&conversation);
            if self.conversations.get(key).await?.is_some()
                || !self.messages.all(team.organization, &conversation).await?.is_empty()
                || !self.reviews.of_number(inbox.key(), number).await?.is_empty()
            {
                return Ok(true);
            }
        }
        self.is_in_broadcast(team, number).await
    }

    async fn pass(
        &self,
        organization: &OrganizationId,
        number: &PhoneNumber,
        clock: &impl Fn() -> Timestamp,
    ) -> Result<Erased, ErasureError> {
        let mut erased = Erased::default();
        let mut texts = vec![number.as_str().to_owned()];
        for team in self.teams.ids(organization).await? {
            let team = TeamKey { organization, team: &team };
            for inbox in self.inboxes.of_team(team).await? {
                texts.push(ConversationId::of(&inbox.id, number).to_string());
                self.erase_in_inbox(&inbox, number, clock, &mut erased).await?;
            }
            self.erase_in_team(team, number, &mut erased).await?;
            let of_team = OptOutSubject::of_team(organization, team.team, number);
            erased.opted_out |= self.opt_outs.erase(&of_team).await?;
        }
        let of_organization = OptOutSubject::of_organization(organization, number);
        erased.opted_out |= self.opt_outs.erase(&of_organization).await?;
        let of_personal_inboxes = OptOutSubject::of_personal_inboxes(organization, number);
        erased.opted_out |= self.opt_outs.erase(&of_personal_inboxes).await?;
        for endpoint in self.endpoints.list(organization).await? {
            erased.webhook_deliveries += self.deliveries.erase(organization, &endpoint.id, &texts).await?;
        }
        for files in self.erasable_imports(organization).await? {
            erased.files += self.bucket.erase(&files, clock).await?;
        }
        Ok(erased)
    }

    /// The prefixes of import files that may have the number, without those of teams under a legal hold.
    async fn erasable_imports(&self, organization: &OrganizationId) -> Result<Vec<String>, StoreError> {
        let (all, held) = (import::objects_of(organization), self.teams.held(organization).await?);
        if held.is_empty() {
            return Ok(vec![all]);
        }
        let teams = self.teams.ids(organization).await?;
        Ok(teams.iter().filter(|team| !held.contains(team)).map(|team| format!("{all}{team}/")).collect())
    }

    async fn erase_in_inbox(
        &self,
        inbox: &Inbox,
        number: &PhoneNumber,
        clock: &impl Fn() -> Timestamp,
        erased: &mut Erased,
    ) -> Result<(), ErasureError> {
        let organization = &inbox.organization;
        let conversation = ConversationId::of(&inbox.id, number);
        for message in self.messages.all(organization, &conversation).await? {
            for media in &message.media {
                for file in [stored_at(inbox.key(), media), uploaded_at(inbox.key(), &media.id)] {
                    erased.files += self.bucket.erase(&file, clock).await?;
                }
            }
            self.messages.erase(organization, &message, clock()).await?;
            erased.messages += 1;
        }
        for review in self.reviews.of_number(inbox.key(), number).await? {
            self.reviews.erase(inbox.key(), &review).await?;
            erased.reviews += 1;
        }
        let key = inbox.key().conversation(&conversation);
        erased.conversations += usize::from(self.conversations.erase(key, clock()).await?);
        let scope = EventScope::Inbox { organization: organization.clone(), inbox: inbox.id.clone() };
        erased.events += self.events.erase(&scope, Some(&conversation), &[number.as_str()]).await?;
        Ok(())
    }

    async fn erase_in_team(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        erased: &mut Erased,
    ) -> Result<(), ErasureError> {
        let contacts = self.contacts.all_with_number(team, number).await?;
        let ids: Vec<_> = contacts.iter().map(|entry| &entry.contact.id).collect();
        self.leave_segments(team, &ids).await?;
        erased.broadcasts += self.leave_broadcasts(team, number, &ids).await?;
        for entry in self.opt_outs.about(team, number, &ids).await? {
            self.opt_outs.erase_entry(team, &entry).await?;
            erased.opt_out_changes += 1;
        }
        let texts: Vec<_> = ids.iter().map(|id| id.as_str()).chain([number.as_str()]).collect();
        let scope = EventScope::Team { organization: team.organization.clone(), team: team.team.clone() };
        erased.events += self.events.erase(&scope, None, &texts).await?;
        for entry in &contacts {
            // A contact that changed since it was read is left to the next pass.
            self.contacts.remove(team, entry).await?;
            erased.contacts += 1;
        }
        self.contacts.erase_number(team, number).await?;
        Ok(())
    }

    /// Takes a number and its contacts out of all broadcasts of the team, and returns of how many.
    async fn leave_broadcasts(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        contacts: &[&ContactId],
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        let mut before = None;
        loop {
            let (page, next) = self.older_broadcasts(team, before.as_deref()).await?;
            for found in page {
                let mut audience: Audience = found.value.audience.clone();
                audience.numbers.retain(|one| one != number);
                audience.contacts.retain(|one| !contacts.contains(&one));
                let is_named = audience != found.value.audience;
                if is_named {
                    // A broadcast that changed since it was read is left to the next pass.
                    self.broadcasts.set_audience(&found, &audience).await?;
                }
                let is_recipient = self.recipients.erase(&found.value, number).await?;
                count += usize::from(is_named || is_recipient);
            }
            before = next;
            if before.is_none() {
                return Ok(count);
            }
        }
    }

    /// Whether a broadcast of the team names a number, or has it as a recipient.
    async fn is_in_broadcast(&self, team: TeamKey<'_>, number: &PhoneNumber) -> Result<bool, StoreError> {
        let mut before = None;
        loop {
            let (page, next) = self.older_broadcasts(team, before.as_deref()).await?;
            for Versioned { value, .. } in page {
                let of = reference(&value);
                let recipient = self.recipients.get(team.organization, &of, number);
                if value.audience.numbers.contains(number) || recipient.await?.is_some() {
                    return Ok(true);
                }
            }
            before = next;
            if before.is_none() {
                return Ok(false);
            }
        }
    }

    /// Returns a page of the broadcasts of a team, the newest first, and where the next page begins.
    async fn older_broadcasts(
        &self,
        team: TeamKey<'_>,
        before: Option<&str>,
    ) -> Result<(Vec<Versioned<Broadcast>>, Option<String>), StoreError> {
        let page = self.broadcasts.older_than(team, before, BROADCASTS_PER_PAGE).await?;
        let is_full = page.len() == usize::from(BROADCASTS_PER_PAGE);
        let next = page.last().filter(|_| is_full).map(|last| last.id.to_string());
        let mut found = Vec::with_capacity(page.len());
        for listed in page {
            found.extend(self.broadcasts.get(team, &listed.id).await?);
        }
        Ok((found, next))
    }

    /// Takes contacts out of all segments of the team.
    async fn leave_segments(&self, team: TeamKey<'_>, contacts: &[&ContactId]) -> Result<(), StoreError> {
        if contacts.is_empty() {
            return Ok(());
        }
        let contacts: Vec<ContactId> = contacts.iter().copied().cloned().collect();
        let mut after = None;
        loop {
            let page = self.segments.ids(team, SEGMENTS_PER_PAGE, after.as_deref()).await?;
            for segment in &page.items {
                self.segments.remove_contacts(team.organization, segment, &contacts).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
