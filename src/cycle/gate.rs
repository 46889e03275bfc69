//! The gate: who owns a mutator's state, its thread or the collector.
//!
//! | state | meaning | left by |
//! |---|---|---|
//! | Outside | the thread is outside `enter`: its stack holds no `Gc`, no guard lives (I4) | `enter` → Inside, `hold` → Held |
//! | Inside | `enter` is running; the state is the thread's | `exit` → Outside |
//! | Held | the collector acts for the mutator; the state is the collector's | `release` → Outside |
//!
//! Everything that is not atomic in a mutator's state (buffers, mode, cache), but for two figures that are its thread's, belongs to
//! whoever moved the gate out of Outside. (The thread itself holds the others of its mutators while it answers for them, and the gate of one
//! that detaches stays Inside.) There are no other owners, so a handshake needs no fences beyond the gate's:
//!
//! - The collector publishes a command, then tries to hold. If it holds, it adopts the command for the mutator. If the
//!   mutator is inside, it is asked to yield, and the collector looks again later.
//! - The mutator, entering, takes the gate first and *then* reads the command (Acquire, if its number is a new one). If the read
//!   misses a command just published, the mutator runs on with the old state and has not acknowledged the new one; nobody assumes it
//!   has: only the `acked` word counts, and it is written by the gate's owner alone, after the state has changed.
//!
//! So the race between entry and request, which elsewhere needs a store–load fence on both sides, is decided by
//! one compare-exchange on one word. The price is that the collector must look again; it does so when a mutator that it
//! asked to yield leaves, and at intervals.
//!
//! **Cost**, when nothing is asked, in the machine code of `benches/boundary.rs`: going inside takes 16 instructions, of which the
//! compare-exchange is locked, and about 35 more for the question whether this thread runs a destructor (`Core::in_user_code`). Going
//! outside takes 4, none of them locked.
//!
//! **Orderings.** Every transition out of Outside is an Acquire, every one back a Release: an owner sees what the owner before
//! did. One that fails is Relaxed: who does not own the state looks at nothing.

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::twin::{self, Twin};

const OUTSIDE: u32 = 0;
const INSIDE: u32 = 1;
const HELD: u32 = 2;

/// See the module header.
#[derive(Debug)]
pub(crate) struct Gate(AtomicU32);

impl Gate {
    /// A gate whose mutator is outside.
    pub(crate) fn new() -> Self {
        Gate(AtomicU32::new(OUTSIDE))
    }

    /// Mutator: goes inside; `false` if the collector holds the gate.
    #[inline(always)]
    #[must_use]
    pub(crate) fn enter(&self) -> bool {
        // Acquire: pairs with `release`: what the collector did to the state is seen.
        if twin::is(Twin::EnterDoesNotTake) {
            let outside = self.0.load(Ordering::Acquire) == OUTSIDE;
            if outside {
                self.0.store(INSIDE, Ordering::Relaxed);
            }
            return outside;
        }
        self.0
            .compare_exchange(OUTSIDE, INSIDE, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Mutator: goes outside.
    #[inline(always)]
    pub(crate) fn exit(&self) {
        // Release: pairs with `hold`: what the mutator did is seen by the collector.
        self.0.store(OUTSIDE, Ordering::Release);
    }

    /// Collector: takes the state of a mutator that is outside.
    #[must_use]
    pub(crate) fn hold(&self) -> bool {
        // Acquire: pairs with `exit`, and with `release` by who held it before.
        if twin::is(Twin::HoldDoesNotTake) {
            return self.0.load(Ordering::Acquire) == OUTSIDE;
        }
        self.0
            .compare_exchange(OUTSIDE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Collector: gives the state back.
    pub(crate) fn release(&self) {
        // Release: pairs with `enter`, and with the next `hold`.
        self.0.store(OUTSIDE, Ordering::Release);
    }

    /// Whether the mutator is inside, now or a moment ago (Relaxed). Exact on the mutator's own thread.
    pub(crate) fn is_inside(&self) -> bool {
        self.0.load(Ordering::Relaxed) == INSIDE
    }
}
