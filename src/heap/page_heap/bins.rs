//! Chunks filed by the length of their longest run of pages.
//!
//! One doubly linked list per length, in arrays instead of pointers, and a bitmap of the lists that are not empty, so
//! that the best fitting chunk is one bit scan away. A chunk filed last is found first.
//!
//! Invariants: a slot is in the list of its key and in no other; key 0 is in none; bit `k` of `occupied` is set exactly
//! if list `k` is not empty.

use crate::heap::layout::DATA_PAGES;

/// The end of a list.
const NONE: u32 = u32::MAX;

/// A slot's place in its list.
#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    key: u32,
}

/// The lists.
#[derive(Debug)]
pub(super) struct Bins {
    heads: [u32; DATA_PAGES + 1],
    occupied: u128,
    links: Vec<Link>,
}

impl Bins {
    /// Without any slot.
    pub(super) fn new() -> Bins {
        Bins {
            heads: [NONE; DATA_PAGES + 1],
            occupied: 0,
            links: Vec::new(),
        }
    }

    /// A slot in the list with the least key of at least `key`.
    #[inline]
    pub(super) fn at_least(&self, key: usize) -> Option<u32> {
        let candidates = self.occupied & (u128::MAX << key);
        if candidates == 0 {
            return None;
        }
        Some(self.heads[candidates.trailing_zeros() as usize])
    }

    /// Files `slot` under `key`; 0 takes it out.
    #[inline]
    pub(super) fn file(&mut self, slot: u32, key: u32) {
        if self.key(slot) != key {
            self.move_to(slot, key);
        }
    }

    /// The key under which `slot` is filed.
    #[inline]
    pub(super) fn key(&self, slot: u32) -> u32 {
        self.links.get(slot as usize).map_or(0, |link| link.key)
    }

    /// Takes `slot` out of its list and puts it at the head of another.
    fn move_to(&mut self, slot: u32, key: u32) {
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(
                index + 1,
                Link {
                    previous: NONE,
                    next: NONE,
                    key: 0,
                },
            );
        }
        self.unlink(slot);
        if key == 0 {
            self.links[index] = Link {
                previous: NONE,
                next: NONE,
                key,
            };
            return;
        }
        let next = self.heads[key as usize];
        self.links[index] = Link {
            previous: NONE,
            next,
            key,
        };
        if next != NONE {
            self.links[next as usize].previous = slot;
        }
        self.heads[key as usize] = slot;
        self.occupied |= 1 << key;
    }

    /// Takes `slot` out of its list.
    fn unlink(&mut self, slot: u32) {
        let Link {
            previous,
            next,
            key,
        } = self.links[slot as usize];
        if key == 0 {
            return;
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        if previous != NONE {
            self.links[previous as usize].next = next;
            return;
        }
        self.heads[key as usize] = next;
        if next == NONE {
            self.occupied &= !(1 << key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_fit_is_found_latest_first() {
        let mut bins = Bins::new();
        bins.file(0, DATA_PAGES as u32);
        bins.file(1, 3);
        bins.file(2, 3);
        assert_eq!(bins.at_least(1), Some(2));
        assert_eq!(bins.at_least(4), Some(0));
        bins.file(2, 0);
        assert_eq!(bins.at_least(3), Some(1));
        bins.file(1, DATA_PAGES as u32);
        assert_eq!(bins.at_least(1), Some(1));
        bins.file(1, 0);
        bins.file(0, 0);
        assert_eq!(bins.at_least(1), None);
    }

    #[test]
    fn the_middle_of_a_list_can_leave() {
        let mut bins = Bins::new();
        (0..3).for_each(|slot| bins.file(slot, 7));
        bins.file(1, 2);
        assert_eq!(bins.at_least(7), Some(2));
        bins.file(2, 0);
        assert_eq!(bins.at_least(7), Some(0));
        assert_eq!(
            (bins.key(0), bins.key(1), bins.key(2), bins.key(9)),
            (7, 2, 0, 0)
        );
    }
}
