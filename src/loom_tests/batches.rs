//! Markers that mark some objects before they scan them (`mark::batch`), beside mutators: models of other files, run that way.

use super::harness::{Caught, Model, are_caught, hold};
use super::{fresh, slot};
use crate::sync::twin::Twin;

/// Ways to hide an object, and what is allocated black.
const THESE: &[&str] = &[
    "hide: Delete, insertion",
    "hide: Delete, deletion",
    "hide: Stack, hybrid",
    "hide: NewObject, hybrid",
    "fresh, black, hybrid",
    "fresh, early of black, hybrid",
];

pub(super) fn models() -> Vec<Model> {
    let all = [slot::models(), fresh::models()];
    let these = all
        .into_iter()
        .flatten()
        .filter(|model| THESE.contains(&model.name.as_str()));
    these.map(Model::in_batches).collect()
}

pub(super) const TWINS: &[Caught] = &[
    ("hide: Delete, insertion, in batches", Twin::NewNotShaded),
    ("hide: Delete, deletion, in batches", Twin::OldNotShaded),
    ("hide: Stack, hybrid, in batches", Twin::OldNotShaded),
    ("hide: NewObject, hybrid, in batches", Twin::OldNotShaded),
    ("fresh, black, hybrid, in batches", Twin::FreshNotScanned),
    (
        "fresh, early of black, hybrid, in batches",
        Twin::FreshPassedOver,
    ),
];

#[test]
fn what_is_marked_before_it_is_scanned_keeps_what_it_leads_to() {
    assert_eq!(models().len(), THESE.len());
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
