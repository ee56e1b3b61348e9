/** Names of contacts, and phone numbers in their national format. */

/** @import { ContactSummary } from "./types.d.ts" */

/**
 * @param {string} number in E.164 format
 * @returns {string} `(202) 555-0143` for a North American number
 */
export function formatNumber(number) {
  const [, area, exchange, line] = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number) ?? [];
  return area ? `(${area}) ${exchange}-${line}` : number;
}

/**
 * @typedef {Pick<ContactSummary, "firstName" | "lastName">} Name
 * @param {Name & { phoneNumber?: string, mobileNumber?: string }} contact
 */
export function contactName(contact) {
  const name = [contact.firstName, contact.lastName].filter(Boolean).join(" ");
  return name || formatNumber(contact.phoneNumber ?? contact.mobileNumber ?? "");
}

/**
 * @param {string} name
 * @returns {string} up to two letters
 */
export function initials(name) {
  const words = name.split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  return words.length ? [words[0], words.length > 1 ? words[words.length - 1] : ""].map((word) => [...word][0] ?? "").join("").toUpperCase() : "#";
}
