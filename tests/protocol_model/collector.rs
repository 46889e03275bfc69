//! What the collector can do next: the driver of `src/cycle/driver.rs`, stage by stage, with one marker.

use crate::search::{Next, Wrong};
use crate::spans;
use crate::state::{
    Barrier, Colour, Command, Config, Mode, Op, Root, Scan, Stage, State, TARGET, Twin, bit,
};

/// The collector, in a counterexample.
pub(crate) const GC: usize = 2;

pub(crate) fn steps(config: &Config, s: &State, next: &mut Vec<Next>) {
    match s.stage {
        Stage::Idle => begin(config, s, next),
        Stage::Arm => handshake(config, s, next, armed),
        Stage::ArmBlack => handshake(config, s, next, armed_black),
        Stage::ArmStop => stop(s, next, |n| {
            if core::mem::take(&mut n.leaked) {
                // Claims have a new number from here on, which nobody has who has not been stopped.
                n.scan = Default::default();
                // And what has been allocated early is white.
                n.early = 0;
            }
            take_noted(config, n);
            ask(n, Mode::Black, Colour::Black, false);
            (0..2).for_each(|i| n.adopt(config, i));
            start(config, n);
        }),
        Stage::Roots(index) => read_root(s, index, next),
        Stage::Mark => mark(config, s, next),
        Stage::At(object) => scan(config, s, object, next),
        Stage::Round => round(config, s, next),
        Stage::FinalStop => stop(s, next, |n| final_stop(config, n)),
        Stage::Clear => clear(config, s, next),
        Stage::Off => handshake(config, s, next, start_sweep),
        Stage::Sweep(stage) if let Some(span) = s.span => {
            spans::sweep(config, s, stage, span, next)
        }
        Stage::Sweep(object) => sweep(config, s, object, next),
        Stage::Free(slots) => spans::free(s, slots, next),
    }
    if s.root == Root::Held && config.drops {
        let mut n = *s;
        let shaded = s.root_shaded || config.is(Twin::RootsTakenForShaded);
        n.root = if s.armed && !shaded {
            Root::Zombie
        } else {
            Root::Free
        };
        n.root_shaded = false;
        next.push((n, GC + 1, "drops the root", s.root_object, 0));
    }
}

fn push(n: State, what: &'static str, object: u8, next: &mut Vec<Next>) {
    next.push((n, GC, what, object, 0));
}

/// Publishes a command.
fn ask(n: &mut State, mode: Mode, colour: Colour, boundary: bool) {
    n.command = Command {
        mode,
        colour,
        boundary,
        stop: false,
        cycle: n.cycles,
    };
    n.m.iter_mut().for_each(|m| m.acked = false);
}

fn ask_stop(n: &mut State, stage: Stage) {
    n.command = Command {
        boundary: true,
        stop: true,
        ..n.command
    };
    n.m.iter_mut().for_each(|m| m.acked = false);
    n.stage = stage;
}

/// Goes on when every mutator has answered; answers for those who are outside.
fn handshake(config: &Config, s: &State, next: &mut Vec<Next>, done: fn(&Config, &mut State)) {
    if s.m.iter().all(|m| m.acked || !m.attached) || config.is(Twin::NobodyIsAsked) {
        let mut n = *s;
        done(config, &mut n);
        return push(n, "has all answers", 0, next);
    }
    for i in 0..2 {
        let mate_is_inside = config.mates && s.command.boundary && s.m[1 - i].inside;
        if s.m[i].attached && !s.m[i].acked && !s.m[i].inside && !mate_is_inside {
            let mut n = *s;
            // Of one that is on its way in (in a twin) it does not hold the gate: what it does there is lost.
            if s.m[i].op == Op::Enter {
                n.m[i].acked = true;
            } else {
                // By its gate.
                n.hear(i);
                n.adopt(config, i);
            }
            if config.mates && s.command.boundary && !s.m[1 - i].acked {
                n.adopt(config, 1 - i);
            }
            push(n, "answers for mutator", i as u8 + 1, next);
        }
    }
}

