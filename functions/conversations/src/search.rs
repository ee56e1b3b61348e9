//! Searching an inbox by the start of a contact's name, by external ID, or by phone number.
//!
//! A conversation's ID is derived from its inbox and number, so a search for contacts is a search for
//! conversations: one query or read for the contacts and one request for their conversations, however large
//! the inbox is.

use shared_domain::{
    conversation::{Conversation, Filter, Folder},
    ids::ConversationId,
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
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
    let page = page.of(&member.principal, format!("search {inbox} {term}"))?;
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
    let found = app.contacts.by_name(team, term, limit, after).await?;
    let mut numbers: Vec<_> = found.items.into_iter().map(|entry| entry.contact.number).collect();
    numbers.sort();
    numbers.dedup();
    Ok(Found { numbers, next: found.next })
}
