//! Endpoints: which events each one gets, and who manages it.

use std::fmt;

use crate::{
    event::{EventScope, EventType},
    field::FieldError,
    ids::{InboxId, TeamId, UserId, WebhookEndpointId},
    membership::{self, Role, TeamRole},
    time::Timestamp,
    webhook::{health::Health, signature::EndpointSecrets},
};

/// The maximum number of endpoints of an organization.
pub const MAX_ENDPOINTS: usize = 50;
/// The maximum number of patterns of an endpoint.
pub const MAX_PATTERNS: usize = 20;
/// The maximum number of inboxes that an endpoint names.
pub const MAX_INBOXES: usize = 100;
/// In characters.
const MAX_DESCRIPTION: usize = 200;

/// The type of a test event.
pub const TEST_TYPE: &str = "test";

/// The types that an endpoint gets: one type, all types with a first part (`message.*`), or all (`*`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypePattern(String);

impl TypePattern {
    /// Parses a pattern. Returns `None` unless it matches a type that webhooks deliver.
    pub fn parse(text: &str) -> Option<Self> {
        let pattern = Self(text.to_owned());
        EventType::ALL.into_iter().any(|kind| pattern.matches(kind)).then_some(pattern)
    }

    /// The pattern as entered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the endpoint gets events of a type.
    pub fn matches(&self, kind: EventType) -> bool {
        let (pattern, name) = (self.0.as_str(), kind.as_str());
        let first = pattern.strip_suffix('*').filter(|first| first.is_empty() || first.ends_with('.'));
        is_delivered(kind) && (pattern == name || first.is_some_and(|first| name.starts_with(first)))
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether webhooks deliver events of a type. Events of locks are for screens: they end without an
/// event when they expire.
pub fn is_delivered(kind: EventType) -> bool {
    !matches!(kind, EventType::LockAcquired | EventType::LockReleased | EventType::LockBroken)
}

/// Parses the patterns of an endpoint. Removes repeated ones.
///
/// # Errors
/// [`FieldError`] at each pattern that matches no type, or at the list if its length is invalid.
pub fn patterns(pointer: &str, texts: &[String]) -> Result<Vec<TypePattern>, Vec<FieldError>> {
    if texts.is_empty() || texts.len() > MAX_PATTERNS {
        return Err(vec![FieldError::new(pointer, "1 to 20 types")]);
    }
    let (mut patterns, mut errors) = (Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        match TypePattern::parse(text) {
            Some(pattern) if !patterns.contains(&pattern) => patterns.push(pattern),
            Some(_) => {}
            None => errors.push(FieldError::new(
                format!("{pointer}/{index}"),
                "an event type that webhooks deliver, such as message.created or message.*",
            )),
        }
    }
    if errors.is_empty() { Ok(patterns) } else { Err(errors) }
}

/// A description, trimmed. `None` if nothing of it is visible.
///
/// # Errors
/// [`FieldError`] at `pointer` if it is too long or has a control character.
pub fn description(pointer: &str, text: &str) -> Result<Option<String>, FieldError> {
    let text = crate::text::trim(text);
    if text.chars().count() > MAX_DESCRIPTION || text.contains(char::is_control) {
        return Err(FieldError::new(pointer, "at most 200 characters without control characters"));
    }
    Ok(crate::text::is_visible(text).then(|| text.to_owned()))
}

/// Whose events an endpoint gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointScope {
    /// All of the organization. The owner manages it.
    Organization,
    /// Those of these teams. The owner manages it, and users who are admins of all of the teams.
    Teams(Vec<TeamId>),
}

impl EndpointScope {
    /// Returns whether a user sees and changes the endpoint.
    pub fn is_managed_by(&self, is_owner: bool, roles: &[TeamRole]) -> bool {
        let is_admin = |team: &TeamId| {
            let role = roles.iter().find(|role| role.team == *team).map(|role| role.role);
            membership::manages(is_owner, role)
        };
        match self {
            Self::Organization => is_owner,
            Self::Teams(teams) => is_owner || (!teams.is_empty() && teams.iter().all(is_admin)),
        }
    }

