//! Canned responses.

use serde::{Deserialize, Serialize};
use shared_domain::template::Template;
use utoipa::ToSchema;

/// A canned response of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateView {
    /// Its id.
    pub template_id: String,
    /// What it is chosen by.
    pub name: String,
    /// With merge fields: `{{firstName}}`, `{{lastName}}`, `{{contactId}}`, `{{senderName}}`, `{{custom.Field name}}`, each
    /// also with a fallback: `{{firstName|there}}`.
    pub text: String,
}

impl TemplateView {
    /// As the team has it.
    pub fn of(response: &Template) -> Self {
        Self {
            template_id: response.id.to_string(),
            name: response.name.clone(),
            text: response.text.clone(),
        }
    }
}

/// A canned response to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewTemplate {
    /// 1 to 80 characters; one of the team's alone, whatever the case.
    pub name: String,
    /// 1 to 1,600 characters.
    pub text: String,
}

/// What to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateChange {
    /// 1 to 80 characters; one of the team's alone, whatever the case.
    pub name: Option<String>,
    /// 1 to 1,600 characters.
    pub text: Option<String>,
}

/// For whom to fill it in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Render {
    /// A contact of the team.
    pub contact_id: String,
}

/// What a contact would get from the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rendered {
    /// The text; null where something is missing.
    #[schema(required)]
    pub text: Option<String>,
    /// As the carrier bills it; null where something is missing.
    #[schema(required)]
    pub segments: Option<usize>,
    /// Merge fields that have neither a value nor a fallback: with one of them nothing is sent.
    pub missing: Vec<String>,
}
