//! Writing a chunk: every step may be done again, and leaves the same.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared_aws::{
    contact::{ContactEntry, ContactWrite, Lookup},
    opt_out::{OptOutRecord, OptOutWrite},
    table::StoreError,
};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, UserId},
    import::Import,
    keys::TeamKey,
    opt_out::{self, OptOutSubject},
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};

use crate::{
    Again, Stores,
    drafts::{self, Change, Drafts, Numbered},
};

/// Transactions under way at once.
const MAX_CONCURRENCY: usize = 8;
/// A contact that somebody else changes each time is tried so often.
const TRIES: u32 = 5;

fn of(import: &Import) -> TeamKey<'_> {
    TeamKey { organization: &import.organization, team: &import.team }
}

/// What is known of all that a chunk speaks of.
pub(crate) async fn look_up(
    stores: &Stores,
    import: &Import,
    chunk: &[Numbered],
) -> Result<Lookup, StoreError> {
    let rows = || chunk.iter().filter_map(|(_, row)| row.as_ref().ok());
    let ids: HashSet<&str> = rows().map(|row| row.external_id.as_str()).collect();
    let numbers: HashSet<&PhoneNumber> = rows().map(|row| &row.number).collect();
    stores.contacts.look_up(of(import), &ids, &numbers).await
}

/// Writes what was drafted. New contacts first, so that all that follows finds them.
pub(crate) async fn all(
    stores: &Stores,
    import: &Import,
    drafts: Drafts,
    known: &Lookup,
    staff: &HashMap<UserId, UserRef>,
    now: Timestamp,
) -> Result<(), Again> {
    let team = of(import);
    let Drafts { created, changed, opt_outs, strangers, left, shown, .. } = drafts;
    stores.contacts.create_many(team, &created.iter().collect::<Vec<_>>()).await?;
    let changes = stream::iter(changed).map(|change| update(stores, import, change, staff));
    changes.buffer_unordered(MAX_CONCURRENCY).try_collect::<()>().await?;
    stores.contacts.remove_merged(team, &strangers.iter().collect::<Vec<_>>()).await?;
    let opted = stream::iter(opt_outs).map(|(number, (contact, out))| {
        let standing = known.numbers.get(&number).map(|met| met.opt_out.clone()).unwrap_or_default();
        record(stores, import, Wish { number, contact, out }, standing, now)
    });
    opted.buffer_unordered(MAX_CONCURRENCY).try_collect::<()>().await?;
    // Of a chunk that was begun before: what its first reading noted, since its contacts may have left by now.
    let noted = import.pending.as_ref().map_or(left, |chunk| chunk.released.clone());
    stores.contacts.release_numbers(team, noted).await?;
    stores.contacts.refresh_conversations(team, &shown).await?;
    Ok(())
}

/// A change of somebody's opt-out.
struct Wish {
    number: PhoneNumber,
    contact: ContactId,
    out: bool,
}

async fn update(
    stores: &Stores,
    import: &Import,
    change: Change,
    staff: &HashMap<UserId, UserRef>,
) -> Result<(), StoreError> {
    let Change { mut before, mut after, rows } = change;
    let (organization, team) = (&import.organization, &import.team);
    for _ in 0..TRIES {
        match stores.contacts.write(TeamKey { organization, team }, Some(&before), &after, None).await? {
            ContactWrite::Done => return Ok(()),
            ContactWrite::Changed | ContactWrite::ExternalIdTaken | ContactWrite::KeyTaken => {}
        }
        let found = stores.contacts.get_entry(TeamKey { organization, team }, &before.contact.id).await?;
        let Some(found) = found else { return Ok(()) }; // removed by hand meanwhile: it stays removed
        let Some(next) = drafts::again(import, &found, &rows, staff) else { return Ok(()) };
        (before, after) = (found, next);
    }
    Err(StoreError::Unavailable("a contact changed each time".into()))
}

/// One change of an opt-out, in the ledger with its source; nobody is told by e-mail.
async fn record(
    stores: &Stores,
    import: &Import,
    wish: Wish,
    mut standing: OptOutRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    let subject = OptOutSubject::of_team(&import.organization, &import.team, &wish.number);
    let contact = Contact { id: wish.contact.clone(), ..Contact::provisional(&import.team, &wish.number) };
    for _ in 0..TRIES {
        let Some(change) = opt_out::after_import(&standing.state, wish.out) else { return Ok(()) };
        let entry = change.entry(&subject, wish.contact.clone(), None, Some(import.by.clone()), now);
        let recorded = OptOutWrite {
            team: &import.team,
            contact: &contact,
            entry: &entry,
            inbox: None,
            confirmation: None,
            notify: false,
        };
        if stores.opt_outs.record(&subject, &standing, &change, recorded).await? {
            return Ok(());
        }
        let found: Option<ContactEntry> = stores
            .contacts
            .get_entry(TeamKey { organization: &import.organization, team: &import.team }, &wish.contact)
            .await?;
        if found.is_none() {
            return Ok(()); // removed by hand meanwhile, and its flag with it
        }
        standing = stores.opt_outs.get(&subject).await?;
    }
    Err(StoreError::Unavailable("an opt-out changed each time".into()))
}
