//! What a mutator can do next. `Mutation`, the cells and the barriers, one atomic step at a time.

use crate::allocation::{allocate, begin_build, build};
use crate::search::{Next, Wrong};
use crate::spans;
use crate::state::{AtEnd, Command, Config, Mode, Op, Root, Scan, Stage, State, TARGET, Twin, bit};

pub(crate) fn steps(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let m = s.m[i];
    if config.mates && s.m[1 - i].op != Op::None {
        // The thread does one thing at a time.
        return;
    }
    if !m.attached {
        return attach(config, s, i, next);
    }
    if !m.inside {
        return enter(config, s, i, next);
    }
    poll(config, s, i, next);
    if m.op == Op::Build {
        return build(config, s, i, next);
    }
    if m.op != Op::None {
        return store(config, s, i, next);
    }
    if !s.m[1 - i].nested {
        leave(s, i, next);
    }
    shade_enough(config, s, i, next);
    loads(config, s, i, next);
    begin_store(config, s, i, next);
    if m.allocs > 0
        && let Some(span) = s.span
    {
        spans::allocate(config, s, i, span, next);
    } else if m.allocs > 0
        && let Some(slot) = s.free_slot(config)
    {
        allocate(config, s, i, slot, next);
        begin_build(config, s, i, slot, next);
    }
    if m.upgrades > 0 {
        read_weak(s, i, next);
    }
}

/// `Heap::attach`: a mutator made inside another of its thread is where that one is.
fn attach(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let mut n = *s;
    let mate = s.m[1 - i];
    n.m[i].attached = true;
    if mate.inside && !config.is(Twin::AttachedIsAhead) {
        (n.m[i].command, n.m[i].acked) = (mate.command, mate.acked);
    } else {
        (n.m[i].command, n.m[i].acked) = (s.command, !s.command.stop);
    }
    next.push((n, i, "is attached", 0, 0));
}

fn enter(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let mate = s.m[1 - i];
    let nested = config.mates && mate.inside;
    if s.m[i].enters == 0 || (s.command.stop && !nested) {
        return;
    }
    let mut n = *s;
    if s.m[i].op == Op::Enter {
        (n.m[i].op, n.m[i].inside) = (Op::None, true);
        n.m[i].enters -= 1;
        return next.push((n, i, "enters", 0, 0));
    }
    if config.is(Twin::AnswersUnheld) {
        if !s.m[i].acked {
            n.adopt(config, i);
        }
        n.m[i].op = Op::Enter;
        return next.push((n, i, "looks at the command", 0, 0));
    }
    let m = &mut n.m[i];
    (m.inside, m.nested) = (true, nested);
    m.enters -= 1;
    if !m.acked {
        if !(nested && s.command.boundary) {
            n.adopt(config, i);
            // A boundary is one of the thread.
            if config.mates && !nested && mate.attached && !mate.acked {
                n.adopt(config, 1 - i);
            }
        } else if !config.is(Twin::InnerStaysBehind) {
            n.flush(config, i);
            (n.m[i].command, n.m[i].acked) = (mate.command, mate.acked);
        }
    }
    let what = if nested { "enters inside" } else { "enters" };
    next.push((n, i, what, 0, 0));
}

/// The allocation slow path: adopts what needs no boundary; never between a barrier and its store.
fn poll(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let m = s.m[i];
    let in_guard = matches!(m.op, Op::Write | Op::End | Op::Build);
    let boundary = s.command.boundary && !config.is(Twin::PollCountsAsBoundary);
    let in_store = m.op == Op::Shade && config.is(Twin::PollsBeforeShade);
    let may_poll = m.op == Op::None || in_guard || in_store;
    if !m.acked && !boundary && !s.command.stop && may_poll {
        let mut n = *s;
        n.answer(config, i);
        next.push((n, i, "polls", 0, 0));
    }
}

/// A Grey mutator has shaded enough: the cycle arms again, see `src/barrier/window.rs`.
fn shade_enough(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    if config.much && s.m[i].command.mode == Mode::Grey && !s.leaked {
        let mut n = *s;
        n.leaked = true;
        next.push((n, i, "has shaded enough", 0, 0));
    }
}

