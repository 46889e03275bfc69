//! What a sweep notes for the next minor cycle: the old objects whose pointers may change.
//!
//! Where all cells of a type lie in its objects ([`Trace::CELLS_INLINE`](crate::Trace::CELLS_INLINE)), the cards tell which of them have
//! been written (`barrier::cards`). So such objects are noted by the span, with a bit for each old one: 136 bytes for 16 KiB of objects of
//! 16, a look at 4 cards for most spans. Others are noted one by one, and all of them will be scanned, so there must not be many.

use crate::barrier::cards::{BYTES, Stamps};
use crate::heap::span::Span;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, Rank};

/// Spans that are looked at, at most, to see how much has been written.
const SAMPLE: usize = 4096;

/// See the module header.
pub(crate) struct Noted {
    old: Mutex<Old>,
    /// Not all are noted. Relaxed: written by sweepers, for which the driver waits before it decides anything.
    lost: AtomicBool,
}

/// What was noted in one sweep.
#[derive(Default)]
pub(crate) struct Old {
    /// To be scanned.
    pub(super) objects: Vec<usize>,
    bytes: usize,
    /// Spans of objects with cells inside.
    spans: Vec<Span>,
    /// For each of these, as many words as it has free bits: its old objects.
    bits: Vec<u64>,
    /// How many spans, and words, have been looked through.
    looked: (usize, usize),
}

impl Noted {
    /// Of a heap without a cycle.
    pub(crate) fn new() -> Self {
        Noted {
            old: Mutex::ranked(Rank::Noted, Old::default()),
            lost: AtomicBool::new(true),
        }
    }

    /// Nothing that is noted counts until the next cycle has marked.
    pub(crate) fn lose(&self) {
        self.forget(&mut self.old.lock());
    }

    fn forget(&self, old: &mut Old) {
        *old = Old::default();
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Notes `objects` of `size` bytes; more than `bound` bytes are too many.
    pub(super) fn add(&self, objects: &[usize], size: usize, bound: usize) {
        if objects.is_empty() || self.is_lost() {
            return;
        }
        let mut old = self.old.lock();
        old.objects.extend_from_slice(objects);
        old.bytes += objects.len() * size;
        if old.bytes > bound {
            self.forget(&mut old);
        }
    }

    /// Notes a span with cells inside its objects; `bits`: the old ones.
    pub(super) fn add_span(&self, span: Span, bits: impl Iterator<Item = u64>) {
        let mut old = self.old.lock();
        if !self.is_lost() {
            old.spans.push(span);
            old.bits.extend(bits);
        }
    }

    /// All that was noted; begins anew.
    pub(super) fn take(&self) -> Old {
        let old = core::mem::take(&mut *self.old.lock());
        self.lost.store(false, Ordering::Relaxed);
        old
    }

    /// The bytes of cards with old objects that minor cycle `cycle` would have to look at, as far as one can tell now. At most [`SAMPLE`] spans are
    /// looked at.
    pub(super) fn written(&self, cards: &Stamps, cycle: u8) -> usize {
        let old = self.old.lock();
        let stride = old.spans.len() / SAMPLE + 1;
        let spans = old.spans.iter().step_by(stride);
        let written = spans.map(|span| cards.written(span.base(), span.end(), cycle));
        written.sum::<usize>() * BYTES * stride
    }
}

impl Old {
    /// Looks through some spans, until there are `enough` objects to be scanned in minor cycle `cycle`. How many spans.
    pub(super) fn look(&mut self, cards: &Stamps, cycle: u8, enough: usize) -> usize {
        let (first, _) = self.looked;
        if self.objects.len() >= enough {
            return 0;
        }
        for &span in self.spans[first..].iter().take(enough) {
            let words = span.slots().div_ceil(64);
            let (spans, bits) = self.looked;
            self.looked = (spans + 1, bits + words);
            if cards.is_written(span.base(), span.end(), cycle) {
                for (word, &old) in self.bits[bits..bits + words].iter().enumerate() {
                    let objects = written_objects(span, word, old, cards, cycle);
                    self.objects.extend(objects);
                }
            }
            if self.objects.len() >= enough {
                break;
            }
        }
        self.looked.0 - first
    }
}

/// Of the `old` objects of a word of the span: those on written cards.
fn written_objects(
    span: Span,
    word: usize,
    mut old: u64,
    cards: &Stamps,
    cycle: u8,
) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        while old != 0 {
            let object = span.slot(word * 64 + old.trailing_zeros() as usize);
            old &= old - 1;
            if cards.is_written(object, object + span.slot_size(), cycle) {
                return Some(object);
            }
        }
        None
    })
}
