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
  lastMessage: { messageId: string; text: string; direction: "inbound" | "outbound"; createdAt: string; media?: number };
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
export interface TeamMember { userId: string; name: string; email?: string | null; role: Role; invited?: boolean }
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
