//! The root table by itself: handles that are made and dropped, the marker's scan, arming, and the end of the heap. Small
//! enough for orderings to be judged.

use super::harness::{Bound, Caught, Model, are_caught, hold, model, spawn, switch_point};
use crate::root::table::{RootTable, SlotRef};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::sync::witness::owned;

const BOUND: Bound = Bound { preemptions: 3 };

/// A table with two roots.
pub(super) fn table() -> (RootTable, SlotRef, SlotRef) {
    let table = RootTable::new(1);
    let mut stock = Vec::new();
    table.take_free(&mut stock);
    let (a, b) = (stock.pop().unwrap(), stock.pop().unwrap());
    a.fill(1000, false);
    b.fill(1001, false);
    (table, a, b)
}

pub(super) fn roots(table: &RootTable) -> Vec<usize> {
    let mut found = Vec::new();
    table.look(|object, _| {
        found.push(object);
        owned(object);
    });
    found
}

/// Takes slots until every segment has been looked through.
pub(super) fn take_all(table: &RootTable, taken: &mut Vec<SlotRef>) {
    for _ in 0..3 {
        table.take_free(taken);
    }
}

pub(super) fn release(slot: SlotRef) {
    switch_point();
    slot.release();
    switch_point();
}

/// The heap goes while handles are dropped: the last one frees the segment, after everybody's last use.
fn close(armed: bool) {
    let (mut table, a, b) = table();
    a.retain();
    if armed {
        table.arm();
    }
    loom::explore();
    let first = spawn(move || release(a));
    let second = spawn(move || {
        release(b);
        release(a);
    });
    switch_point();
    table.close();
    first.join().unwrap();
    second.join().unwrap();
}

/// Roots are dropped by two threads, and their slots taken by a third.
fn reuse() {
    let (table, a, b) = table();
    let table = Arc::new(table);
    loom::explore();
    let droppers = [a, b].map(|slot| spawn(move || release(slot)));
    let mut taken = Vec::new();
    switch_point();
    table.take_free(&mut taken);
    switch_point();
    for slot in &taken {
        slot.fill(2000, false);
    }
    let early = taken.len();
    for dropper in droppers {
        dropper.join().unwrap();
    }
    // What was not there yet is there now.
    take_all(&table, &mut taken);
    for slot in [a, b] {
        if taken.iter().filter(|taken| **taken == slot).count() != 1 {
            violation("a slot was lost, or taken twice".to_owned());
        }
    }
    if roots(&table) != vec![2000; early] {
        violation("a new root is none".to_owned());
    }
    taken[..early].iter().for_each(|slot| slot.release());
    closed(table);
}

pub(super) fn closed(table: Arc<RootTable>) {
    let mut table = Arc::into_inner(table).expect("the only one");
    table.close();
}

/// A slot is filled, dropped and filled again while a marker scans: whatever object the marker finds has been made.
fn scan() {
    let table = RootTable::new(1);
    let mut stock = Vec::new();
    table.take_free(&mut stock);
    let slot = stock.pop().unwrap();
    // The other slot of the segment stays taken.
    let table = Arc::new(table);
    let scanned = table.clone();
    loom::explore();
    let maker = spawn(move || {
        owned(1000);
        slot.fill(1000, false);
        release(slot);
        let mut stock = Vec::new();
        table.take_free(&mut stock);
        owned(2000);
        stock[0].fill(2000, false);
        (table, stock)
    });
    if roots(&scanned)
        .iter()
        .any(|object| ![1000, 2000].contains(object))
    {
        violation("a root without an object".to_owned());
    }
    switch_point();
    drop(scanned);
    let (table, stock) = maker.join().unwrap();
    stock[0].release();
    closed(table);
}

/// A Black mutator has read a root by one handle, which it drops; another thread drops the other handle. Whoever is last: the
/// object stays a root. `shaded`: in the cycle before.
fn armed_drop(shaded: bool) {
    let (table, a, b) = table();
    a.fill(1000, shaded);
    a.retain();
    let boundary = Arc::new(AtomicBool::new(false));
    let passed = boundary.clone();
    let black = Arc::new(AtomicBool::new(false));
    let was_black = black.clone();
    loom::explore();
    let mutator = spawn(move || {
        // The answer to the handshake.
        if passed.load(Ordering::Acquire) {
            was_black.store(true, Ordering::Relaxed);
        }
        release(a);
    });
    let other = spawn(move || release(a));
    table.arm();
    boundary.store(true, Ordering::Release);
    mutator.join().unwrap();
    other.join().unwrap();
    if black.load(Ordering::Relaxed) && !roots(&table).contains(&1000) {
        violation("a root that a Black mutator has read is none any more".to_owned());
    }
    b.release();
    closed(Arc::new(table));
}

/// A root is dropped while the table is armed; its slot is released with the others, used again, and the heap goes.
fn zombie() {
    let (table, a, b) = table();
    table.arm();
    loom::explore();
    let dropper = spawn(move || release(a));
    switch_point();
    table.disarm();
    switch_point();
    let mut stock = Vec::new();
    table.take_free(&mut stock);
    // Or the drop came later, and these are others.
    for slot in &stock {
        slot.fill(2000, false);
        slot.release();
    }
    b.release();
    closed(Arc::new(table));
    dropper.join().unwrap();
}

/// Slots that a mutator took and did not use are given back, and taken by another.
fn give_back() {
    let table = Arc::new(RootTable::new(1));
    let mut stock = Vec::new();
    table.take_free(&mut stock);
    let all = stock.clone();
    let back = table.clone();
    loom::explore();
    let giver = spawn(move || {
        back.give_back(&mut stock);
        switch_point();
    });
    let mut taken = Vec::new();
    switch_point();
    table.take_free(&mut taken);
    taken.iter().for_each(|slot| slot.fill(2000, false));
    let early = taken.len();
    giver.join().unwrap();
    take_all(&table, &mut taken);
    taken[..early].iter().for_each(|slot| slot.release());
    for slot in &all {
        if taken.iter().filter(|taken| *taken == slot).count() != 1 {
            violation("a slot was lost, or taken twice".to_owned());
        }
    }
    closed(table);
}

