//! Message templates.

pub(crate) mod templates;

pub use self::templates::{TemplateEntry, TemplatePage, TemplateWrite, Templates};
