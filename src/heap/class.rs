//! Span classes: all spans of one type and slot size, and the lists they wait on (Go's mcentral).
//!
//! A class is a key (type, slot size, owner thread for types whose destructors must run at home) and five lists:
//!
//! | list | holds | taken by |
//! |---|---|---|
//! | `partial` | swept spans that may have free slots | caches |
//! | `made` | spans with free slots that were made between the end of a cycle's barriers and its sweep, and not swept since | caches, even before that sweep |
//! | `full` | swept spans without free slots | nobody, until the next sweep |
//! | `old` | swept spans in which all slots hold old objects of an immutable type | nobody, until the sweep of a full cycle |
//! | `unswept` | spans that the cycle just ended has not swept yet, or not to their ends | caches and the background sweeper |
//!
//! A span that a cache or a sweeper has taken is on no list (I7). `partial` is a stack: the span freed last is the one
//! whose lines are still in the processor's caches.

use super::drop_time::DropTime;
use super::owned::Owned;
use super::span::Span;
use super::type_info::TypeInfo;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, Rank};

/// What distinguishes classes.
#[derive(Clone, Copy)]
pub(crate) struct ClassKey {
    /// The type of the objects.
    pub(crate) info: &'static TypeInfo,
    /// Bytes of a slot.
    pub(crate) slot_size: usize,
    /// For types with `local_drop`: the thread that owns the spans; else 0.
    pub(crate) owner: u64,
}

impl ClassKey {
    fn same(&self, other: &ClassKey) -> bool {
        (self.slot_size, self.owner) == (other.slot_size, other.owner) && self.info.same(other.info)
    }
}

/// The lists of a class.
#[derive(Default)]
pub(crate) struct ClassLists {
    pub(crate) partial: Vec<Span>,
    pub(crate) made: Vec<Span>,
    pub(crate) full: Vec<Span>,
    pub(crate) old: Vec<Span>,
    pub(crate) unswept: Vec<Span>,
}

impl ClassLists {
    fn put(&mut self, span: Span) {
        if span.free() > 0 {
            if span.made_before().is_some() {
                self.made.push(span);
            } else {
                self.partial.push(span);
            }
        } else if span.is_old() {
            self.old.push(span);
        } else {
            self.full.push(span);
        }
    }
}

/// Moves the last spans of a list, `count` at most.
fn take_last(list: &mut Vec<Span>, count: usize, spans: &mut Vec<Span>) {
    let first = list.len().saturating_sub(count);
    spans.extend(list.drain(first..));
}

/// All spans of one type and slot size.
pub(crate) struct Class {
    pub(crate) key: ClassKey,
    pub(crate) lists: Mutex<ClassLists>,
    /// What its objects own.
    pub(crate) owned: Owned,
    /// How long its destructors take.
    pub(crate) drop_time: DropTime,
}

impl Class {
    /// Bytes that an object of the class is taken to own.
    pub(crate) fn owned_each(&self) -> usize {
        if self.key.info.measure.is_some() {
            self.owned.mean()
        } else {
            0
        }
    }

    /// Whether a sweep runs destructors.
    pub(crate) fn drops_here(&self) -> bool {
        self.key.info.drop.is_some() && !self.key.info.local_drop
    }

    /// Puts swept spans that nobody uses any more where the next user looks for them.
    pub(crate) fn put_all(&self, spans: &mut Vec<Span>) {
        if spans.is_empty() {
            return;
        }
        let mut lists = self.lists.lock();
        for span in spans.drain(..) {
            lists.put(span);
        }
    }

    /// Puts back spans that the caller took to sweep, and has not swept to their ends.
    pub(crate) fn put_unswept(&self, spans: &mut Vec<Span>) {
        if !spans.is_empty() {
            self.lists.lock().unswept.append(spans);
        }
    }

