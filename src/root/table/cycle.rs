//! What a cycle does with the table: it arms it, scans it, and disarms it.
//!
//! **New roots.** A minor cycle need not hear of a root whose object is old (`cycle::minor`). A root is *new* when it is made, and is so
//! no more when a scan has given its object to the cycle and seen it without the shaded bit. Then its object is old from this cycle on,
//! until a full one comes, which is given all roots; or the cycle is abandoned, and the next one is full.
//!
//! 1. A scan comes when all barriers are on, or all mutators are held. So a root that it finds without the shaded bit was made before, and
//!    nobody makes another one without the bit in this slot until the scan is over. The exchange that takes the new bit away succeeds only if
//!    the state is the one that was seen before the object was read: it is that root's object that the cycle was given.
//! 2. A root with the shaded bit stays new: another in the same slot, with the same bits, may have come after it. It is not enough that its
//!    maker has shaded its object: the edge of a fresh one need not be followed, and in the next cycle such an object is young.
//!
//! **Settled segments.** Most roots of a large table stay as they are for many cycles. A segment in which no slot is taken, new, shaded or a
//! zombie is *settled*, and minor cycles pass over it, until slots of it are taken. The driver says so under the lock under which slots are
//! taken, having looked at all slots again. Who has taken one since says so before it makes a root there: if that is made without the shaded
//! bit, its maker has passed a boundary when the scan comes to the segment, which sees both. If a root in it becomes a zombie, its
//! object is old.
//!
//! **Marked segments.** To arm and to disarm is to look at the segments in which there are zombies or shaded bits. The head says whether there
//! may be; who makes one writes that first. Only arming takes it back, when all barriers are off: so no shaded bit is overlooked. A zombie may
//! be, if its dropper, whom nothing orders, has written the head before a cycle arms and the slot after that. It is a root in that cycle, and
//! the next full scan sees it and tells the head.

use core::ops::Range;
use core::ptr::NonNull;

use super::{COUNT, FREE, NEW, RootTable, SHADED, SLOTS, Segment, Slot, TAKEN, ZOMBIE, slot_of};
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};

/// What a scan has found.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scanned {
    /// Slots that it has looked at.
    pub(crate) slots: usize,
    /// The roots in these, zombies included.
    pub(crate) roots: usize,
    /// There may be more in the segments that follow.
    pub(crate) more: bool,
}

impl RootTable {
    /// From now on roots that are dropped stay until `disarm`, but for shaded ones. Roots dropped before are released. All barriers are
    /// off. O(segments), and O(slots) of those that are marked.
    pub(crate) fn arm(&self) {
        // First: who sees the table armed marks the segment for this cycle.
        self.release_zombies(true);
        let mut growth = self.lock.lock();
        growth.armed = true;
        growth.dropped = false;
        self.each(|segment| {
            segment.head.armed.store(true, Ordering::Relaxed);
            segment.head.dropped.store(false, Ordering::Relaxed);
        });
    }

    /// Releases the roots dropped since `arm`; from now on drops release at once.
    pub(crate) fn disarm(&self) {
        let mut growth = self.lock.lock();
        growth.armed = false;
        self.each(|segment| segment.head.armed.store(false, Ordering::Relaxed));
        drop(growth);
        self.release_zombies(twin::is(Twin::MarkedTakenBackEarly));
        self.shrink_if_sparse();
    }

    fn release_zombies(&self, take_back: bool) {
        self.with_segments(|all| {
            for &segment in all {
                // SAFETY: the table has it, and needs it until `shrink` or `close` (I15), of which the first is the driver's as this is, and
                // the other has the table exclusively. From a box: aligned, initialised.
                let marked = &unsafe { segment.as_ref() }.head.marked;
                if marked.load(Ordering::Relaxed) {
                    if take_back {
                        marked.store(false, Ordering::Relaxed);
                    }
                    release_zombies(segment);
                }
            }
        });
    }

    /// Calls `f` with the object of every root, zombies included, and whether a minor cycle would hear of it. Roots made meanwhile may
    /// be missed.
    pub(crate) fn look(&self, mut f: impl FnMut(usize, bool)) {
        self.each(|segment| {
            let settled = segment.head.settled.load(Ordering::Relaxed);
            for slot in &segment.slots {
                if let (state, Some(object)) = root_in(slot) {
                    f(object, !settled && state & (NEW | ZOMBIE) != 0);
                }
            }
        });
    }