    /// The scope of an endpoint that a user creates. `None` if the user manages no team.
    pub fn of_creator(is_owner: bool, roles: &[TeamRole]) -> Option<Self> {
        if is_owner {
            return Some(Self::Organization);
        }
        let managed = roles.iter().filter(|role| role.role == Role::Admin);
        let teams: Vec<TeamId> = managed.map(|role| role.team.clone()).collect();
        (!teams.is_empty()).then_some(Self::Teams(teams))
    }
}

/// Why an endpoint gets no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// A user disabled it.
    ByUser,
    /// No delivery succeeded for five days.
    NoSuccess,
    /// The receiver answered 410: it wants no more events.
    Gone,
}

impl DisabledReason {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByUser => "by_user",
            Self::NoSuccess => "no_success",
            Self::Gone => "gone",
        }
    }

    /// Parses the name in the API. Returns `None` for anything else.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::ByUser, Self::NoSuccess, Self::Gone].into_iter().find(|reason| reason.as_str() == name)
    }
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct WebhookEndpoint {
    pub id: WebhookEndpointId,
    /// As entered. It can contain a secret of the receiver in its path or query, so it is not logged.
    pub url: String,
    pub types: Vec<TypePattern>,
    pub scope: EndpointScope,
    /// If not empty, the endpoint gets only events of these inboxes.
    pub inboxes: Vec<InboxId>,
    pub description: Option<String>,
    /// `None` if it is enabled.
    pub disabled: Option<DisabledReason>,
    pub secrets: EndpointSecrets,
    pub health: Health,
    pub created_by: UserId,
    pub created_at: Timestamp,
}

