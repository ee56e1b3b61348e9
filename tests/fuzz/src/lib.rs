//! What is fuzzed: a body for each parser, which also says what has to hold of whatever comes out of it.

pub mod bodies;
