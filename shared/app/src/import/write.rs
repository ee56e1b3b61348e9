//! Writing a chunk. Every step can be repeated and has the same result.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared_aws::{
    contact::{ContactWrite, Lookup},
    opt_out::OptOutRecord,
    table::StoreError,
};
use shared_domain::{
    ids::{ContactId, UserId},
    import::{Import, ReleasedNumber, Row},
    opt_out::{self, OptOutSubject},
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};

use super::{
    ImportError, ImportWorkflow,
    chunk::NumberedRow,
    plan::{self, Change, ChunkPlan},
};
use crate::opt_out::{OptOutRequest, Outcome};

/// How many transactions run at the same time.
const MAX_CONCURRENCY: usize = 8;
/// Maximum number of attempts to update a contact that users change at the same time.
const MAX_ATTEMPTS: u32 = 5;

impl ImportWorkflow {
    /// Reads the contacts and numbers that a chunk concerns.
    pub(super) async fn look_up(&self, import: &Import, chunk: &[NumberedRow]) -> Result<Lookup, StoreError> {
        let rows = || chunk.iter().filter_map(|row| row.row.as_ref().ok());
        let ids: HashSet<&str> = rows().flat_map(Row::stored_ids).collect();
        let numbers: HashSet<&PhoneNumber> = rows().map(|row| &row.number).collect();
        let mut known = self.contacts.look_up(import.team_key(), &ids, &numbers).await?;
        for row in rows().filter(|row| !row.other_ids.is_empty()) {
            let entry = row.stored_ids().find_map(|id| known.contacts.get(id)).cloned();
            known.contacts.extend(entry.map(|entry| (row.external_id.clone(), entry)));
        }
        Ok(known)
    }

    /// Writes a planned chunk. New contacts are written first, so that all later steps find them.
    pub(super) async fn write(
        &self,
        import: &Import,
        plan: ChunkPlan,
        known: &Lookup,
        staff: &HashMap<UserId, UserRef>,
        now: Timestamp,
    ) -> Result<(), ImportError> {
        let team = import.team_key();
        let ChunkPlan { created, changed, opt_outs, mut replaced, released, mut changed_numbers, .. } = plan;
        self.contacts.create_many(team, &created.iter().collect::<Vec<_>>(), known).await?;
        let unknown = created.iter().map(|entry| &entry.contact.number);
        let unknown = unknown.filter(|number| !known.numbers.contains_key(*number)).collect();
        let new_provisional = self.contacts.new_provisional(team, &unknown).await?;
        changed_numbers.extend(new_provisional.iter().map(|entry| entry.contact.number.clone()));
        replaced.extend(new_provisional);
        let changes = stream::iter(changed).map(|change| self.update(import, change, staff));
        changes.buffer_unordered(MAX_CONCURRENCY).try_collect::<()>().await?;
        self.contacts.remove_merged(team, &replaced.iter().collect::<Vec<_>>()).await?;
        let opt_outs = stream::iter(opt_outs).map(|(number, (contact, opted_out))| {
            let record = known.numbers.get(&number).map(|known| known.opt_out.clone()).unwrap_or_default();
            self.record_opt_out(import, number, contact, opted_out, record, now)
        });
        opt_outs.buffer_unordered(MAX_CONCURRENCY).try_collect::<()>().await?;
        // If an earlier attempt began the chunk, its list is complete: contacts may have given up their
        // numbers by now.
        let released = import.pending.as_ref().map_or(released, |chunk| chunk.released.clone());
        let released = stream::iter(&released).map(|released| self.release_number(import, released, now));
        released.buffer_unordered(MAX_CONCURRENCY).try_collect::<()>().await?;
        self.contacts.refresh_conversations(team, &changed_numbers).await?;
        Ok(())
    }

    async fn update(
        &self,
        import: &Import,
        change: Change,
        staff: &HashMap<UserId, UserRef>,
    ) -> Result<(), StoreError> {
        let Change { mut before, mut after, rows } = change;
        let team = import.team_key();
        for _ in 0..MAX_ATTEMPTS {
            match self.contacts.write(team, Some(&before), &after, None).await? {
                ContactWrite::Done => return Ok(()),
                ContactWrite::Changed | ContactWrite::ExternalIdTaken | ContactWrite::KeyTaken => {}
            }
            let found = self.contacts.get_entry(team, &before.contact.id).await?;
            let Some(found) = found else { return Ok(()) }; // removed by a user: it stays removed
            let Some(next) = plan::replan(import, &found, &rows, staff) else { return Ok(()) };
            (before, after) = (found, next);
        }
        Err(StoreError::Unavailable("a contact changed in every attempt".into()))
    }

    /// Updates the conversations with a number that a contact gave up, and opts out or blocks the contact's
    /// new number as the old one.
    async fn release_number(
        &self,
        import: &Import,
        released: &ReleasedNumber,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (team, former) = (import.team_key(), &released.number);
        if let Some(contact) = self.contacts.get(team, &released.contact).await?
            && contact.number != *former
        {
            self.opt_outs.follow_number(team, &contact, former, &import.by, now).await?;
        }
        self.contacts.sync_conversations(team, former).await.map(drop)
    }

    /// Records a change of an opt-out. The team gets no e-mail about it.
    async fn record_opt_out(
        &self,
        import: &Import,
        number: PhoneNumber,
        contact: ContactId,
        opted_out: bool,
        record: OptOutRecord,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let subject = OptOutSubject::of_team(&import.organization, &import.team, &number);
        let request = OptOutRequest {
            subject: &subject,
            team: &import.team,
            contact: Some(&contact),
            message: None,
            user: Some(&import.by),
            notify: false,
            at: now,
        };
        let rule = |state: &_| opt_out::after_import(state, opted_out);
        match self.opt_outs.apply_to(record, &request, rule).await? {
            Outcome::Done | Outcome::ContactRemoved => Ok(()), // removed by a user
            Outcome::Contended => Err(StoreError::Unavailable("an opt-out changed in every attempt".into())),
        }
    }
}
