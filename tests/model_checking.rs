//! Model checking of users' programs (`tricolor_gc::model`), shown twice: barriers, shipped and wrong, against the ways to hide an
//! object; a lock-free stack, right and wrong, against the running marker. Compiled under `--cfg tricolor_loom` only: `ci/model.sh`.
#![cfg(tricolor_loom)]

#[path = "model_checking/barriers.rs"]
mod barriers;
#[path = "model_checking/guide.rs"]
mod guide;
#[path = "model_checking/stack.rs"]
mod stack;

/// Prints a report, for `--nocapture`.
fn show(report: tricolor_gc::model::Report) -> tricolor_gc::model::Report {
    println!("MODEL {report}");
    report
}
