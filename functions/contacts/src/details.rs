//! Validates the fields of a contact.

use std::collections::BTreeMap;

use shared_domain::{
    contact,
    field::{FieldError, FieldErrors},
    ids::UserId,
    phone::{self, PhoneNumber, PhoneNumberError},
    settings,
    tag::Tags,
    user::UserRef,
};
use shared_http::{access::TeamAccess, problem::Problem};

use crate::App;

/// Parses fields and collects the errors, so that one problem lists all of them.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    errors: FieldErrors,
}

impl Fields {
    pub(crate) fn name(&mut self, pointer: &str, text: Option<&str>) -> Option<String> {
        text.and_then(|text| self.errors.check(settings::name(pointer, text)))
    }

    pub(crate) fn number(&mut self, text: &str) -> Option<PhoneNumber> {
        let number = PhoneNumber::parse(text).map_err(|error| match error {
            PhoneNumberError::Extension => FieldError::new("/mobileNumber", phone::WITHOUT_EXTENSION),
            _ => FieldError::new("/mobileNumber", "a phone number"),
        });
        self.errors.check(number)
    }

    pub(crate) fn external_id(&mut self, text: Option<&str>) -> Option<String> {
        let expected = || FieldError::new("/externalId", contact::EXTERNAL_ID);
        text.and_then(|text| self.errors.check(contact::external_id(text).ok_or_else(expected)))
    }

    pub(crate) fn custom(&mut self, fields: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let expected = "at most 30 fields, each name once, names up to 60 and values up to 500 characters";
        let valid = contact::custom_fields(fields).ok_or_else(|| FieldError::new("/custom", expected));
        self.errors.check(valid).unwrap_or_default()
    }

    pub(crate) fn tags(&mut self, tags: &[String]) -> Tags {
        Tags::parse("/tags", tags).unwrap_or_else(|errors| {
            for error in errors {
                self.errors.add(error.pointer, error.expected);
            }
            Tags::default()
        })
    }

    /// A member of the team.
    pub(crate) async fn assigned(
        &mut self,
        app: &App,
        access: &TeamAccess,
        text: Option<&str>,
    ) -> Result<Option<UserRef>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let member = match UserId::parse(text) {
            Ok(user) => app.team_members.get(access.team_key(), &user).await?,
            Err(_) => None,
        };
        let user = member.map(|member| member.user);
        let expected = || FieldError::new("/assignedUserId", "the ID of a member of the team");
        Ok(self.errors.check(user.ok_or_else(expected)))
    }

    pub(crate) fn error(&mut self, pointer: &str, expected: &'static str) {
        self.errors.add(pointer, expected);
    }

    pub(crate) fn finish(self) -> Result<(), Problem> {
        Ok(self.errors.finish()?)
    }
}
