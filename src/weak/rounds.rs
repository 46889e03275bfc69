//! Upgrades that keep a cycle from its end.
//!
//! An object that only weak references know, and that has pointers, goes to the worklist when it is upgraded while a cycle marks. So the
//! round that was to end the marking fails (`Core::round_stage`), and with a large table of such objects, looked through by several
//! threads, one round after the other would: the cycle ends when the whole table has been brought back.
//!
//! So when some rounds in succession have failed and objects were revived in each, an upgrade of an unmarked object waits a while
//! for the end of marking, after which the object is dead. It answers handshakes meanwhile, as an allocation does, so it does not keep
//! others from the round that it waits for; afterwards it begins anew, for the barrier may be off. Who has waited long enough revives
//! the object and calls the waiting off. It is a brake: whether one waits, and for how long, nothing is lost. Without marker threads
//! nobody waits: the cycle might be the waiting thread's to drive.

use std::time::Duration;

use super::WeakBox;
use crate::mutator::Mutation;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Backoff, now};

/// Rounds that fail one after the other before upgrades wait.
const FAILED: u32 = 4;
/// How long an upgrade waits at most.
const PATIENCE: Duration = Duration::from_millis(10);

/// What the rounds of a cycle come to. All Relaxed: hints.
pub(crate) struct Rounds {
    /// Objects that upgrades have handed to the markers.
    revived: AtomicU64,
    /// `revived` when the last round failed.
    before: AtomicU64,
    /// Rounds that have failed in succession, with revived objects in each.
    failed: AtomicU32,
    /// Upgrades of unmarked objects wait.
    brake: AtomicBool,
}

impl Default for Rounds {
    fn default() -> Self {
        Rounds {
            revived: AtomicU64::new(0),
            before: AtomicU64::new(0),
            failed: AtomicU32::new(0),
            brake: AtomicBool::new(false),
        }
    }
}

impl Rounds {
    /// An upgrade has handed an object to the markers.
    pub(super) fn revived(&self) {
        self.revived.fetch_add(1, Ordering::Relaxed);
    }

    /// A round has failed; with `markers` background threads to go on.
    pub(crate) fn failed(&self, markers: usize) {
        let revived = self.revived.load(Ordering::Relaxed);
        let by_upgrades = self.before.swap(revived, Ordering::Relaxed) != revived;
        let failed = if by_upgrades {
            self.failed.load(Ordering::Relaxed) + 1
        } else {
            0
        };
        self.failed.store(failed, Ordering::Relaxed);
        if failed >= FAILED && markers > 0 {
            self.brake();
        }
    }

    /// Upgrades of unmarked objects are to wait.
    pub(crate) fn brake(&self) {
        self.brake.store(true, Ordering::Relaxed);
    }

    /// Whether they are.
    #[inline]
    pub(crate) fn is_braking(&self) -> bool {
        self.brake.load(Ordering::Relaxed)
    }

    /// Nobody waits any more: marking is over, or somebody has waited long enough.
    pub(crate) fn release(&self) {
        self.failed.store(0, Ordering::Relaxed);
        self.brake.store(false, Ordering::Relaxed);
    }
}

impl Mutation<'_> {
    /// Waits for the end of marking, for a while, with a pointer to `target`. The address there now; the barrier may be off.
    pub(super) fn wait_for_marking(&self, target: &WeakBox) -> usize {
        let (state, core) = (self.state(), self.state().core());
        let until = now() + PATIENCE;
        let mut backoff = Backoff::default();
        loop {
            // Acquire: pairs with the Release in `GcWeak::set`: this is the address that the upgrade goes by.
            let address = target.address.load(Ordering::Acquire);
            // Polls may have adopted that the barrier is off: then the marks say nothing more.
            let known = address == 0 || !state.barrier_on() || self.is_found(address);
            if known || !core.weak.rounds.is_braking() {
                return address;
            }
            if now() >= until {
                core.weak.rounds.release();
                return address;
            }
            state.poll();
            backoff.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cycle::core::Phase;
    use crate::{Gc, GcWeak, Heap, Root, Rootable};

    type Links<'gc> = [Gc<'gc, [u64; 2]>; 1];
    type Weak = Root<Rootable![GcWeak<'_, Links<'_>>]>;

    #[test]
    fn upgrades_wait_when_rounds_fail_for_them_again_and_again() {
        let rounds = Rounds::default();
        let fails = |revives: bool, markers| {
            if revives {
                rounds.revived();
            }
            rounds.failed(markers);
            rounds.is_braking()
        };
        assert!((0..2 * FAILED).all(|_| !fails(false, 1)));
        assert!((1..FAILED).all(|_| !fails(true, 1)));
        assert!(!fails(false, 1), "this one failed for something else");
        assert!((1..FAILED).all(|_| !fails(true, 1)));
        assert!(fails(true, 1));
        rounds.release();
        assert!((0..2 * FAILED).all(|_| !fails(true, 0)), "who would mark?");
    }

    /// A heap whose cycle marks, and a weak reference to an object that nothing else knows.
    fn marking(test: impl FnOnce(&Heap, &mut crate::Mutator, &Weak)) {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let mut mutator = heap.attach();
        let weak: Weak = mutator.enter(|mc| {
            let object = Gc::new(mc, [Gc::new(mc, [1, 2])]);
            Root::new(mc, Gc::new(mc, Gc::downgrade(object, mc)))
        });
        let core = heap.core();
        let _ = core.request_new_cycle();
        let mut driver = core.driver.lock();
        while core.phase() != Phase::Marking {
            mutator.enter(|_| ());
            let _ = core.advance(&mut driver, &mut None, 64);
        }
        drop(driver);
        core.weak.rounds.brake();
        test(&heap, &mut mutator, &weak);
        while core.phase() != Phase::Idle {
            let _ = mutator.step(1 << 20);
        }
    }

    /// The driver may come too late, after the wait: then another try.
    #[test]
    fn an_upgrade_that_waits_for_the_end_of_marking_finds_the_object_dead() {
        let dead = (0..100).any(|_| {
            let mut dead = false;
            marking(|heap, mutator, weak| dead = is_dead_after_waiting(heap, mutator, weak));
            dead
        });
        assert!(dead);
    }

    /// Upgrades beside a thread that takes the cycle to the end of its marking.
    fn is_dead_after_waiting(heap: &Heap, mutator: &mut crate::Mutator, weak: &Weak) -> bool {
        let core = heap.core();
        let waits = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut driver, mut marker) = (core.driver.lock(), None);
                while core.phase() == Phase::Marking && waits.load(Ordering::Relaxed) {
                    let _ = core.advance(&mut driver, &mut marker, 1 << 20);
                }
                marker
                    .into_iter()
                    .for_each(|marker| core.retire_marker(marker));
            });
            let dead = mutator.enter(|mc| weak.get(mc).upgrade(mc).is_none());
            waits.store(false, Ordering::Relaxed);
            assert!(!core.weak.rounds.is_braking(), "nobody waits any more");
            dead
        })
    }

    /// The cycle stands still.
    #[test]
    fn an_upgrade_does_not_wait_for_ever() {
        marking(|heap, mutator, weak| {
            let began = now();
            mutator.enter(|mc| assert_eq!(*weak.get(mc).upgrade(mc).unwrap()[0], [1, 2]));
            assert!(began.elapsed() >= PATIENCE);
            assert!(
                !heap.core().weak.rounds.is_braking(),
                "nor does anybody else"
            );
        });
    }
}
