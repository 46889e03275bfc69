//! Programs that the compiler must refuse, with the messages it gives: a file each in `ui/`.
//!
//! The messages are those of one compiler version. After a change of it, `TRYBUILD=overwrite cargo test --test ui`
//! writes them anew, and the difference is for review.

#[test]
fn refused_programs() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
