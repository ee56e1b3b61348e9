//! Message templates.

pub(crate) mod templates;

pub use self::templates::{TemplateWrite, Templates};
