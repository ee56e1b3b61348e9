//! The bodies of the fuzz targets: one for each parser, with assertions about the parsed values.

pub mod bodies;
