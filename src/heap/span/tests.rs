//! A span against a plain model of its slots: runs, marks and counts.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::*;
use crate::heap::Space;
use crate::heap::class::{Class, ClassKey};
use crate::heap::type_info::{OVER_ALIGNED, PLAIN};

const BLACK: Epoch = 7;
const OLD: Epoch = 3;

/// A pseudo-random sequence (xorshift; Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn new_span(space: &Space, class: &Class) -> Span {
    let mut spans = Vec::new();
    space.new_spans(class, 0, 1, &mut spans).unwrap();
    spans.pop().unwrap()
}

/// Runs `f` with an empty span of each of some slot sizes and some random numbers.
fn with_spans(mut f: impl FnMut(Span, &mut Random)) {
    for slot_size in [16, 32, 48, 64, 128, 1024, 8192] {
        for seed in 1..20 {
            let space = Space::new(usize::MAX, usize::MAX, false);
            let class = space.class(ClassKey {
                info: &PLAIN,
                slot_size,
                owner: 0,
            });
            let span = new_span(&space, &class);
            assert_eq!(span.free(), span.slots());
            f(span, &mut Random(seed));
        }
    }
}

/// As a sweep leaves it: some slots are taken, all have old marks. Which are free.
fn swept(span: Span, random: &mut Random) -> Vec<bool> {
    for word in 0..span.words() {
        // Long runs, short ones, none.
        let taken = match random.next() % 4 {
            0 => 0,
            1 => u64::MAX,
            2 => random.next(),
            _ => random.next() & random.next() & random.next(),
        };
        span.set_taken_bits(word, taken);
    }
    let free: Vec<bool> = (0..span.slots())
        .map(|slot| span.taken_bits(slot / 64) >> (slot % 64) & 1 == 0)
        .collect();
    (0..span.slots()).for_each(|slot| span.mark(slot).store(OLD, Ordering::Relaxed));
    span.set_swept(free.iter().filter(|free| **free).count(), false, false);
    free
}

fn marks(span: Span) -> Vec<Epoch> {
    (0..span.slots())
        .map(|slot| span.mark(slot).load(Ordering::Relaxed))
        .collect()
}

/// The slots of a run.
fn slots(span: Span, (from, to): (usize, usize)) -> core::ops::Range<usize> {
    let index = |address| (address - span.base()) / span.slot_size();
    assert_eq!((span.slot(index(from)), span.slot(index(to))), (from, to));
    index(from)..index(to)
}

/// Takes all runs of a span that has been swept, every second one black.
fn take_all(span: Span, mut free: Vec<bool>) {
    let mut expected = vec![OLD; span.slots()];
    let mut black = false;
    while let Some(run) = span.take_run(black.then_some(BLACK), usize::MAX) {
        let run = slots(span, run);
        assert!(!run.is_empty() && free[run.clone()].iter().all(|free| *free));
        assert!(run.start == 0 || !free[run.start - 1], "it begins early");
        assert!(free.get(run.end) != Some(&true), "it goes on");
        free[run.clone()].fill(false);
        if black {
            expected[run].fill(BLACK);
        }
        assert_eq!(span.free(), free.iter().filter(|free| **free).count());
        assert_eq!(marks(span), expected);
        black = !black;
    }
    assert!(!free.contains(&true));
    for (slot, free) in free.iter().enumerate() {
        assert_eq!(span.taken_bits(slot / 64) >> (slot % 64) & 1 == 0, *free);
    }
}

#[test]
fn runs_have_no_more_slots_than_asked_for() {
    with_spans(|span, random| {
        let mut free = swept(span, random);
        let most = 1 + random.next() as usize % 100;
        while let Some(run) = span.take_run(None, most) {
            let run = slots(span, run);
            assert!(!run.is_empty() && run.len() <= most);
            assert!(free[run.clone()].iter().all(|free| *free));
            assert!(run.len() == most || free.get(run.end) != Some(&true));
            free[run].fill(false);
            assert_eq!(span.free(), free.iter().filter(|free| **free).count());
        }
        assert!(!free.contains(&true));
    });
}

#[test]
fn runs_are_what_is_free_and_nothing_else() {
    with_spans(|span, random| {
        for _ in 0..3 {
            let free = swept(span, random);
            take_all(span, free);
        }
    });
}

#[test]
fn the_rest_of_a_run_that_is_given_back_is_free_and_unmarked() {
    with_spans(|span, random| {
        swept(span, random);
        let Some(bounds) = span.take_run(Some(BLACK), usize::MAX) else {
            return;
        };
        let (run, free, before) = (slots(span, bounds), span.free(), marks(span));
        let kept = random.next() as usize % (run.len() + 1);
        let rest = run.start + kept..run.end;
        span.give_back_run(span.slot(rest.start), span.slot(rest.end));
        assert_eq!(span.free(), free + rest.len());
        for (slot, mark) in marks(span).into_iter().enumerate() {
            let expected = if rest.contains(&slot) {
                0
            } else {
                before[slot]
            };
            assert_eq!(mark, expected);
        }
        if !rest.is_empty() {
            let again = span.take_run(None, usize::MAX).expect("it is free");
            assert_eq!(slots(span, again), rest);
        }
        assert_eq!(span.free(), free);
    });
}

