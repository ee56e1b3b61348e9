/** The shapes of the API that the console reads, as openapi.json describes them. */

export type Role = "admin" | "member";
export type Folder = "inbox" | "archived";

export interface UserName { userId: string; name: string }
export interface Account {
  inboxId: string; kind: "shared" | "personal"; name: string; color: string; phoneNumber: string; apiCode: string;
  teamId: string; unreadCount: number;
}
export interface Team { teamId: string; name: string; role: Role | null; registrationStatus?: string }
export interface Me {
  user: { userId: string; name: string; email: string; owner: boolean };
  teams: Team[];
  accounts: Account[];
}
export interface Holder { id: string; name: string }
export interface ContactSummary {
  contactId: string; externalId: string | null; firstName: string | null; lastName: string | null;
  phoneNumber: string; provisional: boolean; optedOut: boolean; blocked?: boolean;
}
export interface Conversation {
  conversationId: string; inboxId: string; contact: ContactSummary; folder: Folder; read: boolean;
  assignedUser: UserName | null;
  lastMessage: { messageId: string; text: string; direction: "inbound" | "outbound"; createdAt: string; media?: number; erased?: boolean };
  lastActivityAt: string;
  lock: { holder: Holder; expiresAt: string } | null;
  deliveryFailed: boolean;
}
export interface Media {
  mediaId: string; contentType: string | null; size: number | null;
  state: "pending" | "stored" | "refused" | "linked"; url: string | null; expiresAt: string | null; reason: string | null;
}
export interface DeliveryStep { state: string; at: string; code: string | null; detail: string | null }
export interface Message {
  messageId: string; conversationId: string; inboxId: string; direction: "inbound" | "outbound"; text: string;
  media: Media[]; segments: number; state: string; states: DeliveryStep[]; sender: UserName | null; automatic: boolean;
  createdAt: string;
}
export interface HeldLock {
  token: number; holder: Holder; expiresAt: string; renewAfterSeconds: number; idlePromptAfterSeconds: number;
  idlePrompt: boolean; idleReleaseAt: string;
}
export interface Page<T> { items: T[]; nextCursor: string | null }
export interface Filters { assignedTo?: string; read?: "read" | "unread"; q?: string }
export interface FieldError { pointer: string; detail: string }

export interface Contact {
  contactId: string; externalId: string | null; firstName: string | null; lastName: string | null; mobileNumber: string;
  optedOut: boolean; blocked: boolean; assignedUserId: string | null; provisional: boolean; custom: Record<string, string>;
}
export interface Template { templateId: string; name: string; text: string }
export interface TeamMember {
  userId: string; name: string; email?: string | null; role: Role; invited?: boolean; canBroadcast?: boolean;
}
export interface Inbox {
  inboxId: string; teamId: string; kind: "shared" | "personal"; name: string | null; color: string | null;
  phoneNumber: string; apiCode: string; retired: boolean; member: boolean; voiceForwardingNumber: string | null;
}
export interface AvailableNumber {
  phoneNumber: string; friendlyName: string; locality: string | null; region: string | null; mms: boolean; voice: boolean;
}
export interface WizardTeam {
  teamId: string; name: string; registrationStatus: string; membersOffered: boolean; notice: string | null;
}
export interface InboxWizard { apiCode: string | null; teamId: string | null; teams: WizardTeam[] }
export interface Campaign {
  useCase: string; description: string; messageFlow: string; messageSamples: string[]; hasEmbeddedLinks: boolean;
  hasEmbeddedPhone: boolean; privacyPolicyUrl?: string | null; termsUrl?: string | null;
}
export interface Registration {
  teamId: string; status: string; notice: string | null; submitted: boolean; submission?: Campaign | null;
  timeline: { status: string; at: string; source: string; codes: number[]; detail: string | null }[];
}
export interface OutOfOffice {
  mode: "off" | "on" | "auto"; message: string; timeZone: string; hours: Record<string, [string, string][]>;
  holidays: string[];
}
export interface ImportReport {
  importId: string; status: "queued" | "running" | "completed" | "failed"; dryRun: boolean; rows: number; created: number;
  updated: number; unchanged: number; refused: number; errors: { row: number; field: string; reason: string }[];
  errorsBeyond: number; totalRows: number | null; reason: string | null; createdAt: string; finishedAt: string | null;
  upload?: { url: string; method: string; headers: Record<string, string> };
}
export interface OptOutEntry {
  at: string; contactId: string; phoneNumber: string; status: "opted_out" | "opted_in"; scope: string; source: string;
  messageId: string | null; userId: string | null;
}
export interface OptOutReview {
  reviewId: string; conversationId: string; messageId: string; contact: ContactSummary; text: string; at: string;
  decided: { decision: string; by: UserName; at: string } | null;
}
export interface AuditEntry { at: string; userId: string; action: string; target: string }
export interface Mailing { enabled: boolean; recipients: string[] }
export interface NotificationSettings { optOutChanged: Mailing; unknownContact: Mailing; contactAdded: Mailing }

