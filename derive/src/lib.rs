//! The derive macro of tricolor-gc.
