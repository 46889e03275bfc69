//! The root table beside a cycle: which roots the scan of a minor one hears of, and what arming and disarming look through.

use super::harness::{Bound, Caught, Model, are_caught, hold, model, spawn, switch_point};
use super::table::{closed, release, roots, table, take_all};
use crate::root::table::{RootTable, SlotRef};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::sync::watched::violation;

const BOUND: Bound = Bound { preemptions: 3 };

/// What a scan of a minor cycle gives to the cycle.
fn new_roots(table: &RootTable) -> Vec<usize> {
    let mut found = Vec::new();
    table.scan_for_cycle(0..9, true, |object| found.push(object));
    found
}

/// Beside the scan of a minor cycle a root is dropped, and a mutator, whose barrier is on, takes the slot for another: of that the cycle has
/// heard, or the next one will. `shaded`: so was the first.
fn new_root(shaded: bool) {
    let table = RootTable::new(1);
    let mut stock = Vec::new();
    table.take_free(&mut stock);
    let (slot, other) = (stock.pop().unwrap(), stock.pop().unwrap());
    if !shaded {
        slot.fill(1000, false);
    }
    let on = Arc::new(AtomicBool::new(false));
    let table = Arc::new(table);
    let (made_in, is_on) = (table.clone(), on.clone());
    loom::explore();
    let maker = spawn(move || {
        if !shaded {
            // No mutator's: nothing tells it that the table is armed.
            release(slot);
        }
        if !is_on.load(Ordering::Acquire) {
            return None;
        }
        if shaded {
            slot.fill(1000, true);
            release(slot);
        }
        let mut stock = Vec::new();
        made_in.take_free(&mut stock);
        let made = stock.pop().unwrap();
        made.fill(2000, true);
        Some(made)
    });
    table.arm();
    on.store(true, Ordering::Release);
    switch_point();
    let given = new_roots(&table);
    let made = maker.join().unwrap();
    table.disarm();
    table.arm();
    if made.is_some() && !given.contains(&2000) && !new_roots(&table).contains(&2000) {
        violation("no minor cycle hears of a root".to_owned());
    }
    table.disarm();
    made.into_iter().for_each(SlotRef::release);
    table.give_back(&mut vec![other]);
    closed(table);
}

/// A mutator makes roots with its barrier on while a cycle ends. In the next a Black one reads and drops them.
fn shaded_late() {
    let (table, a, b) = table();
    [a, b].into_iter().for_each(SlotRef::release);
    let mut made = Vec::new();
    table.take_free(&mut made);
    table.arm();
    let slots = made.clone();
    loom::explore();
    let maker = spawn(move || {
        for (number, slot) in slots.into_iter().enumerate() {
            slot.fill(1000 + number, true);
            switch_point();
        }
    });
    switch_point();
    table.disarm();
    // Its barrier is off.
    maker.join().unwrap();
    table.arm();
    made.into_iter().for_each(SlotRef::release);
    if roots(&table).len() != 2 {
        violation("a root that a Black mutator has read is none any more".to_owned());
    }
    closed(Arc::new(table));
}

/// A root is dropped when one cycle ends and another begins, by a thread that takes the table for armed: its slot is free when that has
/// ended.
fn late_zombie() {
    let (table, a, b) = table();
    let table = Arc::new(table);
    table.arm();
    loom::explore();
    let dropper = spawn(move || release(a));
    table.disarm();
    table.arm();
    dropper.join().unwrap();
    new_roots(&table);
    table.disarm();
    let mut taken = Vec::new();
    take_all(&table, &mut taken);
    if !taken.contains(&a) {
        violation("a slot was lost".to_owned());
    }
    b.release();
    closed(table);
}

/// A table with a root and a free slot in a segment that minor cycles pass over.
fn settled() -> (Arc<RootTable>, SlotRef) {
    let (table, a, b) = table();
    table.arm();
    new_roots(&table);
    table.disarm();
    b.release();
    (Arc::new(table), a)
}

/// A slot is taken for a root beside the scan that may call its segment settled, by a mutator whose barrier is on: of that the cycle has
/// heard, or the next one will.
fn taken_beside() {
    let (table, a) = settled();
    let on = Arc::new(AtomicBool::new(false));
    let (made_in, is_on) = (table.clone(), on.clone());
    loom::explore();
    let maker = spawn(move || {
        let mut made = Vec::new();
        if is_on.load(Ordering::Acquire) {
            made_in.take_free(&mut made);
            made.iter().for_each(|slot| slot.fill(2000, true));
        }
        made
    });
    table.arm();
    on.store(true, Ordering::Release);
    switch_point();
    let mut given = new_roots(&table);
    let made = maker.join().unwrap();
    table.disarm();
    table.arm();
    given.append(&mut new_roots(&table));
    table.disarm();
    if !made.is_empty() && !given.contains(&2000) {
        violation("no minor cycle hears of a root".to_owned());
    }
    made.into_iter().for_each(SlotRef::release);
    a.release();
    closed(table);
}

/// A slot is taken for a root while a cycle arms, by a mutator whose barrier is off until it answers: this cycle hears of it.
fn taken_before() {
    let (table, a) = settled();
    let answered = Arc::new(AtomicBool::new(false));
    let (made_in, answers) = (table.clone(), answered.clone());
    loom::explore();
    let maker = spawn(move || {
        let mut made = Vec::new();
        made_in.take_free(&mut made);
        made.iter().for_each(|slot| slot.fill(2000, false));
        answers.store(true, Ordering::Release);
        made
    });
    table.arm();
    while !answered.load(Ordering::Acquire) {
        thread::yield_now();
    }
    if !new_roots(&table).contains(&2000) {
        violation("a minor cycle does not hear of a root".to_owned());
    }
    table.disarm();
    let made = maker.join().unwrap();
    made.into_iter().for_each(SlotRef::release);
    a.release();
    closed(table);
}

pub(super) fn models() -> Vec<Model> {
    vec![
        model("new root".into(), BOUND, || new_root(false)),
        model("new root, shaded".into(), BOUND, || new_root(true)),
        model("settled, taken beside".into(), BOUND, taken_beside),
        model("settled, taken before".into(), BOUND, taken_before),
        model("shaded late".into(), BOUND, shaded_late),
        model("late zombie".into(), BOUND, late_zombie),
    ]
}

pub(super) const TWINS: &[Caught] = &[
    ("new root", Twin::NewTakenFromAnother),
    ("new root, shaded", Twin::ShadedNoLongerNew),
    ("settled, taken beside", Twin::SettledUnlocked),
    ("settled, taken beside", Twin::TakenStaysSettled),
    ("settled, taken before", Twin::TakenStaysSettled),
    ("shaded late", Twin::MarkedTakenBackEarly),
    ("late zombie", Twin::ZombieNotTold),
];

#[test]
fn cycles_hear_of_new_roots() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
