//! Errors of single fields: where the field is, and what was expected.
//!
//! All errors of a request are reported at once, so that a form can show each next to its field.
//!
//! ```
//! use shared_domain::field::{FieldError, FieldErrors};
//! use shared_domain::settings;
//!
//! let mut errors = FieldErrors::default();
//! let name = errors.check(settings::name("/name", " Front desk "));
//! let color = errors.check(settings::color("/color", "blue"));
//! assert_eq!((name.as_deref(), color), (Some("Front desk"), None));
//! assert_eq!(errors.finish(), Err(vec![FieldError::new("/color", "a color as #rrggbb")]));
//! ```

use std::borrow::Cow;

/// A field with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the body, such as `/name`; or `?` and the name of a query parameter.
    pub pointer: String,
    /// What was expected, as a phrase: `1 to 80 characters`.
    pub expected: Cow<'static, str>,
}

impl FieldError {
    /// An error at this pointer.
    pub fn new(pointer: impl Into<String>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), expected: expected.into() }
    }
}

/// A name as a part of a JSON pointer (RFC 6901).
pub fn escape_pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Collects the errors of all fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Adds an error.
    pub fn add(&mut self, pointer: impl Into<String>, expected: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError::new(pointer, expected));
    }

    /// The value of a field, or `None` after adding its error.
    pub fn check<T>(&mut self, value: Result<T, FieldError>) -> Option<T> {
        value.map_err(|error| self.0.push(error)).ok()
    }

    /// The value of several fields, or `None` after adding their errors.
    pub fn check_all<T>(&mut self, value: Result<T, Vec<FieldError>>) -> Option<T> {
        value.map_err(|errors| self.0.extend(errors)).ok()
    }

    /// Whether no error was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok` if no error was added.
    ///
    /// # Errors
    /// All errors, in the order in which they were added.
    pub fn finish(self) -> Result<(), Vec<FieldError>> {
        self.finish_with(Some(()))
    }

    /// Returns `value` if no error was added. Errors with all errors, in the order in which they were added.
    /// A value is `None` only if [`FieldErrors::check`] returned `None` for one of its fields.
    pub fn finish_with<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        value.filter(|_| self.0.is_empty()).ok_or(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_collected_in_order_and_values_pass_through() {
        let mut errors = FieldErrors::default();
        assert_eq!(errors.check(Ok(7)), Some(7));
        assert!(errors.is_empty() && errors.clone().finish().is_ok());
        errors.add("/b", "a date");
        assert_eq!(errors.check::<u8>(Err(FieldError::new("/a".to_owned(), "a number"))), None);
        assert!(!errors.is_empty());
        let all = vec![FieldError::new("/b", "a date"), FieldError::new("/a", String::from("a number"))];
        assert_eq!(errors.finish(), Err(all));
    }
}
