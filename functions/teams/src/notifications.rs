//! The e-mail notifications of a team, and their recipients.

use axum::extract::State;
use shared_aws::team::AuditEvent;
use shared_domain::{
    field::FieldErrors,
    notification::{MailingPreference, NotificationSettings},
    settings,
};
use shared_http::{
    access::TeamAdmin,
    json::Json,
    problem::Problem,
    request::{Entropy, Now},
    wire::team::{MailingView, NotificationSettingsView},
};

use crate::App;

/// Read notification settings
///
/// For team admins and the organization's owner. E-mails about the registration are always sent to the team's
/// admins.
#[utoipa::path(get, path = "/v1/teams/{teamId}/notification-settings",
    tag = "teams", operation_id = "getNotificationSettings",
    params(("teamId" = String, Path)),
    responses((status = 200, body = NotificationSettingsView)),
    extensions(("x-errors" = json!(["admin_required"]))))]
pub(crate) async fn read(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
) -> Result<Json<NotificationSettingsView>, Problem> {
    let settings = app.teams.notification_settings(access.team_key()).await?;
    Ok(Json(NotificationSettingsView::of(&settings)))
}

/// Replace notification settings
///
/// For team admins and the organization's owner.
#[utoipa::path(put, path = "/v1/teams/{teamId}/notification-settings",
    tag = "teams", operation_id = "replaceNotificationSettings",
    params(("teamId" = String, Path)),
    request_body = NotificationSettingsView,
    responses((status = 200, body = NotificationSettingsView)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields"]))))]
pub(crate) async fn replace(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(body): Json<NotificationSettingsView>,
) -> Result<Json<NotificationSettingsView>, Problem> {
    let mut errors = FieldErrors::default();
    let settings = NotificationSettings {
        opt_out_changed: mailing("/optOutChanged", &body.opt_out_changed, &mut errors),
        unknown_contact: mailing("/unknownContact", &body.unknown_contact, &mut errors),
        contact_added: mailing("/contactAdded", &body.contact_added, &mut errors),
    };
    errors.finish()?;
    let (actor, target) = (&access.caller.user.id, access.team().as_str());
    let event = AuditEvent { actor, action: "notifications.edit", target, at: now, entropy };
    app.teams.put_notification_settings(access.team_key(), &settings, &event).await?;
    Ok(Json(NotificationSettingsView::of(&settings)))
}

fn mailing(pointer: &str, input: &MailingView, errors: &mut FieldErrors) -> MailingPreference {
    if input.recipients.len() > NotificationSettings::MAX_RECIPIENTS {
        errors.add(format!("{pointer}/recipients"), "at most 20 addresses");
        return MailingPreference::default();
    }
    if input.enabled && input.recipients.is_empty() {
        errors.add(format!("{pointer}/recipients"), "at least one address if enabled");
    }
    let mut recipients: Vec<String> = Vec::new();
    for (index, address) in input.recipients.iter().enumerate() {
        let address = errors.check(settings::email(&format!("{pointer}/recipients/{index}"), address));
        recipients.extend(
            address.filter(|address| !recipients.iter().any(|known| known.eq_ignore_ascii_case(address))),
        );
    }
    MailingPreference { enabled: input.enabled, recipients }
}