    /// Takes up to `count` spans with free slots, swept; where there is none, up to `count` that are to be swept first, into `unswept`. Where
    /// destructors are left to mutators (`sweep::deferral`), these come first: or they would be left to the end. None where the caller does
    /// not `sweep`.
    pub(crate) fn take(
        &self,
        count: usize,
        sweep: bool,
        spans: &mut Vec<Span>,
        unswept: &mut Vec<Span>,
    ) {
        let mut lists = self.lists.lock();
        let lists = &mut *lists;
        let unswept_first = sweep && self.drop_time.is_dear();
        if lists.unswept.is_empty() || !unswept_first {
            for list in [&mut lists.partial, &mut lists.made] {
                take_last(list, count - spans.len(), spans);
            }
        }
        if spans.is_empty() && sweep {
            take_last(&mut lists.unswept, self.together(count), unswept);
        }
    }

    /// How many of `count` spans may be swept one after the other before the first of them is seen again: all, but destructors may take long.
    fn together(&self, count: usize) -> usize {
        if self.key.info.drop.is_some() {
            1
        } else {
            count
        }
    }

    /// A span that was made before the sweep of `cycle`, which has not begun.
    pub(crate) fn take_made(&self, cycle: u8) -> Option<Span> {
        let mut lists = self.lists.lock();
        lists.made.pop_if(|span| span.made_before() == Some(cycle))
    }

    /// Takes up to `count` spans that are to be swept.
    pub(crate) fn take_unswept(&self, count: usize, unswept: &mut Vec<Span>) {
        let count = self.together(count);
        take_last(&mut self.lists.lock().unswept, count, unswept);
    }

    /// The cycle has ended: everything on the lists is to be swept, but for what is old if the cycle was `minor`. Adds to `pending`
    /// how many spans that are, before anybody can take one.
    pub(crate) fn start_sweep(&self, pending: &AtomicUsize, minor: bool) {
        let mut lists = self.lists.lock();
        let lists = &mut *lists;
        debug_assert!(lists.unswept.is_empty());
        lists.unswept.append(&mut lists.full);
        lists.unswept.append(&mut lists.partial);
        lists.unswept.append(&mut lists.made);
        if !minor {
            lists.unswept.append(&mut lists.old);
        }
        pending.fetch_add(lists.unswept.len(), Ordering::Relaxed);
    }
}

/// Classes before the first look for those that nobody uses.
const FEW: usize = 64;

/// The classes of a heap. Those of threads that have ended go when there are many, or a heap that threads come to and leave would
/// look through more and more of them.
#[derive(Default)]
pub(crate) struct Classes {
    all: Vec<Arc<Class>>,
    /// The number after the last look.
    used: usize,
}

impl Classes {
    /// The class of `key`, made if it is new. Linear in the number of classes; callers keep what they found.
    pub(crate) fn of(&mut self, key: ClassKey) -> Arc<Class> {
        if let Some(class) = self.all.iter().find(|class| class.key.same(&key)) {
            return class.clone();
        }
        if self.all.len() >= 2 * self.used.max(FEW) {
            self.forget_unused();
        }
        let class = Arc::new(Class {
            key,
            lists: Mutex::ranked(Rank::Spans, ClassLists::default()),
            owned: Owned::new(),
            drop_time: DropTime::unknown(),
        });
        self.all.push(class.clone());
        class
    }

    /// Forgets classes without spans that no cache and no sweeper has: the caller's lock keeps others from getting them.
    fn forget_unused(&mut self) {
        self.all.retain_mut(|class| {
            let Some(class) = Arc::get_mut(class) else {
                return true;
            };
            let lists = class.lists.lock();
            let lists = [
                &lists.partial,
                &lists.made,
                &lists.full,
                &lists.old,
                &lists.unswept,
            ];
            !lists.iter().all(|list| list.is_empty())
        });
        self.used = self.all.len();
    }

    /// Every class.
    pub(crate) fn all(&self) -> &[Arc<Class>] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::heap::Space;
    use crate::heap::type_info::{InfoOf, PLAIN};