impl WebhookEndpoint {
    /// Returns whether the endpoint gets an event of this type and inbox or team. An endpoint that names
    /// inboxes gets no events of teams. `team` is the team of the inbox, or the team itself.
    pub fn gets(&self, kind: EventType, scope: &EventScope, team: Option<&TeamId>) -> bool {
        let in_scope = match &self.scope {
            EndpointScope::Organization => true,
            EndpointScope::Teams(teams) => team.is_some_and(|team| teams.contains(team)),
        };
        let of_inbox = match scope {
            EventScope::Inbox { inbox, .. } => self.inboxes.is_empty() || self.inboxes.contains(inbox),
            EventScope::Team { .. } => self.inboxes.is_empty(),
        };
        self.disabled.is_none()
            && in_scope
            && of_inbox
            && self.types.iter().any(|pattern| pattern.matches(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::OrganizationId, webhook::signature::Secret};

    fn team(id: &str) -> TeamId {
        TeamId::parse(id).unwrap()
    }

    fn role(id: &str, role: Role) -> TeamRole {
        TeamRole { team: team(id), role, can_broadcast: false }
    }

    fn endpoint(types: &[&str], scope: EndpointScope, inboxes: &[&str]) -> WebhookEndpoint {
        WebhookEndpoint {
            id: WebhookEndpointId::parse("wep_1").unwrap(),
            url: "https://receiver.example/hook".into(),
            types: types.iter().map(|text| TypePattern::parse(text).unwrap()).collect(),
            scope,
            inboxes: inboxes.iter().map(|id| InboxId::parse(id).unwrap()).collect(),
            description: None,
            disabled: None,
            secrets: EndpointSecrets::single(Secret::new([7; 32])),
            health: Health::default(),
            created_by: UserId::parse("ada").unwrap(),
            created_at: Timestamp::from_millis(1),
        }
    }

    fn gets(endpoint: &WebhookEndpoint, kind: EventType, inbox: Option<&str>, of_team: &str) -> bool {
        let organization = OrganizationId::parse("org_1").unwrap();
        let scope = match inbox {
            Some(id) => EventScope::Inbox { organization, inbox: InboxId::parse(id).unwrap() },
            None => EventScope::Team { organization, team: team(of_team) },
        };
        endpoint.gets(kind, &scope, Some(&team(of_team)))
    }

    #[test]
    fn a_pattern_is_a_type_or_its_first_part_or_everything() {
        for (pattern, kind, matches) in [
            ("message.*", EventType::MessageCreated, true),
            ("message.*", EventType::MessageUpdated, true),
            ("message.*", EventType::ConversationUpdated, false),
            ("message.created", EventType::MessageCreated, true),
            ("message.created", EventType::MessageUpdated, false),
            ("*", EventType::ContactUpdated, true),
            ("*", EventType::LockAcquired, false),
        ] {
            assert_eq!(TypePattern::parse(pattern).unwrap().matches(kind), matches, "{pattern} {kind:?}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused() {
        for text in [
            "",
            ".",
            ".*",
            "**",
            "message*",
            "mess*",
            "message.",
            "message.*.*",
            "lock.*",
            "lock.acquired",
            "viewer.changed",
            "test",
            "Message.created",
            " message.*",
        ] {
            assert_eq!(TypePattern::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn each_invalid_pattern_is_reported_and_repeated_ones_are_removed() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let found = patterns("/types", &texts(&["message.*", "message.*", "inbox.changed"])).unwrap();
        assert_eq!(found.iter().map(TypePattern::as_str).collect::<Vec<_>>(), ["message.*", "inbox.changed"]);
        let errors = patterns("/types", &texts(&["message.*", "lock.*", "no"])).unwrap_err();
        assert_eq!(errors.iter().map(|e| e.pointer.as_str()).collect::<Vec<_>>(), ["/types/1", "/types/2"]);
        assert_eq!(patterns("/types", &[]).unwrap_err()[0].pointer, "/types");
        assert_eq!(patterns("/types", &texts(&["*"; 21])).unwrap_err()[0].pointer, "/types");
    }

    #[test]
    fn an_endpoint_gets_the_events_of_its_teams_and_inboxes() {
        let (message, contact) = (EventType::MessageCreated, EventType::ContactUpdated);
        let all = endpoint(&["*"], EndpointScope::Organization, &[]);
        assert!(gets(&all, message, Some("inb_1"), "team_1") && gets(&all, contact, None, "team_2"));

        let of_team = endpoint(&["*"], EndpointScope::Teams(vec![team("team_1")]), &[]);
        assert!(gets(&of_team, message, Some("inb_1"), "team_1"));
        assert!(!gets(&of_team, message, Some("inb_1"), "team_2"));
        assert!(gets(&of_team, contact, None, "team_1") && !gets(&of_team, contact, None, "team_2"));
        let organization = OrganizationId::parse("org_1").unwrap();
        let scope = EventScope::Inbox { organization, inbox: InboxId::parse("inb_1").unwrap() };
        assert!(!of_team.gets(message, &scope, None), "the team is not known");

        let of_inbox = endpoint(&["*"], EndpointScope::Organization, &["inb_1"]);
        assert!(gets(&of_inbox, message, Some("inb_1"), "team_1"));
        assert!(!gets(&of_inbox, message, Some("inb_2"), "team_1"));
        assert!(!gets(&of_inbox, contact, None, "team_1"));

        let of_type = endpoint(&["message.created"], EndpointScope::Organization, &[]);
        assert!(!gets(&of_type, EventType::MessageUpdated, Some("inb_1"), "team_1"));
        let disabled = WebhookEndpoint { disabled: Some(DisabledReason::Gone), ..all };
        assert!(!gets(&disabled, message, Some("inb_1"), "team_1"));
    }

    #[test]
    fn the_owner_manages_every_endpoint_and_an_admin_those_of_own_teams() {
        let two = EndpointScope::Teams(vec![team("team_1"), team("team_2")]);
        let admin_of_both = [role("team_1", Role::Admin), role("team_2", Role::Admin)];
        let admin_of_one = [role("team_1", Role::Admin), role("team_2", Role::Member)];
        assert!(two.is_managed_by(true, &[]) && two.is_managed_by(false, &admin_of_both));
        assert!(!two.is_managed_by(false, &admin_of_one) && !two.is_managed_by(false, &[]));
        assert!(EndpointScope::Organization.is_managed_by(true, &[]));
        assert!(!EndpointScope::Organization.is_managed_by(false, &admin_of_both));
        assert_eq!(EndpointScope::of_creator(true, &[]), Some(EndpointScope::Organization));
        assert_eq!(
            EndpointScope::of_creator(false, &admin_of_one),
            Some(EndpointScope::Teams(vec![team("team_1")]))
        );
        assert_eq!(EndpointScope::of_creator(false, &[role("team_1", Role::Member)]), None);
    }

    #[test]
    fn a_description_is_trimmed_and_bounded() {
        assert_eq!(description("/d", "  CRM  ").unwrap().as_deref(), Some("CRM"));
        assert_eq!(description("/d", " \u{200b} ").unwrap(), None);
        assert!(description("/d", &"x".repeat(201)).is_err() && description("/d", "a\nb").is_err());
        for reason in [DisabledReason::ByUser, DisabledReason::NoSuccess, DisabledReason::Gone] {
            assert_eq!(DisabledReason::parse(reason.as_str()), Some(reason));
        }
    }
}
