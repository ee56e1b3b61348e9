//! Tests of the stores against a DynamoDB engine in this process, through the SDK client over loopback, on
//! the table of
//! `template.yaml`. Each test has its own database. Time is an argument, so no test sleeps.

#[cfg(test)]
mod broadcasts;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod contacts;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod delivery_checks;
#[cfg(test)]
mod events;
#[cfg(test)]
mod failed_messages;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod inbound;
#[cfg(test)]
mod keyword_replies;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod lookups;
#[cfg(test)]
mod media;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod new_inboxes;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod opt_out_reviews;
#[cfg(test)]
mod opt_outs;
#[cfg(test)]
mod out_of_office;
#[cfg(test)]
mod paces;
#[cfg(test)]
mod realtime;
#[cfg(test)]
mod registrations;
#[cfg(test)]
mod sending_pauses;
#[cfg(test)]
mod sends;
#[cfg(test)]
mod support;
#[cfg(test)]
mod swept_numbers;
#[cfg(test)]
mod teams;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod topic;
#[cfg(test)]
mod unread;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod webhooks;
