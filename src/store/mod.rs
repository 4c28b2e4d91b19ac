//! What is written down: the journal (the truth) and the index (a cache of it).
