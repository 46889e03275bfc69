//! What the behaviour tests share: heaps of every kind, counted destructors, and cycles brought into the middle of
//! their marking.

#![allow(dead_code, unreachable_pub)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tricolor_gc::{
    Barrier, CycleStats, Gc, GcSlot, Heap, Mutation, Mutator, Root, Rootable, StepStatus, Trace,
};

/// All barriers.
pub const BARRIERS: [Barrier; 4] = [
    Barrier::Insertion,
    Barrier::Deletion,
    Barrier::Hybrid,
    Barrier::StopTheWorld,
];

/// The barriers under which mutators run while markers mark.
pub const CONCURRENT: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

/// A heap with a barrier and a number of marker threads.
pub fn heap(barrier: Barrier, markers: usize) -> Heap {
    Heap::builder()
        .barrier(barrier)
        .marker_threads(markers)
        .build()
        .unwrap()
}

/// A heap with a hard limit.
pub fn full_heap(barrier: Barrier, markers: usize, max: usize) -> Heap {
    Heap::builder()
        .barrier(barrier)
        .marker_threads(markers)
        .max_heap(max)
        .build()
        .unwrap()
}

/// A heap per barrier, with 0, 1 and 2 marker threads.
pub fn heaps() -> impl Iterator<Item = Heap> {
    BARRIERS
        .into_iter()
        .flat_map(|barrier| [0, 1, 2].map(|markers| heap(barrier, markers)))
}

/// A heap without marker threads that starts no cycle by itself: nothing happens but what the test asks for.
pub fn quiet_heap(barrier: Barrier) -> Heap {
    Heap::builder()
        .barrier(barrier)
        .minor_cycles(false)
        .marker_threads(0)
        .min_heap(1 << 32)
        .build()
        .unwrap()
}

/// A number that destructors add to.
#[derive(Clone, Debug, Default)]
pub struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub fn new() -> Self {
        Self::default()
    }

    /// Destructors that have run.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A value whose destructor counts.
    pub fn token(&self) -> Token {
        Token {
            drops: self.clone(),
        }
    }
}

/// Counts its own destruction. `Send`.
#[derive(Debug, Trace)]
#[trace(skip)]
pub struct Token {
    drops: Drops,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A link of a long list that keeps marking busy; the last link carries `tail`.
#[derive(Trace)]
pub struct Link<'gc, T> {
    pub next: GcSlot<Option<Gc<'gc, Link<'gc, T>>>>,
    pub tail: Option<T>,
}

/// Links before the tail: more bytes than a step at a boundary marks several times over.
const LENGTH: usize = 60_000;

/// A list whose last link carries `tail`; markers come to the tail last.
pub fn long_list<'gc, T: Trace<'gc>>(mc: &Mutation<'gc>, tail: T) -> Gc<'gc, Link<'gc, T>> {
    let mut head = Gc::new(
        mc,
        Link {
            next: GcSlot::new(None),
            tail: Some(tail),
        },
    );
    for _ in 0..LENGTH {
        head = Gc::new(
            mc,
            Link {
                next: GcSlot::new(Some(head)),
                tail: None,
            },
        );
    }
    head
}

/// What the last link of a list carries.
pub fn tail_of<'gc, T>(head: Gc<'gc, Link<'gc, T>>) -> &'gc T {
    let mut link = head;
    while let Some(next) = link.next.get() {
        link = next;
    }
    Gc::as_ref(link)
        .tail
        .as_ref()
        .expect("the last link carries the tail")
}

/// Starts a cycle on a [`quiet_heap`], after a full one. With a [`long_list`] in the heap it is marking afterwards, and
/// has not come to the list's tail. (`StopTheWorld`: it has marked everything.)
pub fn begin_cycle(mutator: &mut Mutator) {
    // The pacer takes longer steps for what has been allocated since the last cycle: now nothing.
    mutator.collect();
    const ENOUGH: isize = 1 << 40;
    mutator.enter(|mc| {
        mc.account(ENOUGH);
        mc.account(-ENOUGH);
    });
    assert_eq!(
        mutator.step(1),
        StepStatus::InProgress,
        "a cycle is on its way"
    );
}

/// Steps until the cycle that is on its way is over; what it did.
pub fn finish_cycle(mutator: &mut Mutator) -> CycleStats {
    for _ in 0..1_000_000 {
        match mutator.step(1 << 20) {
            StepStatus::Completed => return mutator.heap().last_cycle().unwrap(),
            StepStatus::Idle => panic!("no cycle was on its way"),
            _ => {}
        }
    }
    panic!("the cycle does not end");
}

/// The message that a call panics with.
pub fn panic_message<R>(f: impl FnOnce() -> R) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(f)) else {
        panic!("it was to panic")
    };
    message_of(&*panic)
}

/// The message of a caught panic.
pub fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => String::from("(not a string)"),
    }
}

/// Longer than anything that a test waits for takes on a busy machine; only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds; fails when [`PATIENCE`] is over.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "still waiting until {what}");
        std::thread::yield_now();
    }
}

/// A pseudo-random sequence (xorshift; Marsaglia 2003): the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// The root type of a lone object with a [`Token`].
pub type TokenRoot = Root<Rootable![Token]>;
