//! Form fields and query parameters. Names can repeat.

use std::str::FromStr;

use crate::failure::Failure;

/// Names and values in their order.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The first value of a name. Empty values count as absent, as at Twilio.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of a name, even if empty. An empty value clears a property.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// All values of a repeated name that are not empty.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(given, value)| given == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The value of a required field.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| Failure::parameter(format!("{name} is required")))
    }

    /// The value as a whole number. `None` if the field is absent.
    pub(crate) fn whole<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let malformed = |_| Failure::parameter(format!("{name} must be a whole number"));
        self.get(name).map(|text| text.parse().map_err(malformed)).transpose()
    }

    /// The value as `true` or `false`, in any letter case. `None` if the field is absent.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        let malformed = |_| Failure::parameter(format!("{name} must be true or false"));
        self.get(name).map(|text| text.to_ascii_lowercase().parse().map_err(malformed)).transpose()
    }
}
