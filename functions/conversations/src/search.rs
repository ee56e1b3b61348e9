//! Searching an inbox by the start of a contact's name, by external ID, by phone number, or by short code.
//!
//! A conversation's ID is derived from its inbox and number, so a search for contacts is a search for
//! conversations: one query or read for the contacts and one request for their conversations, however large
//! the inbox is.

use shared_domain::{
    conversation::{Conversation, Filter, Folder},
    ids::ConversationId,
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
    text,
    time::Timestamp,
};
use shared_http::{
    access::InboxMember,
    page::PageRequest,
    problem::Problem,
    wire::{Page, conversation::ConversationView},
};

use crate::App;

/// One page of the conversations that match the search term and the filter, latest activity first within the
/// page. Without a folder, searches both.
pub(crate) async fn search(
    app: &App,
    now: Timestamp,
    member: &InboxMember,
    folder: Option<Folder>,
    filter: &Filter,
    term: &str,
    page: PageRequest,
) -> Result<Page<ConversationView>, Problem> {
    let inbox = &member.membership.inbox;
    let page = page.of(&member.principal, format!("search {inbox} {term}")).await?;
    let found = numbers(app, member, term, page.limit, page.after()).await?;
    let ids: Vec<_> = found.numbers.iter().map(|number| ConversationId::of(inbox, number)).collect();
    let mut conversations =
        app.conversations.get_many(InboxKey { organization: &member.organization, inbox }, &ids).await?;
    conversations.retain(|conversation| {
        folder.is_none_or(|folder| conversation.folder == folder) && filter.matches(conversation)
    });
    conversations.sort_by_key(|conversation: &Conversation| std::cmp::Reverse(conversation.last_activity_at));
    let items = conversations.iter().map(|conversation| ConversationView::of(conversation, now));
    Ok(page.response(items, found.next.as_deref()))
}

struct Found {
    numbers: Vec<PhoneNumber>,
    next: Option<String>,
}

async fn numbers(
    app: &App,
    member: &InboxMember,
    term: &str,
    limit: u16,
    after: Option<&str>,
) -> Result<Found, Problem> {
    let team = TeamKey { organization: &member.organization, team: &member.membership.team };
    if after.is_none() {
        if let Some(entry) = app.contacts.by_external_id(team, term).await? {
            return Ok(Found { numbers: vec![entry.contact.number], next: None });
        }
        if let Ok(number) = PhoneNumber::parse(term) {
            return Ok(Found { numbers: vec![number], next: None });
        }
    }
    let short_code = short_code(term).filter(|_| after.is_none());
    let limit = if short_code.is_some() { limit.saturating_sub(1).max(1) } else { limit };
    let found = app.contacts.by_name(team, term, limit, after).await?;
    let mut numbers: Vec<_> = found.items.into_iter().map(|entry| entry.contact.number).collect();
    numbers.extend(short_code);
    numbers.sort();
    numbers.dedup();
    Ok(Found { numbers, next: found.next })
}

/// The short code that a term names. It can also be the beginning of a name.
fn short_code(term: &str) -> Option<PhoneNumber> {
    PhoneNumber::from_carrier(text::clean(term).trim()).ok().filter(|number| !number.can_receive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_code_is_found_by_its_digits() {
        for term in ["72975", " 72975 ", "\u{200b}72975"] {
            assert_eq!(short_code(term).unwrap().as_str(), "72975", "{term:?}");
        }
        for other in ["12", "2025550143", "+12025550143", "SUPPORT", "72975a"] {
            assert_eq!(short_code(other), None, "{other:?}");
        }
    }
}