/// Goes on when all mutators are outside at once.
fn stop(s: &State, next: &mut Vec<Next>, then: impl FnOnce(&mut State)) {
    if s.m.iter().all(|m| !m.inside) {
        let mut n = *s;
        // By their gates.
        (0..2).for_each(|i| n.hear(i));
        then(&mut n);
        push(n, "has stopped everybody", 0, next);
    }
}

fn begin(config: &Config, s: &State, next: &mut Vec<Next>) {
    if s.cycles == config.cycles {
        return;
    }
    let mut n = *s;
    n.cycles += 1;
    n.armed = !config.is(Twin::RootsNotArmed);
    if !config.is(Twin::FreshKept) {
        (n.fresh, n.early) = (0, 0);
    }
    n.claimed = false;
    n.root_shaded &= config.is(Twin::ShadedKept);
    n.garbage = s.live & !s.reachable();
    n.minor =
        config.minor & bit(n.cycles) != 0 && (s.whole || config.is(Twin::MinorAfterAbandoned));
    if !n.minor {
        n.marks = 0;
    }
    n.safe = 0;
    // What is too old matters no more.
    let cycles = n.cycles;
    (n.stamps.iter_mut().filter(|stamp| cycles + 1 > **stamp + 1)).for_each(|stamp| *stamp = 0);
    n.scan = Default::default();
    (n.leaked, n.abandoned, n.retried, n.pushed) = (false, false, false, false);
    match config.barrier {
        Barrier::Deletion if config.is(Twin::DeletionWithoutStop) => {
            ask(&mut n, Mode::Black, Colour::Black, true);
            n.stage = Stage::Arm;
        }
        Barrier::Hybrid if config.is(Twin::OneHandshake) => {
            ask(&mut n, Mode::Black, Colour::Black, true);
            n.stage = Stage::Arm;
        }
        Barrier::Hybrid => {
            ask(&mut n, Mode::Grey, Colour::White, true);
            n.stage = Stage::Arm;
        }
        Barrier::Insertion => {
            ask(&mut n, Mode::Insertion, Colour::White, true);
            n.stage = Stage::Arm;
        }
        Barrier::Deletion => ask_stop(&mut n, Stage::ArmStop),
    }
    let what = if n.minor {
        "begins a minor cycle"
    } else {
        "begins a cycle"
    };
    push(n, what, 0, next);
}

fn armed(config: &Config, n: &mut State) {
    let at_once = config.is(Twin::OneHandshake) || config.is(Twin::DeletionWithoutStop);
    if config.barrier == Barrier::Insertion || at_once {
        take_noted(config, n);
        start(config, n);
        return;
    }
    let colour = match config.is(Twin::WhiteBeforeT2) {
        true => Colour::White,
        false => Colour::Early,
    };
    ask(n, Mode::Black, colour, true);
    n.stage = Stage::ArmBlack;
    if config.is(Twin::MarksAtT1) {
        start(config, n);
    }
}

fn armed_black(config: &Config, n: &mut State) {
    if n.leaked && !config.is(Twin::LeakIgnored) {
        return ask_stop(n, Stage::ArmStop);
    }
    take_noted(config, n);
    // Not waited for.
    ask(n, Mode::Black, Colour::Black, false);
    start(config, n);
}

fn start(config: &Config, n: &mut State) {
    n.stage = first_root(config, n);
}

/// The first stage of marking.
fn first_root(config: &Config, n: &mut State) -> Stage {
    if !config.coarse {
        return Stage::Roots(1);
    }
    n.work |= bit(1) | bit(2) | bit(n.root_object);
    Stage::Mark
}

fn take_noted(config: &Config, n: &mut State) {
    if n.minor && !config.is(Twin::NotedForgotten) {
        let written = (1..=config.objects).filter(|&object| n.is_written(config, object));
        n.again = n.noted & written.map(bit).sum::<u8>();
    }
    n.noted = 0;
}

/// Roots 1 and 2 are for good, the third is held, a zombie, or free.
fn read_root(s: &State, index: u8, next: &mut Vec<Next>) {
    let mut n = *s;
    n.stage = if index < 3 {
        Stage::Roots(index + 1)
    } else {
        Stage::Mark
    };
    let object = match index {
        3 if s.root == Root::Free => 0,
        3 => s.root_object,
        _ => index,
    };
    n.work |= bit(object);
    push(n, "reads root", object, next);
}

