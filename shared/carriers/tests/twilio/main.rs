//! The Twilio module against recorded bodies, the signature vectors of Twilio's own libraries, and a server on
//! loopback that answers as told.

#[cfg(test)]
mod lookup;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod send;
#[cfg(test)]
mod signature;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhook;
