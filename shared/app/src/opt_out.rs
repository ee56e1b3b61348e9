//! Changing opt-outs: read the state, apply a rule, record the change with its ledger entry, update the
//! copies on conversations. If the state changes in between, the rule is applied again to the new state.
//!
//! Idempotent: a rule that finds nothing to change writes nothing, and updating copies twice has the effect
//! of once.

use futures_util::{StreamExt, TryStreamExt, stream};
use shared_aws::{
    contact::Contacts,
    opt_out::{OptOutRecord, OptOutReviews, OptOutWrite, OptOuts},
    table::{StoreError, Table},
    team::Teams,
};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, InboxId, MessageId, OrganizationId, ReviewId, TeamId, UserId},
    keys::{TeamInboxKey, TeamKey},
    message::Message,
    notification::NotificationKind,
    opt_out::{
        self, OptOutChange, OptOutReview, OptOutScope, OptOutState, OptOutSubject, ReviewOutcome,
        ReviewResolution,
    },
    phone::PhoneNumber,
    time::Timestamp,
};

/// How often a change is tried before it is reported as [`Outcome::Contended`].
pub(crate) const MAX_ATTEMPTS: u32 = 5;

/// Teams whose conversations are updated at the same time.
const MAX_CONCURRENCY: usize = 8;

/// A change of an opt-out, whatever causes it.
#[derive(Debug, Clone, Copy)]
pub struct OptOutRequest<'a> {
    pub subject: &'a OptOutSubject,
    /// The team whose ledger records the change.
    pub team: &'a TeamId,
    /// The contact that the ledger names. `None` for the contact that the team sees for the number.
    pub contact: Option<&'a ContactId>,
    /// The message that caused the change.
    pub message: Option<&'a MessageId>,
    /// The user who made the change.
    pub user: Option<&'a UserId>,
    /// Whether the team is notified if it has chosen so.
    pub notify: bool,
    pub at: Timestamp,
}

/// The outcome of an [`OptOutRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The change is recorded, or there was nothing to change.
    Done,
    /// The contact of the request was removed.
    ContactRemoved,
    /// The state changed in every attempt.
    Contended,
}

/// The outcome of resolving a review.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ReviewUpdate {
    Done,
    NoReview,
    /// The review was resolved before, with another outcome.
    ResolvedOtherwise(ReviewResolution),
    /// The review or the opt-out changed in every attempt.
    Contended,
}