#[test]
fn marked_bits_are_the_marks_of_slots() {
    with_spans(|span, random| {
        for slot in 0..span.slots() {
            let mark = [0, OLD, BLACK, ZOMBIE][random.next() as usize % 4];
            span.mark(slot).store(mark, Ordering::Relaxed);
        }
        for mark in [OLD, BLACK, ZOMBIE] {
            for (slot, found) in marks(span).into_iter().enumerate() {
                let bit = span.marked_bits(slot / 64, mark) >> (slot % 64) & 1;
                assert_eq!(bit == 1, found == mark, "slot {slot}");
            }
        }
    });
}

#[test]
fn epochs_are_1_to_the_last_and_no_other_marks() {
    let mut epoch = 1;
    for expected in (1..=LAST_EPOCH).chain(1..=3) {
        assert_eq!(epoch, expected);
        epoch = next_epoch(epoch);
    }
    const {
        assert!(
            FRESH[0] > LAST_EPOCH
                && FRESH[1] > FRESH[0]
                && NEVER_MADE > FRESH[1]
                && ZOMBIE > NEVER_MADE
        )
    };
}

/// Some types have drop glue, and there other marks stay, too.
#[test]
fn of_all_marks_those_of_one_epoch_are_kept() {
    static DROPPED: TypeInfo = TypeInfo {
        drop: Some(|_, _| ()),
        ..PLAIN
    };
    let space = Space::new(usize::MAX, usize::MAX, false);
    for (info, slot_size) in [(&PLAIN, 16), (&DROPPED, 16), (&PLAIN, 48), (&DROPPED, 1024)] {
        let key = ClassKey {
            info,
            slot_size,
            owner: 0,
        };
        let span = new_span(&space, &space.class(key));
        let all = [7, 8, 0, fresh_of(0), fresh_of(1), NEVER_MADE, ZOMBIE];
        let mark_of = |slot: usize| all[slot % all.len()];
        for slot in 0..span.slots() {
            span.mark(slot).store(mark_of(slot), Ordering::Relaxed);
        }
        span.keep_marks(7);
        for (slot, mark) in marks(span).into_iter().enumerate() {
            let stays = |m| m == 7 || (info.drop.is_some() && m >= NEVER_MADE);
            let before = mark_of(slot);
            let expected = if stays(before) { before } else { 0 };
            assert_eq!(mark, expected, "slot {slot}, {before}");
        }
    }
}

/// A mutator says of an object of a type with drop glue that it was never made while a sweeper looks at its mark.
#[test]
fn what_is_said_of_an_object_beside_a_sweep_stays_said() {
    static DROPPED: TypeInfo = TypeInfo {
        drop: Some(|_, _| ()),
        ..PLAIN
    };
    let space = Space::new(usize::MAX, 1, false);
    let key = ClassKey {
        info: &DROPPED,
        slot_size: 16,
        owner: 0,
    };
    let span = new_span(&space, &space.class(key));
    let swept = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(300) {
                (0..100).for_each(|_| span.keep_marks(7));
            }
            swept.store(true, Ordering::Relaxed);
        });
        // Time for a look of the sweeper, and for its store.
        let wait = |turns| (0..turns).for_each(|turn| _ = core::hint::black_box(turn));
        for turns in (0..60).cycle() {
            span.mark(0).store(fresh_of(0), Ordering::Relaxed);
            wait(turns);
            span.mark(0).store(NEVER_MADE, Ordering::Relaxed);
            wait(200);
            assert_eq!(marks(span), [NEVER_MADE]);
            if swept.load(Ordering::Relaxed) {
                break;
            }
        }
    });
}

#[test]
fn a_span_says_that_it_was_blackened_until_it_is_swept() {
    with_spans(|span, random| {
        swept(span, random);
        assert!(!span.is_fresh());
        if let Some((from, to)) = span.take_run(None, usize::MAX) {
            assert!(!span.is_fresh());
            span.blacken(from, to, fresh_of(1));
            assert!(span.is_fresh());
        }
        span.set_fresh(false);
        let black = span.take_run(Some(fresh_of(0)), usize::MAX);
        assert_eq!(span.is_fresh(), black.is_some());
    });
}

/// Pages that were spans of their own, of another type, before they were one.
#[test]
fn a_page_knows_the_type_of_its_span() {
    let space = Space::new(usize::MAX, usize::MAX, false);
    let spans = |info, slot_size: usize| {
        let key = ClassKey {
            info,
            slot_size,
            owner: 0,
        };
        new_span(&space, &space.class(key))
    };
    let short: Vec<Span> = (0..8).map(|_| spans(&PLAIN, 16)).collect();
    space.free_spans(&short);
    let long = spans(&OVER_ALIGNED, 8192);
    assert!(long.pages() > 1);
    for page in 0..long.pages() {
        // SAFETY: where a page of a small span begins, a slot does: its size divides a page's. The span is not freed (I12).
        let info = unsafe { info_at(long.base() + page * PAGE) };
        assert!(core::ptr::eq(info, &raw const OVER_ALIGNED));
    }
}
