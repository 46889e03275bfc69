//! Weakened code against all models: one call site's ordering (`sync::relax`), or one twin. For `ci/loom.sh orderings` and
//! `ci/loom.sh twin`, which choose by environment variables; without them there is nothing to do here.

use std::time::Instant;

use super::harness::{Caught, Model};
use super::{
    batches, cell, early, fresh, gate, helper, locks, mail, mates, minor, new_roots, panic, pool,
    publish, root, rounds, slot, span, stop, table, weak,
};
use crate::sync::relax;
use crate::sync::twin::Twin;

/// All models; the quick ones first.
fn models() -> Vec<Model> {
    [
        table::models(),
        new_roots::models(),
        publish::models(),
        gate::models(),
        rounds::models(),
        helper::models(),
        locks::models(),
        mail::models(),
        mates::models(),
        early::models(),
        fresh::models(),
        batches::models(),
        minor::models(),
        panic::models(),
        pool::models(),
        weak::models(),
        slot::models(),
        span::models(),
        stop::models(),
        root::models(),
        cell::models(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const TWINS: &[&[Caught]] = &[
    cell::TWINS,
    cell::GREY_TWINS,
    helper::TWINS,
    root::TWINS,
    slot::TWINS,
    span::TWINS,
    stop::TWINS,
    locks::TWINS,
    mail::TWINS,
    mates::TWINS,
    early::TWINS,
    fresh::TWINS,
    batches::TWINS,
    minor::TWINS,
    panic::TWINS,
    pool::TWINS,
    publish::TWINS,
    table::TWINS,
    new_roots::TWINS,
    gate::TWINS,
    rounds::TWINS,
    weak::TWINS,
];

/// Says which model finds something wrong: of those in `TRICOLOR_MODELS` (names, with `|` between), or of all.
fn survey(twin: Option<Twin>) {
    let chosen = std::env::var("TRICOLOR_MODELS").unwrap_or_default();
    let chosen: Vec<&str> = chosen.split('|').filter(|name| !name.is_empty()).collect();
    for model in models() {
        if !chosen.is_empty() && !chosen.contains(&model.name.as_str()) {
            continue;
        }
        // An execution that aborts is one that went wrong: this line says where.
        println!("TRYING {}", model.name);
        let began = Instant::now();
        if let Some(text) = model.finds(twin) {
            println!("CAUGHT | {} | {:.1?} | {text}", model.name, began.elapsed());
            return;
        }
    }
    println!("NOT CAUGHT");
}

#[test]
fn weakened() {
    if let Ok(name) = std::env::var("TRICOLOR_TWIN") {
        let twin = Twin::ALL.iter().find(|twin| format!("{twin:?}") == name);
        survey(Some(*twin.expect("no such twin")));
    } else if relax::is_relaxing() {
        survey(None);
    }
}

fn caught() -> impl Iterator<Item = Caught> {
    TWINS.iter().copied().flatten().copied()
}

#[test]
fn every_twin_has_a_model() {
    for twin in Twin::ALL {
        let has = caught().any(|(_, caught)| caught == *twin);
        assert!(has, "no model is said to catch {twin:?}");
    }
}

#[test]
fn every_model_has_a_twin() {
    for model in models() {
        let has = caught().any(|(name, _)| name == model.name);
        assert!(has, "{} is said to catch no twin", model.name);
    }
}