fn leave(s: &State, i: usize, next: &mut Vec<Next>) {
    let mut n = *s;
    (n.m[i].inside, n.m[i].nested) = (false, false);
    n.m[i].reg = 0;
    next.push((n, i, "leaves", 0, 0));
}

pub(crate) fn loads(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let m = s.m[i];
    for from in [1, 2, m.reg] {
        if is_foreign(config, i, from) {
            continue;
        }
        if from != 0 && s.field(from) != 0 && s.field(from) != m.reg && !is_held(s, from) {
            let mut n = *s;
            n.m[i].reg = s.field(from);
            next.push((n, i, "loads", from, s.field(from)));
        }
    }
    if config.makes && s.root == Root::Free && m.reg != 0 {
        let mut n = *s;
        (n.root, n.root_object) = (Root::Held, m.reg);
        n.root_shaded = m.command.mode != Mode::Off;
        if n.root_shaded && !config.is(Twin::RootNotShaded) {
            n.shade(i, m.reg);
        }
        next.push((n, i, "makes a root", m.reg, 0));
    }
    if s.root == Root::Held && m.reg != s.root_object {
        let mut n = *s;
        n.m[i].reg = s.root_object;
        next.push((n, i, "reads the root", s.root_object, 0));
    }
}

/// Whether mutator `i` has no pointer to `object`, for it is another thread's own.
fn is_foreign(config: &Config, i: usize, object: u8) -> bool {
    config.own && i == 1 && object == 1
}

/// Whether somebody has a guard for writing of this object's cell.
fn is_held(s: &State, object: u8) -> bool {
    s.locked & bit(object) != 0
        || s.m
            .iter()
            .any(|m| m.x == object && matches!(m.op, Op::Begin | Op::Trace | Op::Write | Op::End))
}

/// Whether somebody has one for reading, and stores to the slot in it.
fn is_lent(s: &State, object: u8) -> bool {
    let in_slot = |op| matches!(op, Op::Exchange | Op::Loaded | Op::Shade);
    s.m.iter().any(|m| m.x == object && in_slot(m.op))
}

fn begin_store(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let m = s.m[i];
    if m.stores == 0 {
        return;
    }
    let is_cell = config.cells && !(config.slots_in_cells && i == 1);
    // Where objects change after their first cycle, that of a root's object, too.
    let [one, two] = [1, 2].map(|root| if config.minor == 0 { 0 } else { s.field(root) });
    for x in [1, 2, m.reg, one, two] {
        if is_foreign(config, i, x) {
            continue;
        }
        for v in [0, m.reg] {
            // A cell is claimed whatever is written; a slot may change between a load and a store.
            let pointless = s.field(x.max(1)) == v && !is_cell && !loads_first(config, m.command);
            let is_used = config.cells && (is_held(s, x) || (is_cell && is_lent(s, x)));
            if x == 0 || s.immutable & bit(x) != 0 || pointless || (x == m.reg && x <= 2) || is_used
            {
                continue;
            }
            let mut n = *s;
            let op = if is_cell { Op::Begin } else { Op::Exchange };
            let mine = &mut n.m[i];
            (mine.x, mine.v, mine.op, mine.stores) = (x, v, op, m.stores - 1);
            if !config.is(Twin::StampedAtEnd) {
                n.stamp(config, i, x);
            }
            next.push((n, i, "begins to store", x, v));
            if m.reg == 0 {
                break;
            }
        }
    }
}

/// Whether a store to a slot reads what it overwrites by a load of its own, see `GcSlot::set`.
fn loads_first(config: &Config, command: Command) -> bool {
    // Only before it does a command to be Black ask for a boundary.
    let after_t2 = command.mode == Mode::Black && !command.boundary;
    let always = config.is(Twin::LoadThenStore) && command.mode != Mode::Off;
    after_t2 || always || command.mode == Mode::Insertion
}

pub(crate) fn done(s: &mut State, i: usize) {
    let m = &mut s.m[i];
    (m.op, m.x, m.v, m.old, m.at_end) = (Op::None, 0, 0, 0, AtEnd::Nothing);
}