/// Two mutators look for slots at the same time, one of which is being dropped.
fn two_takers() {
    let (table, a, b) = table();
    let table = Arc::new(table);
    let [one, other] = [table.clone(), table.clone()];
    b.release();
    loom::explore();
    let takers = [one, other].map(|table| {
        spawn(move || {
            let mut taken = Vec::new();
            table.take_free(&mut taken);
            for slot in &taken {
                slot.fill(2000, false);
            }
            taken
        })
    });
    release(a);
    let mut taken: Vec<SlotRef> = Vec::new();
    for taker in takers {
        taken.extend(taker.join().unwrap());
    }
    if taken.iter().filter(|taken| **taken == b).count() != 1
        || taken.iter().filter(|taken| **taken == a).count() > 1
    {
        violation("a slot was lost, or taken twice".to_owned());
    }
    if roots(&table) != vec![2000; taken.len()] {
        violation("a new root is none".to_owned());
    }
    taken.iter().for_each(|slot| slot.release());
    closed(table);
}

/// A driver frees what is empty while the last root of a segment is dropped and a mutator takes slots.
fn shrink(stocked: bool) {
    let (table, a, b) = table();
    let mut stock = Vec::new();
    // Another segment.
    table.take_free(&mut stock);
    if !stocked {
        table.give_back(&mut stock);
    }
    b.release();
    let table = Arc::new(table);
    let driver = table.clone();
    loom::explore();
    let dropper = spawn(move || release(a));
    let driver = spawn(move || {
        driver.shrink(0);
        switch_point();
    });
    switch_point();
    if stock.is_empty() {
        table.take_free(&mut stock);
    }
    stock.iter().for_each(|slot| slot.fill(2000, false));
    driver.join().unwrap();
    dropper.join().unwrap();
    if roots(&table) != vec![2000; stock.len()] {
        violation("a root is lost, or one too many".to_owned());
    }
    stock.drain(..).for_each(SlotRef::release);
    table.shrink(0);
    take_all(&table, &mut stock);
    closed(table);
}

/// A driver frees what is empty while a background thread, which is not the driver, looks whether a root has been dropped.
fn look() {
    let (table, a, b) = table();
    [a, b].into_iter().for_each(SlotRef::release);
    let table = Arc::new(table);
    let driver = table.clone();
    loom::explore();
    let driver = spawn(move || {
        driver.shrink(0);
        switch_point();
    });
    switch_point();
    if !table.dropped_since_cycle() {
        violation("a root was dropped, and nobody knows".to_owned());
    }
    driver.join().unwrap();
    closed(table);
}

/// Roots are dropped while the table is armed, and released by the driver while another thread takes slots.
fn released_zombies() {
    let (table, a, b) = table();
    table.arm();
    release(a);
    release(b);
    let table = Arc::new(table);
    let driver = table.clone();
    loom::explore();
    let driver = spawn(move || {
        driver.disarm();
        switch_point();
    });
    let mut taken = Vec::new();
    switch_point();
    table.take_free(&mut taken);
    driver.join().unwrap();
    take_all(&table, &mut taken);
    for slot in [a, b] {
        if taken.iter().filter(|taken| **taken == slot).count() != 1 {
            violation("a slot was lost, or taken twice".to_owned());
        }
    }
    closed(table);
}

pub(super) fn models() -> Vec<Model> {
    vec![
        model("table, closed".into(), BOUND, || close(false)),
        model("table, closed armed".into(), BOUND, || close(true)),
        model("table, reuse".into(), BOUND, reuse),
        model("table, scan".into(), BOUND, scan),
        model("table, armed drop".into(), BOUND, || armed_drop(false)),
        model("table, shaded before".into(), BOUND, || armed_drop(true)),
        model("table, zombie".into(), BOUND, zombie),
        model("table, give back".into(), BOUND, give_back),
        model("table, two takers".into(), BOUND, two_takers),
        model("table, released zombies".into(), BOUND, released_zombies),
        model("table, shrinks".into(), BOUND, || shrink(false)),
        model("table, shrinks beside a stock".into(), BOUND, || {
            shrink(true)
        }),
        model("table, shrinks beside a look".into(), BOUND, look),
    ]
}

pub(super) const TWINS: &[Caught] = &[
    ("table, two takers", Twin::SlotLeftFree),
    ("table, closed", Twin::DroppedByAStore),
    ("table, closed", Twin::TouchedAfterDrop),
    ("table, shaded before", Twin::ShadedKept),
    ("table, shrinks beside a stock", Twin::ShrinksTaken),
    ("table, closed armed", Twin::DroppedByAStore),
    ("table, reuse", Twin::SlotLeftFree),
    ("table, reuse", Twin::RootSlotNotReleased),
    ("table, scan", Twin::RootCountedFirst),
    ("table, scan", Twin::RootSlotNotReleased),
    ("table, armed drop", Twin::ZombiesNotScanned),
    ("table, zombie", Twin::ZombieReleasedByAStore),
    ("table, give back", Twin::SlotLeftFree),
    ("table, give back", Twin::RootSlotNotReleased),
    ("table, released zombies", Twin::SlotLeftFree),
    ("table, shrinks", Twin::ShrinksTaken),
    ("table, shrinks beside a look", Twin::LooksWithoutLock),
];

#[test]
fn the_table_keeps_its_roots() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