export interface SegmentFilter {
  all?: SegmentFilter[]; any?: SegmentFilter[]; not?: SegmentFilter; field?: string; op?: string; value?: unknown;
}
export interface Segment {
  segmentId: string; name: string; kind: "static" | "filter"; filter?: SegmentFilter | null; count: number; complete: boolean; countedAt: string;
}
export interface Excluded { reason: string; count: number }
export interface SegmentPreview { count: number; complete: boolean; excluded: Excluded[]; sample: Contact[] }
export type RecipientState = "pending" | "held" | "queued" | "sent" | "delivered" | "undelivered" | "failed" | "skipped";
export type Progress = Record<RecipientState | "total" | "replied", number>;
export interface Audience { segmentIds: string[]; contactIds: string[]; phoneNumbers: string[] }
export interface Broadcast {
  broadcastId: string; teamId: string; name: string; from: { inboxId: string }; text: string; templateId?: string | null;
  audience: Audience; hours: { mode: string }; scheduledAt: string | null; createdAt: string; createdBy: UserName;
  confirmedBy: UserName | null; startedAt: string | null; finishedAt: string | null; progress: Progress; reason?: string | null;
  status: "draft" | "scheduled" | "preparing" | "running" | "paused" | "completed" | "canceled" | "failed";
  waitingFor: { reason: string; until: string | null } | null;
  replyWindowHours?: number; question?: Question | null; answers?: { answer: string; count: number }[]; recurrence?: Recurrence | null;
}
export interface Question { kind: "yes_no" | "scale" | "choice"; choices?: string[]; followUps?: Record<string, string> }
export interface Recurrence {
  frequency: "daily" | "weekly" | "monthly"; days?: string[]; count?: number | null; until?: string | null; timeZone?: string | null;
}
export interface Estimate {
  estimateId: string; recipients: number; excluded: Excluded[]; segments: { total: number; histogram: Record<string, number> };
  unicode: { character: string; field: string; count: number }[]; price: { amount: string; currency: string } | null;
  startsAt: string | null; endsAt: string | null; checks: { level: "ok" | "review" | "stop"; code: string; detail: string }[];
}
export interface BroadcastRecipient {
  phoneNumber: string; contactId: string | null; state: RecipientState; reason?: string | null; messageId?: string | null;
  repliedAt?: string | null; answer?: string | null;
}
export interface KeywordReply { keywordReplyId: string; keywords: string[]; text: string; tag: string | null }
export interface WebhookEndpoint {
  endpointId: string; url: string; description: string | null; types: string[]; inboxIds: string[]; teamIds?: string[] | null;
  status: "enabled" | "disabled"; disabledReason?: "by_user" | "no_success" | "gone" | null; failingSince: string | null;
  createdAt: string; secret?: string | null;
}
export interface WebhookDelivery {
  deliveryId: string; webhookId: string; type: string; state: "pending" | "succeeded" | "failed"; createdAt: string;
  nextAttemptAt: string | null; attempts: { at: string; status: number | null; ms: number; error: string | null }[];
}
export interface MachineClient { clientId: string; name: string; createdAt: string; accepted: boolean; clientSecret?: string | null }
