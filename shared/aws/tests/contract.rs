//! The stores against a DynamoDB engine in this process, through the real SDK client over loopback, on the table that
//! `template.yaml` describes. Each test has a database of its own; time is an argument, so nothing sleeps.

#[cfg(test)]
mod bucket;
#[cfg(test)]
mod contact_book;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod inbound;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod media;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod new_inboxes;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod opt_out_reviews;
#[cfg(test)]
mod opt_outs;
#[cfg(test)]
mod out_of_office;
#[cfg(test)]
mod registrations;
#[cfg(test)]
mod sends;
#[cfg(test)]
mod support;
#[cfg(test)]
mod teams;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod unread;
