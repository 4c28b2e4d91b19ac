//! The `upfront` binary: a shim.

fn main() {}
