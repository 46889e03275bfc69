//! tricolor-gc
