//! Broadcasts: from a draft to the last delivery report.
//!
//! | step | what happens |
//! |---|---|
//! | estimate | the audience is evaluated and counted; nothing is stored but the number of recipients and a sketch of them |
//! | confirm | the audience is counted again; the broadcast is due now or at its time |
//! | prepare | the audience is evaluated once more and stored, one item for each number |
//! | release | texts are accepted as messages, at most 15 seconds ahead of the pace of the number |
//! | follow | delivery reports of a message change its recipient ([`shared_aws::messaging::Deliveries`]) |
//!
//! A worker has a lease. A preparation that is repeated, because a worker died, stores its recipients under a
//! number of its own, and only the one that ends first is used: a worker that comes back late overwrites
//! nothing. A release is one transaction under the condition that the recipient still waits, so two workers
//! release no text twice.

mod estimate;
mod people;
mod prepare;
mod release;
mod settle;
mod size;
mod slice;
mod steps;
mod sweep;

use shared_aws::{
    broadcast::{Broadcasts, Recipients, TextsOnTheirWay},
    contact::Contacts,
    conversation::Conversations,
    inbox::{Inboxes, OutOfOffice},
    messaging::{Messages, Sends},
    segment::Segments,
    sending::Paces,
    table::{StoreError, Table},
    team::Members,
};
use shared_domain::{
    broadcast::{Broadcast, SegmentPrice},
    ids::SegmentId,
    out_of_office::Schedule,
    weekly_hours::WeeklyHours,
};

use crate::audience::AudienceWorkflow;

pub(crate) use self::release::Resend;
pub use self::{
    slice::Slice,
    steps::{Confirmation, StepOutcome},
    sweep::{BroadcastSweep, SweptBroadcasts},
};

/// Why an audience cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum AudienceError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the segment {0} was removed")]
    SegmentRemoved(SegmentId),
}

/// The workflow of broadcasts.
#[derive(Debug, Clone)]
pub struct BroadcastWorkflow {
    broadcasts: Broadcasts,
    recipients: Recipients,
    texts_ahead: TextsOnTheirWay,
    segments: Segments,
    audience: AudienceWorkflow,
    contacts: Contacts,
    conversations: Conversations,
    inboxes: Inboxes,
    members: Members,
    messages: Messages,
    sends: Sends,
    paces: Paces,
    out_of_office: OutOfOffice,
    price: Option<SegmentPrice>,
}

impl BroadcastWorkflow {
    /// `price` is what a segment costs, if it is known.
    pub fn new(table: &Table, price: Option<SegmentPrice>) -> Self {
        Self {
            broadcasts: Broadcasts::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            texts_ahead: TextsOnTheirWay::new(table.clone()),
            segments: Segments::new(table.clone()),
            audience: AudienceWorkflow::new(table),
            contacts: Contacts::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            members: Members::new(table.clone()),
            messages: Messages::new(table.clone()),
            sends: Sends::new(table.clone()),
            paces: Paces::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
            price,
        }
    }

    /// The hours of the team: the office hours of the inbox that the broadcast is sent from, if it has any.
    /// Half a read unit.
    async fn team_hours(&self, broadcast: &Broadcast) -> Result<Option<WeeklyHours>, StoreError> {
        let saved = self.out_of_office.get(broadcast.inbox_key()).await?;
        let schedule = saved.and_then(|saved| Schedule::parse(&saved.draft).ok());
        Ok(schedule.and_then(|schedule| schedule.office_hours().cloned()))
    }
}
