//! The forms of a contact's name by which a search finds it.

use std::collections::HashSet;

use shared_domain::{contact::Contact, text};

/// The number of words after the first, in a first or last name, by which a contact is found.
const MAX_FURTHER_WORDS: usize = 4;

/// Returns the search form of a name: lowercase, without accents and apostrophes, with single spaces, and
/// without the separator of keys.
fn folded(name: &str) -> String {
    with_single_spaces(&text::folded(name).replace(is_apostrophe, ""))
}

/// Returns the search form in which a name was stored before accents were ignored.
fn with_accents(name: &str) -> String {
    with_single_spaces(&name.to_lowercase())
}

fn with_single_spaces(name: &str) -> String {
    name.replace('#', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '\u{b4}' | '\u{2bc}' | '\u{2018}' | '\u{2019}')
}

/// Returns the forms under which a name may be stored, the current one first.
pub(super) fn searched_forms(name: &str) -> Vec<String> {
    let mut forms = vec![folded(&text::clean(name))];
    for form in text::stored_forms(name).iter().map(|form| with_accents(form)) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// Returns the names by which a contact is found: in the order first name, last name and the reverse, and
/// from each further word of a name on (`cruz maria` for Maria de la Cruz). Empty if the contact has no name.
pub(super) fn search_names(contact: &Contact) -> Vec<String> {
    let mut names = names_in(contact, folded);
    let first = contact.first_name.as_deref().unwrap_or_default();
    let last = contact.last_name.as_deref().unwrap_or_default();
    for (name, other) in [(first, last), (last, first)] {
        names.extend(further_words(name).map(|rest| folded(&format!("{rest} {other}"))));
    }
    let mut seen = HashSet::new();
    names.retain(|name| !name.is_empty() && seen.insert(name.clone()));
    names
}

/// Returns the rest of a name from its second word on, from its third word on, and so forth.
fn further_words(name: &str) -> impl Iterator<Item = &str> {
    let is_break = |c: char| c.is_whitespace() || c == '-';
    let breaks = name.trim().match_indices(is_break);
    let rests = breaks.map(move |(at, found)| &name.trim()[at + found.len()..]);
    rests.filter(move |rest| !rest.starts_with(is_break) && !rest.is_empty()).take(MAX_FURTHER_WORDS)
}

/// Returns all names under which a contact may be found, also those that were stored before accents were
/// ignored.
pub(super) fn stored_names(contact: &Contact) -> Vec<String> {
    let mut names = search_names(contact);
    names.extend(names_in(contact, with_accents));
    names.sort();
    names.dedup();
    names
}

fn names_in(contact: &Contact, form: fn(&str) -> String) -> Vec<String> {
    let first = contact.first_name.as_deref().unwrap_or_default();
    let last = contact.last_name.as_deref().unwrap_or_default();
    let mut names = vec![form(&format!("{first} {last}")), form(&format!("{last} {first}"))];
    names.dedup();
    names.retain(|name| !name.is_empty());
    names
}
