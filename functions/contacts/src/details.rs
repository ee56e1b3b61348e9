//! What was entered of a contact, checked field by field.

use std::collections::BTreeMap;

use shared_domain::{ids::UserId, phone::PhoneNumber, settings, user::UserRef};
use shared_http::{access::TeamAccess, problem::Problem};

use crate::App;

const MAX_CUSTOM: usize = 30;

/// Collects faults, so that all of them are told at once.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    faults: Vec<(String, &'static str)>,
}

impl Checks {
    fn kept<T>(&mut self, pointer: &str, read: Result<T, &'static str>) -> Option<T> {
        read.map_err(|fault| self.faults.push((pointer.to_owned(), fault))).ok()
    }

    pub(crate) fn name(&mut self, pointer: &str, text: Option<&str>) -> Option<String> {
        text.and_then(|text| self.kept(pointer, settings::name(text)))
    }

    pub(crate) fn number(&mut self, text: &str) -> Option<PhoneNumber> {
        let read = PhoneNumber::parse(text).map_err(|_| "a phone number in any usual notation");
        self.kept("/mobileNumber", read)
    }

    pub(crate) fn external_id(&mut self, text: Option<&str>) -> Option<String> {
        let read = |text: &str| {
            let text = text.trim();
            let fits = (1..=64).contains(&text.len()) && !text.contains(char::is_control);
            fits.then(|| text.to_owned()).ok_or("1 to 64 characters without control characters")
        };
        text.and_then(|text| self.kept("/externalId", read(text)))
    }

    pub(crate) fn custom(&mut self, fields: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let fits = |text: &str, most: usize| text.chars().count() <= most && !text.contains(char::is_control);
        let all = fields.len() <= MAX_CUSTOM
            && fields.iter().all(|(name, value)| !name.is_empty() && fits(name, 60) && fits(value, 500));
        if !all {
            self.faults.push((
                "/custom".into(),
                "at most 30 fields, names up to 60 and values up to 500 characters",
            ));
        }
        fields
    }

    /// Somebody of the team.
    pub(crate) async fn assigned(
        &mut self,
        app: &App,
        access: &TeamAccess,
        text: Option<&str>,
    ) -> Result<Option<UserRef>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let member = match UserId::parse(text) {
            Ok(user) => app.team_members.get(&access.organization, access.team(), &user).await?,
            Err(_) => None,
        };
        let person = member.map(|member| member.user).ok_or("the User ID of a member of the team");
        Ok(self.kept("/assignedUserId", person))
    }

    pub(crate) fn fault(&mut self, pointer: &str, wanted: &'static str) {
        self.faults.push((pointer.to_owned(), wanted));
    }

    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(&self.faults)) }
    }
}
