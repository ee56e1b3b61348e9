//! Form fields as they came, names repeated or not.

use std::str::FromStr;

use crate::failure::Failure;

/// Names and values in the order of the wire.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The first value of a name; an empty one counts as absent, as it does at Twilio.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of a name, be it empty: an update empties a property so.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// All values of a repeated name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(given, value)| given == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The value of a field that a request cannot do without.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| Failure::parameter(format!("{name} is required")))
    }

    /// A whole number, where one is given.
    pub(crate) fn whole<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let malformed = |_| Failure::parameter(format!("{name} is not a whole number"));
        self.get(name).map(|text| text.parse().map_err(malformed)).transpose()
    }

    /// `true` or `false` in any letter case, where it is given.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        let malformed = |_| Failure::parameter(format!("{name} is neither true nor false"));
        self.get(name).map(|text| text.to_ascii_lowercase().parse().map_err(malformed)).transpose()
    }
}
