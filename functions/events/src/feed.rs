//! One page of the feed.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use shared_aws::{table::StoreError, team::UserProfile};
use shared_domain::{
    event::{Event, EventScope},
    membership::manages,
};
use shared_http::{
    caller::UserCaller,
    page::ListPage,
    problem::Problem,
    wire::event::{EventView, Feed},
};

use crate::{App, positions::Positions};

/// Inboxes and teams that are read at the same time.
const MAX_CONCURRENCY: usize = 8;

/// Returns the events after the cursor of this page.
pub(crate) async fn read(app: &App, caller: &UserCaller, page: &ListPage) -> Result<Feed, Problem> {
    let profile = app.members.profile(&caller.organization, &caller.user).await?;
    let scopes = profile.as_ref().map(|profile| scopes(caller, profile)).unwrap_or_default();
    let keys: Vec<_> = scopes.values().cloned().collect();
    let newest = app.log.newest(&keys).await?;
    let newest = |id: &str| scopes.get(id).and_then(|scope| newest.get(scope)).copied().unwrap_or(0);

    let before = page.after().map(|place| {
        Positions::parse(place).ok_or_else(|| Problem::internal("a sealed cursor without positions"))
    });
    let before = before.transpose()?;
    let mut now = Positions {
        last: before.as_ref().map_or(String::new(), |before| before.last.clone()),
        ..Positions::default()
    };
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    for id in scopes.keys() {
        let known = before.as_ref().and_then(|before| before.by_id.get(id)).copied();
        if known.is_none() && before.is_some() {
            joined.push(id.clone());
        }
        now.by_id.insert(id.clone(), known.unwrap_or_else(|| newest(id)));
    }
    for id in before.iter().flat_map(|before| before.by_id.keys()) {
        if !scopes.contains_key(id) {
            left.push(id.clone());
        }
    }

    let pending = pending(&now, newest, page.limit);
    let found = app.read_all(&scopes, &now, &pending, page.limit).await?;
    let is_expired = |id: &str, events: &[Event]| {
        let next = now.by_id.get(id).copied().unwrap_or_default() + 1;
        events.first().is_none_or(|event| event.sequence != next)
    };
    let expired: Vec<_> =
        found.iter().filter(|(id, events)| is_expired(id, events)).map(|(id, _)| id.clone()).collect();
    if !expired.is_empty() {
        for id in &expired {
            now.by_id.insert(id.clone(), newest(id));
        }
        return Err(cursor_expired(expired, page.position(&now.place())));
    }
    let mut items = Vec::new();
    for (id, events) in found {
        let position = now.by_id.get(&id).copied().unwrap_or_default();
        // A page ends before an event that is gone. The next request reports it.
        let without_gap = (position + 1..).zip(events).take_while(|(next, event)| event.sequence == *next);
        for (sequence, event) in without_gap {
            now.by_id.insert(id.clone(), sequence);
            if profile.as_ref().is_some_and(|profile| may_see(profile, &event)) {
                items.push(EventView::from(event));
            }
        }
        now.last = id;
    }
    let next_cursor = page.position(&now.place());
    Ok(Feed { items, next_cursor, joined, left })
}

/// Returns the present position of a user.
pub(crate) async fn present(
    app: &App,
    caller: &UserCaller,
    profile: &UserProfile,
) -> Result<Positions, StoreError> {
    let scopes = scopes(caller, profile);
    let keys: Vec<_> = scopes.values().cloned().collect();
    let newest = app.log.newest(&keys).await?;
    let position = |(id, scope)| (id, newest.get(&scope).copied().unwrap_or(0));
    Ok(Positions { last: String::new(), by_id: scopes.into_iter().map(position).collect() })
}

/// The positions of the other inboxes and teams are those of the request, so that nothing is missed.
fn cursor_expired(expired: Vec<String>, next_cursor: String) -> Problem {
    let detail = "Events are stored for three days, and some after this cursor are gone. Load what `resync` lists, \
                  and continue with `nextCursor`.";
    Problem::new(410, "cursor_expired", detail).with("resync", expired).with("nextCursor", next_cursor)
}

impl App {
    /// Reads an equal share of the page from each inbox and team.
    async fn read_all(
        &self,
        scopes: &BTreeMap<String, EventScope>,
        positions: &Positions,
        pending: &[String],
        limit: u16,
    ) -> Result<Vec<(String, Vec<Event>)>, StoreError> {
        let share = (limit / u16::try_from(pending.len().max(1)).unwrap_or(limit)).max(1);
        let mut found = Vec::with_capacity(pending.len());
        for ids in pending.chunks(MAX_CONCURRENCY) {
            let mut reads = Vec::with_capacity(ids.len());
            for (id, scope) in ids.iter().filter_map(|id| Some((id, scopes.get(id)?))) {
                let position = positions.by_id.get(id).copied().unwrap_or_default();
                reads.push(self.read_one(id.clone(), scope, position, share));
            }
            found.extend(try_join_all(reads).await?);
        }
        Ok(found)
    }

    async fn read_one(
        &self,
        id: String,
        scope: &EventScope,
        position: u64,
        limit: u16,
    ) -> Result<(String, Vec<Event>), StoreError> {
        Ok((id, self.log.after(scope, position, limit).await?))
    }
}

/// Returns the inboxes and teams of a user, by id.
fn scopes(caller: &UserCaller, profile: &UserProfile) -> BTreeMap<String, EventScope> {
    let organization = || caller.organization.clone();
    let inboxes = profile.inboxes.iter().map(|found| {
        let inbox = found.inbox.clone();
        (inbox.to_string(), EventScope::Inbox { organization: organization(), inbox })
    });
    let teams = profile.teams.iter().map(|role| {
        let team = role.team.clone();
        (team.to_string(), EventScope::Team { organization: organization(), team })
    });
    inboxes.chain(teams).collect()
}

/// Returns at most `limit` inboxes and teams with new events, beginning after the one that was read last.
fn pending(positions: &Positions, newest: impl Fn(&str) -> u64, limit: u16) -> Vec<String> {
    let mut pending: Vec<_> = positions
        .by_id
        .iter()
        .filter(|(id, position)| newest(id) > **position)
        .map(|(id, _)| id.clone())
        .collect();
    let first = pending.iter().position(|id| *id > positions.last).unwrap_or(0);
    pending.rotate_left(first);
    pending.truncate(usize::from(limit));
    pending
}

/// Whether the routes would show this user what the event reports.
fn may_see(profile: &UserProfile, event: &Event) -> bool {
    let role = event.event.team.as_ref().and_then(|team| profile.role(team));
    !event.event.kind.is_for_managers() || manages(profile.user.owner, role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(last: &str) -> Positions {
        let by_id = ["a", "b", "c", "d"].map(|id| (id.to_owned(), 3)).into();
        Positions { last: last.into(), by_id }
    }

    #[test]
    fn what_was_read_last_is_read_last_again() {
        let newest = |id: &str| if id == "b" { 3 } else { 4 };
        assert_eq!(pending(&positions(""), newest, 9), ["a", "c", "d"]);
        assert_eq!(pending(&positions("a"), newest, 9), ["c", "d", "a"]);
        assert_eq!(pending(&positions("c"), newest, 2), ["d", "a"]);
        assert_eq!(pending(&positions("d"), newest, 9), ["a", "c", "d"]);
    }
}
