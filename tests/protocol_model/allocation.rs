//! Allocation: of objects that get their pointer with their slot, and of such that are built in their slots (`src/alloc/in_place.rs`).

use crate::mutator::{done, loads};
use crate::search::Next;
use crate::state::{Colour, Command, Config, Mode, Op, Scan, Stage, State, Twin, bit};

pub(crate) fn allocate(config: &Config, s: &State, i: usize, slot: u8, next: &mut Vec<Next>) {
    let reg = s.m[i].reg;
    let kinds = if reg == 0 {
        vec![(0, false)]
    } else if config.minor == 0 {
        vec![(0, false), (reg, false)]
    } else {
        // Where there is no pointer, nobody could tell an immutable object.
        vec![(0, false), (reg, false), (reg, true)]
    };
    for (value, immutable) in kinds {
        let what = if immutable {
            "allocates an immutable"
        } else {
            "allocates a mutable"
        };
        for mut n in take_slot(config, s, i, slot, immutable) {
            n.set_field(slot, value);
            n.m[i].reg = slot;
            next.push((n, i, what, slot, value));
        }
    }
}

/// The states in which mutator `i` has taken a slot: the sweep may come to its span, or not.
fn take_slot(config: &Config, s: &State, i: usize, slot: u8, immutable: bool) -> Vec<State> {
    let mut n = *s;
    n.m[i].allocs -= 1;
    n.set_field(slot, 0);
    if immutable {
        n.immutable |= bit(slot);
    }
    let safe_too = place(config, &mut n, i, slot);
    let mut safe = n;
    safe.safe |= bit(slot);
    match safe_too {
        true => vec![n, safe],
        false => vec![n],
    }
}

fn is_black(config: &Config, s: &State, i: usize) -> bool {
    let Command { colour, mode, .. } = s.m[i].command;
    match colour {
        Colour::Black => !config.is(Twin::WhiteWhenBlack),
        Colour::Early => false,
        Colour::White => mode == Mode::Grey && config.is(Twin::BlackWhenGrey),
    }
}

/// The mutator's barrier has gone off, and the sweep has not begun.
pub(crate) fn is_before_sweep(s: &State, i: usize) -> bool {
    s.m[i].command.mode == Mode::Off && matches!(s.stage, Stage::Clear | Stage::Off)
}

/// Mutator `i` takes a slot: its colour, and who is told. Whether its span may also be one to which the sweep does not come.
fn place(config: &Config, n: &mut State, i: usize, slot: u8) -> bool {
    if n.span.is_some() {
        n.use_slot(i, slot);
        return false;
    }
    n.live |= bit(slot);
    n.set_scan(slot, Scan::Unscanned);
    n.marks &= !bit(slot);
    n.fresh &= !bit(slot);
    n.early &= !bit(slot);
    n.stamps[slot as usize - 1] = 0;
    if is_before_sweep(n, i) {
        // From new spans, which are the mutator's, or given back when they are full.
        if !config.is(Twin::WhiteBeforeSweep) {
            n.fresh |= bit(slot);
        }
        return config.minor != 0 && !config.is(Twin::WhiteBeforeSweep);
    }
    if is_black(config, n, i) {
        n.fresh |= bit(slot);
    }
    if n.m[i].command.colour == Colour::Early {
        n.early |= bit(slot);
    }
    if n.m[i].command.mode == Mode::Off && matches!(n.stage, Stage::Sweep(_)) {
        // From spans that have been swept.
        n.safe |= bit(slot);
    }
    false
}

/// `Mutation::alloc_in_place`: takes a slot …
pub(crate) fn begin_build(config: &Config, s: &State, i: usize, slot: u8, next: &mut Vec<Next>) {
    if s.m[i].builds == 0 {
        return;
    }
    for immutable in [false, true] {
        for mut n in take_slot(config, s, i, slot, immutable) {
            let m = &mut n.m[i];
            m.builds -= 1;
            (m.op, m.x) = (Op::Build, slot);
            let what = if immutable {
                "begins to build an immutable"
            } else {
                "begins to build a mutable"
            };
            next.push((n, i, what, slot, 0));
        }
    }
}

/// … while the value is made does what the program wants, and ends with the value, or without one.
pub(crate) fn build(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let m = s.m[i];
    if m.allocs > 0
        && let Some(slot) = s.free_slot(config)
    {
        allocate(config, s, i, slot, next);
    }
    loads(config, s, i, next);
    let mut built = *s;
    done(&mut built, i);
    built.set_field(m.x, m.reg);
    built.m[i].reg = m.x;
    next.push((built, i, "has built", m.x, m.reg));
    if config.cells && s.immutable & bit(m.x) == 0 {
        cell_moves_in(config, built, i, (m.x, m.reg), next);
    }
    let mut n = *s;
    done(&mut n, i);
    n.unmade |= bit(m.x);
    next.push((n, i, "panics and does not build", m.x, 0));
}

/// The same, but its cell has been written on the stack just before, through a guard, and moves into the slot with its scan word.
fn cell_moves_in(
    config: &Config,
    mut n: State,
    i: usize,
    (slot, value): (u8, u8),
    next: &mut Vec<Next>,
) {
    match n.m[i].command.mode {
        Mode::Black => n.set_scan(slot, Scan::Scanned),
        // A cell that threads share.
        Mode::Grey if !config.mates => n.shade(i, value),
        Mode::Grey | Mode::Off | Mode::Insertion => return,
    }
    next.push((n, i, "has built, of a cell that it wrote,", slot, value));
}
