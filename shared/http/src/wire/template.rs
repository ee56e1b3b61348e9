//! Templates.

use serde::{Deserialize, Serialize};
use shared_domain::template::Template;
use utoipa::ToSchema;

/// A template of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateView {
    /// ID of the template.
    pub template_id: String,
    /// Name, unique in the team.
    pub name: String,
    /// Text with merge fields: `{{firstName}}`, `{{lastName}}`, `{{contactId}}`, `{{senderName}}`,
    /// `{{custom.Field name}}`. A merge field can have a fallback: `{{firstName|there}}`.
    pub text: String,
}

impl TemplateView {
    pub fn of(template: &Template) -> Self {
        Self {
            template_id: template.id.to_string(),
            name: template.name.clone(),
            text: template.text.clone(),
        }
    }
}

/// A template to create.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewTemplate {
    /// 1 to 80 characters, unique in the team. Case is ignored.
    pub name: String,
    /// 1 to 1,600 characters.
    pub text: String,
}

/// Changes to a template. Absent fields keep their values.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateChange {
    /// 1 to 80 characters, unique in the team. Case is ignored.
    pub name: Option<String>,
    /// 1 to 1,600 characters.
    pub text: Option<String>,
}

/// The contact to render the template for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Render {
    /// ID of a contact of the team.
    pub contact_id: String,
}

/// A rendered template.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rendered {
    /// The text. `null` if a value is missing.
    #[schema(required)]
    pub text: Option<String>,
    /// Number of segments that the carrier bills. `null` if a value is missing.
    #[schema(required)]
    pub segments: Option<usize>,
    /// Merge fields without a value and without a fallback. A message is not sent if a value is missing.
    pub missing: Vec<String>,
}
