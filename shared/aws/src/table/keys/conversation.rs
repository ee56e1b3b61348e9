//! Keys of conversations and of the locks on them, and their places in the lists of folders.

use shared_domain::{
    conversation::Folder,
    ids::{ConversationId, InboxId, OrganizationId, UserId},
    keys::{ConversationKey, InboxKey},
    time::Timestamp,
};

use super::{Key, inbox_partition};

/// Index that lists a folder by last activity.
pub const INBOX_ACTIVITY: &str = "inbox-activity";
/// Sparse index of unread conversations, by last activity.
pub const INBOX_UNREAD: &str = "inbox-unread";
/// Sparse index of conversations whose contact is assigned, by last activity.
pub const INBOX_ASSIGNED: &str = "inbox-assigned";

/// Prefix of the conversations in an inbox's partition.
pub const CONVERSATIONS: &str = "cnv_";

pub fn conversation(key: ConversationKey<'_>) -> Key {
    Key::new(inbox_partition(key.inbox_key()), key.conversation.as_str())
}

/// The locks that a user holds.
pub fn held_locks(organization: &OrganizationId, user: &UserId) -> Key {
    Key::new(format!("{organization}#LOCKS#{user}"), "LOCKS")
}

/// Attribute of [`held_locks`].
pub fn held_lock(inbox: &InboxId, conversation: &ConversationId) -> String {
    format!("{inbox}#{conversation}")
}

/// Partition of a user's assigned conversations in [`INBOX_ASSIGNED`].
pub fn assigned_in(inbox: InboxKey<'_>, user: &UserId) -> String {
    format!("{}#{}#{user}", inbox.organization, inbox.inbox)
}

/// Prefix of a folder in the indexes.
pub fn folder(folder: Folder) -> String {
    format!("{}#", folder.as_str())
}

/// Sort key in the indexes. Thirteen digits of milliseconds sort as numbers until the year 2286.
pub fn place(folder: Folder, at: Timestamp, conversation: &ConversationId) -> String {
    format!("{}#{:013}#{conversation}", folder.as_str(), at.millis())
}

/// Parses a [`place`]. `None` if it is not one.
pub fn parse_place(place: &str) -> Option<(Folder, Timestamp, ConversationId)> {
    let mut parts = place.splitn(3, '#');
    let folder = [Folder::Inbox, Folder::Archived].into_iter().find({
        let word = parts.next()?;
        move |folder| folder.as_str() == word
    })?;
    let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    Some((folder, at, ConversationId::parse(parts.next()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_folder_sort_by_time() {
        let cnv = ConversationId::parse("cnv_1").unwrap();
        let early = place(Folder::Inbox, Timestamp::from_millis(999), &cnv);
        let late = place(Folder::Inbox, Timestamp::from_millis(1_800_000_000_000), &cnv);
        assert!(early < late && late.starts_with(&folder(Folder::Inbox)));
    }

    #[test]
    fn a_place_contains_the_folder_and_the_time() {
        let cnv = ConversationId::parse("cnv_1").unwrap();
        let at = Timestamp::from_millis(1_800_000_000_000);
        let parts = parse_place(&place(Folder::Archived, at, &cnv));
        assert_eq!(parts, Some((Folder::Archived, at, cnv)));
        for text in
            ["", "inbox", "inbox#", "trash#1#cnv_1", "inbox#x#cnv_1", "inbox#1#inb_1", "inbox#1#cnv_a b"]
        {
            assert_eq!(parse_place(text), None, "{text}");
        }
    }
}