    #[test]
    fn classes_that_nobody_uses_are_forgotten() {
        let space = Space::new(usize::MAX, usize::MAX, false);
        let of = |owner| {
            space.class(ClassKey {
                info: &PLAIN,
                slot_size: 16,
                owner,
            })
        };
        let held = of(1);
        let filled = of(2);
        let mut spans = Vec::new();
        space.new_spans(&filled, 0, 1, &mut spans).unwrap();
        let span = spans[0];
        filled.put_all(&mut vec![span]);
        drop(filled);
        let aged = of(3);
        spans.clear();
        space.new_spans(&aged, 0, 1, &mut spans).unwrap();
        let old = spans[0];
        old.set_swept(0, true, true);
        aged.put_all(&mut vec![old]);
        drop(aged);
        for owner in 4..10_000 {
            drop(of(owner));
        }
        assert!(space.classes.lock().all().len() <= 2 * FEW);
        assert!(Arc::ptr_eq(&held, &of(1)), "a cache has it");
        spans.clear();
        let mut unswept = Vec::new();
        of(2).take(1, true, &mut spans, &mut unswept);
        assert_eq!((spans, unswept), (vec![span], vec![]), "it has a span");
        assert_eq!(
            of(3).lists.lock().old,
            [old],
            "it has a span of old objects"
        );
    }

    /// What is left to mutators should not wait until they have no other room.
    #[test]
    fn where_destructors_are_dear_what_is_to_be_swept_comes_first() {
        let space = Space::new(usize::MAX, usize::MAX, false);
        let info = InfoOf::<Box<u8>>::info();
        let class = space.class(ClassKey {
            info,
            slot_size: 16,
            owner: 0,
        });
        let mut spans = Vec::new();
        (0..3).for_each(|_| space.new_spans(&class, 0, 1, &mut spans).unwrap());
        let (unswept, swept) = (spans[0], [spans[1], spans[2]]);
        class.put_all(&mut vec![unswept]);
        class.start_sweep(&AtomicUsize::new(0), false);
        class.put_all(&mut swept.to_vec());
        let take = |dear, sweep| {
            let micros = if dear { 100 } else { 0 };
            class.drop_time.note(100, Duration::from_micros(micros));
            let (mut spans, mut unswept) = (Vec::new(), Vec::new());
            class.take(1, sweep, &mut spans, &mut unswept);
            (spans, unswept)
        };
        assert_eq!(take(false, true), (vec![swept[1]], vec![]));
        assert_eq!(take(true, true), (vec![], vec![unswept]));
        class.put_unswept(&mut vec![unswept]);
        let other = (vec![swept[0]], vec![]);
        assert_eq!(take(true, false), other, "its time is over");
        assert_eq!(take(true, false), (vec![], vec![]), "it is still");
        assert_eq!(take(true, true), (vec![], vec![unswept]));
        class.put_all(&mut swept.to_vec());
        let other = (vec![swept[1]], vec![]);
        assert_eq!(take(true, true), other, "there is no other");
    }

    #[test]
    fn types_of_which_one_is_measured_share_no_spans() {
        let info = InfoOf::<Box<u8>>::info();
        let other = TypeInfo {
            measure: None,
            ..*info
        };
        assert!(info.same(info) && !info.same(&other));
    }

    /// Destructors may take long: nobody else should wait for the spans behind the first.
    #[test]
    fn spans_with_destructors_are_swept_one_by_one() {
        let space = Space::new(usize::MAX, usize::MAX, false);
        for (info, together) in [(&PLAIN, 4), (InfoOf::<Box<u8>>::info(), 1)] {
            let class = space.class(ClassKey {
                info,
                slot_size: 16,
                owner: 0,
            });
            let (mut spans, mut unswept) = (Vec::new(), Vec::new());
            space.new_spans(&class, 0, 1, &mut spans).unwrap();
            space.new_spans(&class, 0, 7, &mut spans).unwrap();
            class.put_all(&mut spans);
            class.start_sweep(&AtomicUsize::new(0), false);
            class.take_unswept(4, &mut unswept);
            assert_eq!(unswept.len(), together, "a sweeper's");
            unswept.clear();
            class.take(4, true, &mut spans, &mut unswept);
            let taken = (spans.len(), unswept.len());
            assert_eq!(taken, (0, together), "a mutator's");
        }
    }
}