fn mark(config: &Config, s: &State, next: &mut Vec<Next>) {
    if s.abandoned && config.minor != 0 {
        let mut n = *s;
        (n.work, n.deferred, n.again) = (0, 0, 0);
        over(&mut n);
        return push(n, "gives the marking up", 0, next);
    }
    let mut s = *s;
    if config.coarse {
        s.work &= !s.marks;
    }
    mark_some(config, &s, next);
}

fn mark_some(config: &Config, s: &State, next: &mut Vec<Next>) {
    if s.again != 0 {
        let mut n = *s;
        let object = s.again.trailing_zeros() as u8 + 1;
        n.again = s.again & !bit(object);
        reach(config, &mut n, object);
        push(n, "comes to the noted", object, next);
    }
    for object in (1..=config.objects).filter(|&o| s.work & bit(o) != 0) {
        let mut n = *s;
        n.work &= !bit(object);
        let mut what = "has marked before";
        let passed = s.fresh & bit(object) != 0 && config.is(Twin::FreshPassedOver);
        if !s.is_marked(object) && !passed {
            n.marks |= bit(object);
            what = "marks";
            let immutable = s.immutable & bit(object) != 0;
            let fresh = s.fresh & bit(object) != 0;
            let early = s.early & bit(object) != 0 && !immutable;
            if early && config.goes_by_cards() {
                n.stamps[object as usize - 1] = s.cycles + 1;
            }
            if !fresh || (immutable && !config.is(Twin::FreshNotScanned)) {
                reach(config, &mut n, object);
            } else if config.goes_by_cards() && !config.is(Twin::FreshNotStamped) {
                n.stamps[object as usize - 1] = s.cycles + 1;
            }
        }
        push(n, what, object, next);
    }
    if s.work != 0 || s.again != 0 {
        return;
    }
    let mut n = *s;
    if s.deferred != 0 && !s.retried {
        n.retried = true;
        n.deferred = 0;
        let object = s.deferred.trailing_zeros() as u8 + 1;
        n.deferred = s.deferred & !bit(object);
        reach(config, &mut n, object);
        return push(n, "looks again at", object, next);
    }
    n.retried = false;
    if config.is(Twin::NoRound) {
        over(&mut n);
    } else {
        // Whoever has not been black yet must first pass a boundary (only in twins is that not so already).
        let (mode, colour) = (s.command.mode, s.command.colour);
        ask(&mut n, mode, colour, false);
        n.pushed = false;
        n.stage = Stage::Round;
    }
    push(n, "finds no work", 0, next);
}

/// The marker has come to a marked object.
fn reach(config: &Config, n: &mut State, object: u8) {
    match n.scan(object) {
        _ if !config.cells => n.stage = Stage::At(object),
        Scan::Unscanned => {
            n.set_scan(object, Scan::Marker);
            n.stage = Stage::At(object);
        }
        Scan::Mutator if config.is(Twin::BusyScanned) => n.stage = Stage::At(object),
        Scan::Mutator if config.barrier == Barrier::Insertion => {
            if !config.is(Twin::BusyNotSetAside) {
                n.deferred |= bit(object);
            }
        }
        Scan::Scanned | Scan::Mutator => {}
        Scan::Marker => unreachable!("there is one marker"),
    }
}

fn scan(config: &Config, s: &State, object: u8, next: &mut Vec<Next>) {
    if config.panics && s.cycles == 1 && !s.abandoned {
        let mut n = *s;
        (n.abandoned, n.stage) = (true, Stage::Mark);
        push(n, "panics at", object, next);
    }
    let mut n = *s;
    if !s.is_made(object) {
        n.wrong = Some(Wrong::NotMade);
    }
    if s.scan(object) == Scan::Marker {
        n.set_scan(object, Scan::Scanned);
    }
    n.stage = Stage::Mark;
    if let Some(older) = s.older(object) {
        let mut late = n;
        late.work |= bit(older);
        push(late, "scans what was there before in", object, next);
        n.hear(0);
    }
    n.work |= bit(s.field(object));
    push(n, "scans", object, next);
}

