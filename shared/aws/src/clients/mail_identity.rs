//! Whether SES has verified the sender of e-mails.

use aws_sdk_sesv2::error::ProvideErrorMetadata;

use crate::clients::client::Aws;

/// Returns whether SES has verified the address `from` (`address` or `Name <address>`), its domain, or the
/// identity that the stack names. `None` if SES did not say.
pub async fn is_verified_sender(aws: &Aws, from: &str, identity: Option<&str>) -> Option<bool> {
    let address = from.rsplit('<').next().unwrap_or_default().trim_end_matches('>');
    let domain = address.rsplit('@').next().unwrap_or_default();
    for name in [identity.unwrap_or_default(), address, domain].into_iter().filter(|name| !name.is_empty()) {
        match aws.mail().get_email_identity().email_identity(name).send().await {
            Ok(found) if found.verified_for_sending_status() => return Some(true),
            Ok(_) => {}
            Err(error) if error.code() == Some("NotFoundException") => {}
            Err(_) => return None,
        }
    }
    Some(false)
}
