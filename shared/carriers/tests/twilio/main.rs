//! The Twilio module against recorded bodies, the signature vectors of Twilio's own libraries, and a server
//! on loopback with prepared responses.

#[cfg(test)]
mod basic;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod campaigns;
#[cfg(test)]
mod description;
#[cfg(test)]
mod events;
#[cfg(test)]
mod lookup;
#[cfg(test)]
mod media;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod received;
#[cfg(test)]
mod send;
#[cfg(test)]
mod services;
#[cfg(test)]
mod signature;
#[cfg(test)]
mod support;
#[cfg(test)]
mod voice;
#[cfg(test)]
mod webhook;