fn store(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let mut n = *s;
    let m = s.m[i];
    let mode = m.command.mode;
    match m.op {
        Op::Exchange if loads_first(config, m.command) => {
            n.m[i].old = s.field(m.x);
            n.m[i].op = Op::Loaded;
            next.push((n, i, "loads the old", m.x, s.field(m.x)));
        }
        Op::Exchange | Op::Loaded => {
            if m.op == Op::Exchange {
                n.m[i].old = s.field(m.x);
            }
            n.set_field(m.x, m.v);
            n.m[i].op = Op::Shade;
            if mode == Mode::Off {
                done(&mut n, i);
            }
            next.push((n, i, "stores", m.x, m.v));
        }
        Op::Shade if mode == Mode::Grey && s.leaked => {
            done(&mut n, i);
            next.push((n, i, "need not shade", m.old, m.v));
        }
        Op::Shade => {
            if mode != Mode::Insertion && !config.is(Twin::OldNotShaded) {
                n.shade(i, m.old);
            }
            let shades_new = mode == Mode::Insertion || (mode == Mode::Grey && s.claimed);
            if shades_new && !config.is(Twin::NewNotShaded) {
                n.shade(i, m.v);
            }
            done(&mut n, i);
            next.push((n, i, "has shaded", m.old, m.v));
        }
        Op::Begin => begin_access(config, s, i, next),
        Op::Trace => {
            if !config.is(Twin::ClaimNotTraced) {
                n.shade(i, s.field(m.x));
            }
            n.set_scan(m.x, Scan::Scanned);
            n.m[i].op = Op::Write;
            next.push((n, i, "has traced", m.x, s.field(m.x)));
        }
        Op::Write => {
            if s.stage == Stage::At(m.x) {
                n.wrong = Some(Wrong::WrittenAndRead);
            }
            n.set_field(m.x, m.v);
            n.m[i].op = Op::End;
            next.push((n, i, "writes", m.x, m.v));
        }
        Op::End => end_access(config, s, i, next),
        Op::Upgrade => upgrade(config, s, i, next),
        Op::None | Op::Enter | Op::Build => unreachable!("no store"),
    }
}

fn begin_access(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let mut n = *s;
    let (x, mode) = (s.m[i].x, s.m[i].command.mode);
    let claims = mode == Mode::Black || (mode == Mode::Grey && config.is(Twin::GreyClaims));
    let is_confined = config.mates || (config.own && x == 1);
    let none_is_black = s.command == s.m[i].command || config.is(Twin::SharedNeedsNothing);
    n.m[i].op = Op::Write;
    match (mode, s.scan(x)) {
        (Mode::Off, _) => {}
        // See `src/barrier/window.rs`. There are no cells in cells here.
        (Mode::Grey, Scan::Unscanned) if !claims && (is_confined || none_is_black) => {}
        (Mode::Grey, _) if !claims && s.leaked => {}
        (Mode::Grey, _) if !claims => {
            n.shade(i, s.field(x));
            n.m[i].at_end = AtEnd::ShadeGrey;
        }
        (_, Scan::Marker) if config.is(Twin::WriterDoesNotWait) => {}
        (_, Scan::Marker) => return,
        (_, Scan::Mutator) => unreachable!("the cell's lock keeps other mutators out"),
        (Mode::Insertion, Scan::Scanned) => n.m[i].at_end = AtEnd::Shade,
        (Mode::Insertion, Scan::Unscanned) => {
            n.set_scan(x, Scan::Mutator);
            n.m[i].at_end = AtEnd::Release;
        }
        (_, Scan::Scanned) => {}
        (_, Scan::Unscanned) => {
            n.set_scan(x, Scan::Mutator);
            n.m[i].op = Op::Trace;
            n.claimed |= s.m[i].command.boundary && !config.is(Twin::ClaimNotSaid);
        }
    }
    next.push((n, i, "has claimed", x, 0));
}

