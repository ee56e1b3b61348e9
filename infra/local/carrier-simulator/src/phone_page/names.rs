//! Names for the numbers on the phone page. The product knows them; the simulator shows those it is given.

use std::collections::BTreeMap;

/// Names by phone number, of the customers' phones and of the product's inboxes.
#[derive(Default)]
pub(crate) struct Names {
    phones: BTreeMap<String, String>,
    inboxes: BTreeMap<String, String>,
}

impl Names {
    /// Names a number, as an inbox or as a phone. An empty name removes it.
    pub(crate) fn set(&mut self, number: &str, name: &str, is_inbox: bool) {
        self.phones.remove(number);
        self.inboxes.remove(number);
        if !name.is_empty() {
            let names = if is_inbox { &mut self.inboxes } else { &mut self.phones };
            names.insert(number.to_owned(), name.to_owned());
        }
    }

    /// Returns the name of a number. `None` if it was not given one.
    pub(crate) fn get(&self, number: &str) -> Option<&str> {
        self.inboxes.get(number).or_else(|| self.phones.get(number)).map(String::as_str)
    }

    /// Named phones, by number.
    pub(crate) fn phones(&self) -> impl Iterator<Item = &str> {
        self.phones.keys().map(String::as_str)
    }

    /// Named inboxes, by number.
    pub(crate) fn inboxes(&self) -> impl Iterator<Item = &str> {
        self.inboxes.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_inbox_or_a_phone_and_an_empty_name_removes_it() {
        let mut names = Names::default();
        names.set("+12025550100", "Front desk", false);
        names.set("+12025550100", "Front desk", true);
        assert_eq!((names.phones().count(), names.inboxes().count()), (0, 1));
        assert_eq!(names.get("+12025550100"), Some("Front desk"));
        names.set("+12025550100", "", true);
        assert_eq!(names.get("+12025550100"), None);
    }
}
