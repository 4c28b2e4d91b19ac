//! The chain, as an Electrum server tells it and our own checks confirm it.