fn end_access(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let m = s.m[i];
    let mut n = *s;
    match m.at_end {
        AtEnd::Nothing => {}
        AtEnd::ShadeGrey if s.leaked => {}
        AtEnd::ShadeGrey | AtEnd::Shade => {
            if m.command.mode != Mode::Off && !config.is(Twin::EndNotShaded) {
                n.shade(i, s.field(m.x));
            }
        }
        // A command may have begun a new cycle's worth of words: only the own claim is given back.
        AtEnd::Release if s.scan(m.x) == Scan::Mutator => n.set_scan(m.x, Scan::Unscanned),
        AtEnd::Release => {}
    }
    done(&mut n, i);
    if config.is(Twin::StampedAtEnd) {
        n.stamp(config, i, m.x);
    }
    next.push((n, i, "ends its access to", m.x, 0));
    if m.leaks > 0 {
        let mut n = *s;
        n.m[i].leaks -= 1;
        n.locked |= bit(m.x);
        n.m[i].leaked |= matches!(m.at_end, AtEnd::ShadeGrey | AtEnd::Shade);
        done(&mut n, i);
        next.push((n, i, "leaks its guard of", m.x, 0));
    }
}

/// `GcWeak::upgrade`, see `src/weak.rs`: reads the box …
fn read_weak(s: &State, i: usize, next: &mut Vec<Next>) {
    if !s.weak_cleared && s.m[i].reg != TARGET {
        let mut n = *s;
        n.m[i].upgrades -= 1;
        n.m[i].op = Op::Upgrade;
        next.push((n, i, "reads the weak box of", TARGET, 0));
    }
}

/// … and decides whether the target may be used.
fn upgrade(config: &Config, s: &State, i: usize, next: &mut Vec<Next>) {
    let mut n = *s;
    n.m[i].op = Op::None;
    let mode = s.m[i].command.mode;
    let mut lives = true;
    if mode != Mode::Off && !s.is_found(TARGET) && !config.is(Twin::UpgradeNotShaded) {
        if config.is(Twin::UpgradeShadedAtHome) {
            n.shade(i, TARGET);
        } else if matches!(s.stage, Stage::Clear | Stage::Off) {
            // Under the lock of the step to Terminating, the phase says so. Sweeping it says once no barrier is on.
            lives = false;
        } else {
            n.work |= bit(TARGET);
            n.pushed = true;
        }
    }
    if lives {
        n.m[i].reg = TARGET;
        n.garbage &= !bit(TARGET);
        if n.reachable() & !s.live != 0 {
            n.wrong = Some(Wrong::Upgraded);
        }
    }
    next.push((
        n,
        i,
        if lives { "upgrades" } else { "cannot upgrade" },
        TARGET,
        0,
    ));
}

impl State {
    /// The barrier of mutator `i` shades an object.
    pub(crate) fn shade(&mut self, i: usize, object: u8) {
        if object != 0 && !self.is_found(object) {
            self.m[i].buffer |= bit(object);
        }
    }

    /// Mutator `i` hands over its buffer.
    pub(crate) fn flush(&mut self, config: &Config, i: usize) {
        if self.m[i].buffer != 0 && !config.is(Twin::NoFlush) {
            self.work |= self.m[i].buffer;
            self.m[i].buffer = 0;
            self.pushed = true;
            // The worklist has a lock.
            self.hear(i);
        }
    }

    /// Mutator `i` adopts the command in force; at a boundary, open guards have leaked.
    pub(crate) fn adopt(&mut self, config: &Config, i: usize) {
        self.note_leak(i);
        self.answer(config, i);
    }

    /// The same, at a poll.
    pub(crate) fn answer(&mut self, config: &Config, i: usize) {
        self.flush(config, i);
        if !config.is(Twin::AnswerNotReleased) {
            self.hear(i);
        }
        self.turn_cache(config, i);
        self.m[i].command = self.command;
        self.m[i].acked = true;
    }

    /// Guards that must shade and never will: Hybrid arms again, Insertion frees nothing.
    pub(crate) fn note_leak(&mut self, i: usize) {
        if core::mem::take(&mut self.m[i].leaked) {
            if self.m[i].command.mode == Mode::Grey {
                self.leaked = true;
            } else {
                self.abandoned = true;
            }
        }
    }
}