fn round(config: &Config, s: &State, next: &mut Vec<Next>) {
    let mut n = *s;
    let clean = s.work == 0 && !s.pushed;
    let unseen = config.is(Twin::UpgradeNotSeen) && s.m.iter().all(|m| m.acked);
    if !clean && !unseen {
        n.stage = Stage::Mark;
        return push(n, "has found work in the round", 0, next);
    }
    handshake(config, s, next, |config, n| {
        if config.barrier == Barrier::Insertion && !config.is(Twin::InsertionWithoutStop) {
            return ask_stop(n, Stage::FinalStop);
        }
        over(n);
    });
}

fn final_stop(config: &Config, n: &mut State) {
    for i in 0..2 {
        n.flush(config, i);
        n.note_leak(i);
    }
    // Nobody writes: a busy cell was left behind by a leaked guard.
    let deferred = n.deferred;
    for object in (1..=config.objects).filter(|&o| deferred & bit(o) != 0) {
        n.work |= bit(n.field(object));
        n.set_scan(object, Scan::Scanned);
    }
    n.deferred = 0;
    let dry = n.work & !n.marks == 0;
    ask(
        n,
        Mode::Insertion,
        if dry { Colour::Black } else { Colour::White },
        true,
    );
    (0..2).for_each(|i| n.adopt(config, i));
    if dry { over(n) } else { n.stage = Stage::Mark }
}

/// What is not marked is dead from here on.
fn over(n: &mut State) {
    n.stage = Stage::Clear;
    if !n.abandoned && n.reachable() & n.live & !n.surviving() != 0 {
        n.wrong = Some(Wrong::NotMarked);
    }
}

fn clear(config: &Config, s: &State, next: &mut Vec<Next>) {
    let mut n = *s;
    n.armed = false;
    if s.root == Root::Zombie {
        n.root = Root::Free;
    }
    n.weak_cleared |= !s.abandoned && s.surviving() & bit(TARGET) == 0;
    ask(&mut n, Mode::Off, Colour::White, false);
    n.stage = Stage::Off;
    if config.is(Twin::SweepBeforeOff) || config.is(Twin::CachedSwept) {
        start_sweep(config, &mut n);
    }
    push(n, "clears weak references", 0, next);
}

fn start_sweep(config: &Config, n: &mut State) {
    n.stage = Stage::Sweep(1);
    n.list_unswept(config);
}

fn sweep(config: &Config, s: &State, object: u8, next: &mut Vec<Next>) {
    let mut n = *s;
    if object == 1 {
        n.work = 0;
    }
    if object > config.objects {
        return end(n, next);
    }
    let last = if config.coarse {
        config.objects
    } else {
        object
    };
    n.stage = Stage::Sweep(last + 1);
    for object in object..=last {
        if s.live & bit(object) & !s.safe != 0 {
            sweep_object(config, &mut n, object);
        }
    }
    push(n, "sweeps", object, next);
}

/// Everything has been swept.
pub(crate) fn end(mut n: State, next: &mut Vec<Next>) {
    if n.garbage & n.live != 0 && !n.abandoned && !n.minor {
        n.wrong = Some(Wrong::Garbage);
    }
    (n.stage, n.whole) = (Stage::Idle, !n.abandoned);
    push(n, "ends the cycle", 0, next);
}

pub(crate) fn sweep_object(config: &Config, n: &mut State, object: u8) {
    if n.is_marked(object) {
        if n.immutable & bit(object) == 0 && !config.is(Twin::OldNotNoted) {
            n.note(config, object);
        }
        return;
    }
    if n.abandoned || n.surviving() & bit(object) != 0 {
        return;
    }
    if n.reachable() & bit(object) != 0 {
        n.wrong = Some(Wrong::Freed);
    } else if config.minor != 0 && n.is_kept_by_others(object) {
        n.wrong = Some(Wrong::PointedAt);
    }
    n.live &= !bit(object);
    // The slot may have another object soon.
    n.garbage &= !bit(object);
    n.immutable &= !bit(object);
    n.unmade &= !bit(object);
    n.set_field(object, 0);
}
