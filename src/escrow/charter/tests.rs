//! Charter tests.