    /// For the cycle: calls `f` with the objects of the roots in some segments, in a minor cycle of those that are new. Those are new no more;
    /// see the module header, which says when this may be called.
    pub(crate) fn scan_for_cycle(
        &self,
        segments: Range<usize>,
        minor: bool,
        mut f: impl FnMut(usize),
    ) -> Scanned {
        let (mut slots, mut roots) = (0, 0);
        let more = self.with_segments(|all| {
            for segment in all.iter().take(segments.end).skip(segments.start) {
                // SAFETY: as in `release_zombies` (I15).
                let segment = unsafe { segment.as_ref() };
                segment.head.lives.read();
                // Relaxed: see the module header.
                let settled = segment.head.settled.load(Ordering::Relaxed);
                if !(minor && settled) {
                    slots += SLOTS;
                    roots += scan_segment(segment, minor, &mut f);
                    if !settled {
                        self.settle(segment);
                    }
                }
            }
            segments.end < all.len()
        });
        Scanned { slots, roots, more }
    }

    /// Minor cycles pass over the segment from now on, if they may.
    fn settle(&self, segment: &Segment) {
        if is_settled(segment) {
            let growth = (!twin::is(Twin::SettledUnlocked)).then(|| self.lock.lock());
            let settled = is_settled(segment);
            segment.head.settled.store(settled, Ordering::Relaxed);
            drop(growth);
        }
    }

    /// Whether a root has been dropped since the last cycle began.
    pub(crate) fn dropped_since_cycle(&self) -> bool {
        // A driver may be about to free segments.
        let growth = self.lock.lock();
        let mut dropped = growth.dropped;
        if twin::is(Twin::LooksWithoutLock) {
            drop(growth);
        }
        self.each(|segment| dropped |= segment.head.dropped.load(Ordering::Relaxed));
        dropped
    }
}

/// The slot's state, and its object if it is a root or a zombie.
fn root_in(slot: &Slot) -> (u64, Option<usize>) {
    // Acquire: pairs with `fill`.
    let state = slot.state.load(Ordering::Acquire);
    let zombie = !twin::is(Twin::ZombiesNotScanned) && state & ZOMBIE != 0;
    let is_root = state & COUNT != 0 || zombie;
    // Acquire: pairs with `fill`, too.
    (state, is_root.then(|| slot.object.load(Ordering::Acquire)))
}

/// Calls `f` as [`RootTable::scan_for_cycle`] does; how many roots there are.
fn scan_segment(segment: &Segment, minor: bool, mut f: impl FnMut(usize)) -> usize {
    let mut roots = 0;
    for slot in &segment.slots {
        let (state, object) = root_in(slot);
        let Some(object) = object else { continue };
        roots += 1;
        if state & ZOMBIE != 0 && !twin::is(Twin::ZombieNotTold) {
            segment.head.note_marked();
        }
        if !minor || state & (NEW | ZOMBIE) != 0 {
            f(object);
            no_longer_new(slot, state);
        }
    }
    roots
}

/// Whether all slots are free or roots that are not new.
fn is_settled(segment: &Segment) -> bool {
    let unsettled = TAKEN | NEW | SHADED | ZOMBIE;
    // Relaxed: slots that are free are taken under the lock, and others were roots before.
    let state = |slot: &Slot| slot.state.load(Ordering::Relaxed);
    segment
        .slots
        .iter()
        .all(|slot| state(slot) & unsettled == 0)
}

/// The cycle has been given the object of a root that was found in this state.
fn no_longer_new(slot: &Slot, state: u64) {
    if state & SHADED != 0 && !twin::is(Twin::ShadedNoLongerNew) || state & NEW == 0 {
        return;
    }
    if twin::is(Twin::NewTakenFromAnother) {
        slot.state.fetch_and(!NEW, Ordering::Relaxed);
        return;
    }
    // If it fails, handles have come or gone: the root stays new. Relaxed: only the driver looks at the bit.
    let _ = slot
        .state
        .compare_exchange(state, state & !NEW, Ordering::Relaxed, Ordering::Relaxed);
}