/// What is stored in the same transaction as a change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Together<'a> {
    Nothing,
    Keyword { inbox: &'a InboxId, confirmation: Option<&'a Message> },
    Refusal(&'a MessageId),
    Review { place: TeamInboxKey<'a>, review: &'a OptOutReview, resolution: &'a ReviewResolution },
}

/// The workflow of opt-outs.
#[derive(Debug, Clone)]
pub struct OptOutWorkflow {
    pub(crate) opt_outs: OptOuts,
    reviews: OptOutReviews,
    contacts: Contacts,
    teams: Teams,
}

impl OptOutWorkflow {
    pub fn new(table: Table) -> Self {
        Self {
            opt_outs: OptOuts::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            teams: Teams::new(table),
        }
    }

    /// Applies a rule to the state of the subject, and updates the contact's copies on conversations. Copies
    /// are updated even if nothing changed, because an earlier attempt may have ended before it updated them.
    pub async fn apply(
        &self,
        request: &OptOutRequest<'_>,
        rule: impl Fn(&OptOutState) -> Option<OptOutChange>,
    ) -> Result<Outcome, StoreError> {
        let record = self.opt_outs.get(request.subject).await?;
        let outcome = self.apply_to(record, request, rule).await?;
        if outcome == Outcome::Done {
            self.sync_copies(request).await?;
        }
        Ok(outcome)
    }

    /// Applies what a user says about a number to the team. An opt-in records new consent, which also ends an
    /// opt-out from the whole organization.
    pub async fn apply_user(
        &self,
        request: &OptOutRequest<'_>,
        opted_out: bool,
    ) -> Result<Outcome, StoreError> {
        let OptOutSubject { organization, number, .. } = request.subject;
        if !opted_out {
            let subject = OptOutSubject::of_organization(organization, number);
            let request = OptOutRequest { subject: &subject, ..*request };
            let rule = |state: &OptOutState| opt_out::after_user(state, false);
            match self.apply(&request, rule).await? {
                Outcome::Done => {}
                outcome => return Ok(outcome),
            }
        }
        self.apply(request, |state| opt_out::after_user(state, opted_out)).await
    }

    /// Applies a rule to a state that the caller has read. The caller updates the copies on conversations.
    pub async fn apply_to(
        &self,
        mut record: OptOutRecord,
        request: &OptOutRequest<'_>,
        rule: impl Fn(&OptOutState) -> Option<OptOutChange>,
    ) -> Result<Outcome, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(change) = rule(&record.state) else { return Ok(Outcome::Done) };
            if self.record(request, &record, &change, Together::Nothing).await? {
                return Ok(Outcome::Done);
            }
            if self.contact_removed(request).await? {
                return Ok(Outcome::ContactRemoved);
            }
            record = self.opt_outs.get(request.subject).await?;
        }
        Ok(Outcome::Contended)
    }

    /// Opts a contact out because the carrier refused a message to them. The refusal can come as the answer
    /// to a send, in a status callback, or when the carrier is asked about the message. Idempotent by
    /// message: a repetition does not opt out a contact who has opted in since.
    pub async fn apply_carrier_refusal(
        &self,
        organization: &OrganizationId,
        message: &Message,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let subject = message.carrier_opt_out(organization);
        let request = OptOutRequest {
            subject: &subject,
            team: &message.team,
            contact: None,
            message: Some(&message.id),
            user: None,
            notify: false,
            at,
        };
        let outcome = self.record_refusal(&request, &message.id).await?;
        if outcome == Outcome::Done {
            self.sync_copies(&request).await?;
        }
        tracing::info!(event = "opt_out_at_carrier", message_id = %message.id, ?outcome, "opt-out reported by the carrier");
        Ok(outcome)
    }

    async fn record_refusal(
        &self,
        request: &OptOutRequest<'_>,
        message: &MessageId,
    ) -> Result<Outcome, StoreError> {
        let organization = &request.subject.organization;
        for _ in 0..MAX_ATTEMPTS {
            if self.opt_outs.is_refusal_recorded(organization, message).await? {
                return Ok(Outcome::Done);
            }
            let record = self.opt_outs.get(request.subject).await?;
            let Some(change) = opt_out::after_carrier_refusal(&record.state) else {
                self.opt_outs.mark_refusal_recorded(organization, message).await?;
                return Ok(Outcome::Done);
            };
            if self.record(request, &record, &change, Together::Refusal(message)).await? {
                return Ok(Outcome::Done);
            }
        }
        Ok(Outcome::Contended)
    }

    /// Applies to a contact's number what users and imports said about its former number. The former number
    /// keeps its own opt-out and block. Errors if the opt-out changed in every attempt.
    pub async fn follow_number(
        &self,
        team: TeamKey<'_>,
        contact: &Contact,
        former: &PhoneNumber,
        user: &UserId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let of_number = |number| OptOutSubject::of_team(team.organization, team.team, number);
        let former = self.opt_outs.get(&of_number(former)).await?;
        if former.blocked {
            self.opt_outs.set_blocked(team, &contact.number, true).await?;
        }
        let subject = of_number(&contact.number);
        let request = OptOutRequest {
            subject: &subject,
            team: team.team,
            contact: Some(&contact.id),
            message: None,
            user: Some(user),
            notify: false,
            at,
        };
        let rule = |state: &OptOutState| opt_out::after_number_change(state, &former.state);
        match self.apply(&request, rule).await? {
            Outcome::Done | Outcome::ContactRemoved => Ok(()),
            Outcome::Contended => Err(StoreError::Unavailable("an opt-out changed in every attempt".into())),
        }
    }

    /// Resolves a review. If its outcome is an opt-out, the contact is opted out in the same transaction.
    /// Resolving a review again with the same outcome changes nothing.
    pub async fn resolve_review(
        &self,
        place: TeamInboxKey<'_>,
        id: &ReviewId,
        resolution: &ReviewResolution,
    ) -> Result<ReviewUpdate, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(entry) = self.reviews.get(place, id).await? else { return Ok(ReviewUpdate::NoReview) };
            let review = entry.review;
            let subject = OptOutSubject::of_team(place.organization, place.team, &review.number);
            let request = OptOutRequest {
                subject: &subject,
                team: place.team,
                contact: None,
                message: Some(&review.message),
                user: Some(&resolution.by.id),
                notify: true,
                at: resolution.at,
            };
            let stored = match &review.decided {
                Some(earlier) if earlier.outcome != resolution.outcome => {
                    return Ok(ReviewUpdate::ResolvedOtherwise(earlier.clone()));
                }
                Some(_) => true,
                None => self.close_review(&request, place, &review, resolution).await?,
            };
            if stored {
                if resolution.outcome == ReviewOutcome::OptedOut {
                    self.sync_copies(&request).await?;
                }
                return Ok(ReviewUpdate::Done);
            }
        }
        Ok(ReviewUpdate::Contended)
    }

    async fn close_review(
        &self,
        request: &OptOutRequest<'_>,
        place: TeamInboxKey<'_>,
        review: &OptOutReview,
        resolution: &ReviewResolution,
    ) -> Result<bool, StoreError> {
        let record = self.opt_outs.get(request.subject).await?;
        let change = match resolution.outcome {
            ReviewOutcome::OptedOut => opt_out::after_user(&record.state, true),
            ReviewOutcome::Dismissed => None,
        };
        match change {
            None => self.reviews.resolve(place, review, resolution).await,
            Some(change) => {
                let together = Together::Review { place, review, resolution };
                self.record(request, &record, &change, together).await
            }
        }
    }

    /// Records a change. `false` if the state or the contact changed since `before` was read.
    pub(crate) async fn record(
        &self,
        request: &OptOutRequest<'_>,
        before: &OptOutRecord,
        change: &OptOutChange,
        together: Together<'_>,
    ) -> Result<bool, StoreError> {
        let subject = request.subject;
        let contact = self.contact(request).await?;
        let (message, user) = (request.message.cloned(), request.user.cloned());
        let entry = change.entry(subject, contact.id.clone(), message, user, request.at);
        let notify = request.notify && change.turned && self.wants_notification(request, &contact.id).await?;
        let (inbox, confirmation) = match together {
            Together::Keyword { inbox, confirmation } => (Some(inbox), confirmation),
            Together::Nothing | Together::Refusal(_) | Together::Review { .. } => (None, None),
        };
        let write =
            OptOutWrite { team: request.team, contact: &contact, entry: &entry, inbox, confirmation, notify };
        match together {
            Together::Review { place, review, resolution } => {
                let closed = (review, resolution);
                self.reviews.resolve_with_opt_out(place, closed, subject, (before, change), write).await
            }
            Together::Refusal(message) => {
                self.opt_outs.record_refusal(subject, (before, change), write, message).await
            }
            Together::Nothing | Together::Keyword { .. } => {
                self.opt_outs.record(subject, before, change, write).await
            }
        }
    }

    async fn contact(&self, request: &OptOutRequest<'_>) -> Result<Contact, StoreError> {
        let (organization, number) = (&request.subject.organization, &request.subject.number);
        match request.contact {
            Some(id) => Ok(Contact { id: id.clone(), ..Contact::provisional(request.team, number) }),
            None => {
                let team = TeamKey { organization, team: request.team };
                Ok(self.contacts.by_number_or_provisional(team, number).await?.contact)
            }
        }
    }

    async fn contact_removed(&self, request: &OptOutRequest<'_>) -> Result<bool, StoreError> {
        let Some(id) = request.contact else { return Ok(false) };
        let contact = self
            .contacts
            .get(TeamKey { organization: &request.subject.organization, team: request.team }, id)
            .await?;
        Ok(contact.is_none())
    }

    async fn wants_notification(
        &self,
        request: &OptOutRequest<'_>,
        contact: &ContactId,
    ) -> Result<bool, StoreError> {
        let kind = NotificationKind::OptOutChanged { contact: contact.clone(), opted_out: true };
        self.teams
            .wants_notification(
                TeamKey { organization: &request.subject.organization, team: request.team },
                &kind,
            )
            .await
    }

    /// Updates the copies on the conversations of all teams in the scope. They do not show opt-outs from
    /// personal inboxes.
    pub(crate) async fn sync_copies(&self, request: &OptOutRequest<'_>) -> Result<(), StoreError> {
        let OptOutSubject { organization, scope, number } = request.subject;
        let teams = match scope {
            OptOutScope::Team(team) => vec![team.clone()],
            OptOutScope::Organization => self.teams.ids(organization).await?,
            OptOutScope::Personal => Vec::new(),
        };
        let sync = |team| self.contacts.sync_conversations(TeamKey { organization, team }, number);
        let syncs: Vec<_> = teams.iter().map(sync).collect();
        stream::iter(syncs).buffer_unordered(MAX_CONCURRENCY).try_for_each(|_| async { Ok(()) }).await
    }
}
