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

use crate::{App, names::set_current_names};

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
    set_current_names(app, member, &mut conversations).await?;
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
    let mut numbers = Vec::new();
    if after.is_none() {
        numbers.extend(app.contacts.by_external_id(team, term).await?.map(|entry| entry.contact.number));
        if let Ok(number) = PhoneNumber::parse(term) {
            numbers.push(number);
            return Ok(Found { numbers, next: None });
        }
        numbers.extend(short_code(term));
    }
    let limit = limit.saturating_sub(u16::try_from(numbers.len()).unwrap_or(limit)).max(1);
    let found = app.contacts.by_name(team, term, limit, after).await?;
    numbers.extend(found.items.into_iter().map(|entry| entry.contact.number));
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