fn release_zombies(segment: NonNull<Segment>) {
    for index in 0..SLOTS {
        let slot = slot_of(segment, index);
        let state = &slot.get().state;
        // Relaxed: a zombie's object is not read again, and whoever takes the slot or closes the table acquires what its dropper
        // released: an exchange continues the release sequence.
        let seen = state.load(Ordering::Relaxed);
        if seen == ZOMBIE && twin::is(Twin::ZombieReleasedByAStore) {
            state.store(FREE, Ordering::Relaxed);
        } else if seen == ZOMBIE {
            let _ = state.compare_exchange(ZOMBIE, FREE, Ordering::Relaxed, Ordering::Relaxed);
        } else if seen & SHADED != 0 && !twin::is(Twin::ShadedKept) {
            // Relaxed: as above; and what arms comes before any mutator's boundary, see the table's header, 4.
            state.fetch_and(!SHADED, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, RootTable, SLOTS};
    use crate::root::table::SlotRef;

    /// What a scan for a cycle gives to it.
    fn given(table: &RootTable, minor: bool) -> Vec<usize> {
        let mut given = Vec::new();
        let found = table.scan_for_cycle(0..9, minor, |object| given.push(object));
        assert!(!found.more);
        let mut all = 0;
        table.look(|_, _| all += 1);
        assert!(minor || found.roots == all);
        given.sort_unstable();
        given
    }

    #[test]
    fn a_minor_cycle_hears_of_new_roots_and_of_zombies() {
        let mut table = RootTable::new(1);
        let mut stock = Vec::new();
        table.take_free(&mut stock);
        let [a, b, c] = [1000, 1001, 1002].map(|object| {
            let slot = stock.pop().unwrap();
            slot.fill(object, false);
            slot
        });
        assert_eq!(given(&table, true), [1000, 1001, 1002]);
        assert_eq!(given(&table, true), []);
        a.retain();
        a.release();
        assert_eq!(given(&table, true), [], "whoever has handles to them");
        assert_eq!(given(&table, false), [1000, 1001, 1002], "but a full one");
        table.arm();
        let d = stock.pop().unwrap();
        d.fill(1003, true);
        b.release();
        assert_eq!(given(&table, true), [1001, 1003]);
        assert_eq!(given(&table, true), [1001, 1003], "shaded in this cycle");
        table.disarm();
        table.arm();
        assert_eq!(given(&table, true), [1003]);
        assert_eq!(given(&table, true), []);
        table.disarm();
        c.release();
        c.fill(1004, false);
        assert_eq!(given(&table, true), [1004]);
        table.give_back(&mut stock);
        table.close();
    }

    /// Until slots of it are taken.
    #[test]
    fn a_minor_cycle_passes_over_what_is_settled() {
        let mut table = RootTable::new(1);
        let (mut filled, mut stock) = (Vec::new(), Vec::new());
        while filled.len() < SLOTS {
            table.take_free(&mut stock);
            for slot in stock.drain(..) {
                slot.fill(filled.len(), false);
                filled.push(slot);
            }
        }
        let looked_at = |table: &RootTable| {
            let found = table.scan_for_cycle(0..9, true, |_| ());
            found.roots
        };
        assert_eq!(looked_at(&table), SLOTS);
        assert_eq!(looked_at(&table), 0);
        assert_eq!(given(&table, false).len(), SLOTS);
        let [kept, dropped] = [filled.pop().unwrap(), filled.pop().unwrap()];
        dropped.release();
        assert_eq!(looked_at(&table), 0);
        while !stock.contains(&dropped) {
            table.take_free(&mut stock);
        }
        assert_eq!(looked_at(&table), SLOTS - 1, "one is taken");
        assert_eq!(looked_at(&table), SLOTS - 1);
        dropped.fill(SLOTS, false);
        assert_eq!(given(&table, true), [SLOTS]);
        stock.retain(|slot| *slot != dropped);
        table.give_back(&mut stock);
        looked_at(&table);
        assert_eq!(looked_at(&table), 0);
        filled.extend([kept, dropped]);
        filled.into_iter().for_each(SlotRef::release);
        table.close();
    }

    #[test]
    fn a_scan_goes_through_the_table_in_parts() {
        let mut table = RootTable::new(1);
        let mut filled = Vec::new();
        while table.with_segments(<[_]>::len) < 5 {
            let mut stock = Vec::new();
            table.take_free(&mut stock);
            for slot in stock {
                slot.fill(filled.len(), false);
                filled.push(slot);
            }
        }
        let mut seen = Vec::new();
        let mut part = |range: Range<usize>| {
            let before = seen.len();
            let found = table.scan_for_cycle(range, false, |object| seen.push(object));
            assert_eq!(found.roots, seen.len() - before);
            found.more
        };
        assert!(part(0..2) && part(2..4) && !part(4..6));
        assert!(!part(6..8), "shrunk meanwhile");
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..filled.len()));
        filled.into_iter().for_each(SlotRef::release);
        table.close();
    }
}
