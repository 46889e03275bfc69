//! A mutator's allocation cache: the current free run of each class it allocates from (Go's mcache).
//!
//! The fast path bumps a pointer. For a type `T` it is, compiled: the address of `T`'s `TypeInfo` masked to an offset
//! into a direct-mapped table, one compare of the key, an add, one compare with the end of the run, one store, and a
//! prefetch: 15 instructions, 8 of which find the entry, once for neighbouring allocations of a type (`objdump -d` of
//! `benches/peers`' `bottom_up` and `populate`). For plain data the table index is a constant and the key compare goes.
//!
//! | part | is |
//! |---|---|
//! | [`Line`] | what the cache knows of one class: its span and the bounds of the rest of its run |
//! | [`Entry`] | a line's run while it is *resident* in the table, where the fast path finds it |
//!
//! A run's bounds are in its entry while the line is resident (the entry's end is not 0), else in the line. Where the cache is
//! *disabled* (every allocation must be seen: stress mode) no line is resident, so every fast path misses.
//! An entry keeps its key and line when the run goes back, so that the slow path finds the line without a hash map.
//!
//! **Spans in batches.** A line takes 1, 2, 4, then [`MAX_BATCH`] spans at once and gives used ones back when it takes new ones, so that
//! mutators that allocate side by side seldom meet at the locks of the class and of the page heap, whose cache lines would
//! go from one processor to the other for each span (`docs/performance/scaling.md` has two mutators that do nothing else).
//! What is held ahead is at most what the mutator has used up since the last cycle ended, when all goes back.
//!
//! In black allocation the slots of the unused rest of a run carry the colour already: [`Cache::blacken`] gives it to runs taken
//! before, and [`Cache::release_all`] takes it off again.

#[cfg(test)]
mod tests;

use core::cell::{Cell, UnsafeCell};
use std::collections::HashMap;
use std::time::Duration;

use memoffset::offset_of;

use super::class::Class;
use super::layout::GRANULE;
use super::prefetch;
use super::size_class::SIZE_CLASSES;
use super::span::{Epoch, Span};
use super::type_info::TypeInfo;
use crate::sync::Arc;

/// Entries of the table; a power of two.
const ENTRIES: usize = 128;

/// How far ahead of the bump pointer memory is prefetched for writing: it has gone cold since its last object died.
const AHEAD: usize = 1024;

/// A resident run.
#[repr(C)]
pub(crate) struct Entry {
    key: Cell<usize>,
    cur: Cell<usize>,
    end: Cell<usize>,
    /// Index of the line that the key belongs to, or `NO_LINE`.
    line: Cell<usize>,
}

const NO_LINE: usize = usize::MAX;
const _: () = assert!(size_of::<Entry>() == 32 && offset_of!(Entry, cur) == 8);

impl Entry {
    const fn empty() -> Entry {
        Entry {
            key: Cell::new(0),
            cur: Cell::new(0),
            end: Cell::new(0),
            line: Cell::new(NO_LINE),
        }
    }

    #[inline(always)]
    fn bump(&self, slot_size: usize) -> Option<usize> {
        let cur = self.cur.get();
        let next = cur + slot_size;
        if next > self.end.get() {
            return None;
        }
        self.cur.set(next);
        prefetch::to_write(next + AHEAD);
        Some(cur)
    }
}

/// Spans that a line takes at once, at most.
pub(super) const MAX_BATCH: usize = 8;

/// What the cache knows of one class.
pub(crate) struct Line {
    pub(crate) class: Arc<Class>,
    span: Option<Span>,
    cur: usize,
    end: usize,
    /// Spans with free slots that come next.
    ready: Vec<Span>,
    /// Spans that have been used up.
    used: Vec<Span>,
    /// How many spans are taken at once the next time.
    batch: usize,
    /// What objects of the class are taken to own, per [`PER`] bytes of their slots.
    owned: usize,
    /// Slots of a run at most: what their objects will own is charged at once, and so is what it takes to drop as many.
    most: usize,
    /// An object of each run is to be measured, for its like are taken to own much, or nobody knows.
    owns_much: bool,
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes of its slots.
    pub(crate) bytes: usize,
    /// Bytes that the objects in it will own.
    pub(crate) owned: usize,
    /// It was kept short: what its objects will own, or take to be dropped, is much.
    pub(crate) counts: bool,
}

impl Line {
    #[inline]
    fn taken(&self, bytes: usize) -> Taken {
        // Mostly 0.
        let owned = match self.owned {
            0 => 0,
            owned => bytes.saturating_mul(owned) / PER,
        };
        Taken {
            bytes,
            owned,
            counts: self.most <= FEW,
        }
    }

    fn look_at_class(&mut self) {
        let each = self.class.owned_each();
        self.owned = each.saturating_mul(PER) / self.class.key.slot_size;
        let most = match self.class.key.info.measure {
            None => usize::MAX,
            Some(_) if !self.class.owned.is_known() => UNKNOWN,
            Some(_) => (OWNED_AHEAD / each.max(1)).max(1),
        };
        self.owns_much = most <= FEW;
        self.most = most.min(self.class.drop_time.objects_within(DROP_AHEAD));
    }
}

/// See [`Line::owned`].
const PER: usize = 256;

/// Bytes that the objects of a run will own, at most, or one object.
const OWNED_AHEAD: usize = 128 << 10;

/// What the objects of a run take to be dropped, at most, or one object.
const DROP_AHEAD: Duration = Duration::from_micros(100);

/// Slots of a run while next to nothing is known of what objects of the class own.
const UNKNOWN: usize = 4;

/// Slots of a run that are few: a look at one of their objects is little beside what these own.
const FEW: usize = 32;

/// Where a line's run is found by the fast path.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// By the type's constant and the slot size.
    Typed,
    /// Plain data: by its size class.
    Plain(usize),
}

/// What tells entries of one type apart: nothing but for slices, whose slots differ. For others the compiler knows that.
#[inline(always)]
fn salt(info: &'static TypeInfo, slot_size: usize) -> usize {
    if info.slot_size == 0 { slot_size } else { 0 }
}

/// What a typed entry is found by. Slot sizes, at most 32 KiB in granules, fit above the address.
#[inline(always)]
fn key_of(info: &'static TypeInfo, slot_size: usize) -> usize {
    let address: *const TypeInfo = info;
    address.addr() ^ (salt(info, slot_size) << 44)
}

/// See the module header. Used by one thread at a time: the mutator inside, the collector while it holds the gate.
pub(crate) struct Cache {
    table: [Entry; ENTRIES],
    plain: [Entry; SIZE_CLASSES],
    /// Whether allocations may take the fast path.
    enabled: bool,
    lines: UnsafeCell<Lines>,
    /// The rest of the block that tiny objects share.
    tiny_cur: Cell<usize>,
    tiny_end: Cell<usize>,
    /// The line of which an object is to be measured.
    pub(crate) to_measure: Cell<Option<usize>>,
}

#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    index: HashMap<usize, usize>,
}

impl Cache {
    pub(crate) fn new(enabled: bool) -> Self {
        Cache {
            table: [const { Entry::empty() }; ENTRIES],
            plain: [const { Entry::empty() }; SIZE_CLASSES],
            enabled,
            lines: UnsafeCell::default(),
            tiny_cur: Cell::new(0),
            tiny_end: Cell::new(0),
            to_measure: Cell::new(None),
        }
    }

    /// Types lie next to each other in read-only data, so their addresses spread well; slot sizes of one slice type are
    /// set apart by theirs.
    #[inline(always)]
    fn entry_of(&self, info: &'static TypeInfo, slot_size: usize) -> &Entry {
        let address: *const TypeInfo = info;
        let hash = address.addr() / align_of::<TypeInfo>() + salt(info, slot_size) / GRANULE;
        &self.table[hash % ENTRIES]
    }

    /// A slot of `slot_size` bytes for the type `info`, if its run is resident and not used up.
    #[inline(always)]
    pub(crate) fn typed(&self, info: &'static TypeInfo, slot_size: usize) -> Option<usize> {
        let entry = self.entry_of(info, slot_size);
        if entry.key.get() != key_of(info, slot_size) {
            return None;
        }
        entry.bump(slot_size)
    }

    /// A slot of a size class for plain data.
    #[inline(always)]
    pub(crate) fn plain(&self, class: usize, slot_size: usize) -> Option<usize> {
        self.plain[class].bump(slot_size)
    }

    /// Room for a tiny object (< 16 B of plain data) in the current block.
    #[inline(always)]
    pub(crate) fn tiny(&self, size: usize, align: usize) -> Option<usize> {
        let start = (self.tiny_cur.get() + align - 1) & !(align - 1);
        if start + size > self.tiny_end.get() {
            return None;
        }
        self.tiny_cur.set(start + size);
        Some(start)
    }

    /// A new block for tiny objects, from which `used` bytes are taken.
    pub(crate) fn set_tiny_block(&self, block: usize, size: usize, used: usize) {
        if self.enabled {
            self.tiny_cur.set(block + used);
            self.tiny_end.set(block + size);
        }
    }

    #[expect(clippy::mut_from_ref, reason = "one user at a time, see SAFETY")]
    fn lines(&self) -> &mut Lines {
        // SAFETY: the cache is part of a mutator's state, which one thread has at a time (I4), and no method of this file calls out, or
        // `lines` again, while it uses the borrow.
        unsafe { &mut *self.lines.get() }
    }

    /// The line of a class, made by `class` if it is new.
    pub(crate) fn line(
        &self,
        info: &'static TypeInfo,
        slot_size: usize,
        place: Place,
        class: impl FnOnce() -> Arc<Class>,
    ) -> usize {
        let entry = self.entry(info, slot_size, place);
        let key = key_of(info, slot_size);
        if entry.key.get() == key && entry.line.get() != NO_LINE {
            return entry.line.get();
        }
        if let Some(&line) = self.lines().index.get(&key) {
            return line;
        }
        let class = class();
        let lines = self.lines();
        lines.lines.push(Line {
            class,
            span: None,
            cur: 0,
            end: 0,
            ready: Vec::new(),
            used: Vec::new(),
            batch: 1,
            owned: 0,
            most: usize::MAX,
            owns_much: false,
        });
        lines.index.insert(key, lines.lines.len() - 1);
        lines.lines.len() - 1
    }

    /// The class of a line.
    pub(crate) fn class(&self, line: usize) -> Arc<Class> {
        self.lines().lines[line].class.clone()
    }

    fn entry(&self, info: &'static TypeInfo, slot_size: usize, place: Place) -> &Entry {
        match place {
            Place::Typed => self.entry_of(info, slot_size),
            Place::Plain(class) => &self.plain[class],
        }
    }

    /// Moves an entry's run back to its line. The key and the line stay, for `line` to find the line by.
    fn evict(&self, entry: &Entry) {
        let end = entry.end.replace(0);
        if end != 0 {
            let line = &mut self.lines().lines[entry.line.get()];
            (line.cur, line.end) = (entry.cur.replace(0), end);
        }
    }

    /// Takes one slot from the rest of the line's run, and leaves the run where the fast path finds it.
    pub(crate) fn take_slot(
        &self,
        index: usize,
        info: &'static TypeInfo,
        slot_size: usize,
        place: Place,
    ) -> Option<usize> {
        let entry = self.entry(info, slot_size, place);
        self.evict(entry);
        let line = &mut self.lines().lines[index];
        if line.cur == line.end {
            return None;
        }
        let slot = line.cur;
        line.cur += slot_size;
        entry.key.set(key_of(info, slot_size));
        entry.line.set(index);
        if self.enabled {
            entry.cur.set(line.cur);
            entry.end.set(line.end);
        }
        Some(slot)
    }

    /// Where the entry's run is used up and its span has another: takes that, and a slot of it; the slot, and what the run comes to. What
    /// the other methods do by way of the line, in a heap of short runs for every few objects.
    pub(crate) fn next_slot(
        &self,
        info: &'static TypeInfo,
        slot_size: usize,
        place: Place,
        black: Option<Epoch>,
    ) -> Option<(usize, Taken)> {
        let entry = self.entry(info, slot_size, place);
        let (cur, end) = (entry.cur.get(), entry.end.get());
        // A resident run, so the cache is enabled and the entry has a line.
        if end == 0 || cur != end || entry.key.get() != key_of(info, slot_size) {
            return None;
        }
        let line = &self.lines().lines[entry.line.get()];
        if line.owns_much {
            return None;
        }
        let (cur, end) = line.span?.take_run(black, line.most)?;
        entry.cur.set(cur + slot_size);
        entry.end.set(end);
        Some((cur, line.taken(end - cur)))
    }

    /// Where the cache is disabled: a slot from the rest of the run of the line that the entry knows.
    pub(crate) fn slot_unseen(
        &self,
        info: &'static TypeInfo,
        slot_size: usize,
        place: Place,
    ) -> Option<usize> {
        let entry = self.entry(info, slot_size, place);
        if self.enabled || entry.key.get() != key_of(info, slot_size) {
            return None;
        }
        let line = self.lines().lines.get_mut(entry.line.get())?;
        let slot = line.cur;
        if slot == line.end {
            return None;
        }
        line.cur += slot_size;
        prefetch::to_write(slot + AHEAD);
        Some(slot)
    }

    /// Takes the next run of the line's span; what that comes to. The last run must be used up, as `take_slot` says.
    pub(crate) fn next_run(&self, index: usize, black: Option<Epoch>) -> Option<Taken> {
        let line = &mut self.lines().lines[index];
        debug_assert!(line.cur == line.end);
        if line.owned > 0 {
            line.look_at_class();
        }
        let (cur, end) = line.span?.take_run(black, line.most)?;
        (line.cur, line.end) = (cur, end);
        if line.owns_much {
            self.to_measure.set(Some(index));
        }
        Some(line.taken(end - cur))
    }

    /// Goes on to the next of the spans that the line has; whether there is one. The last run must be used up.
    pub(crate) fn next_span(&self, index: usize) -> bool {
        let line = &mut self.lines().lines[index];
        debug_assert!(line.cur == line.end);
        line.used.extend(line.span.take());
        line.span = line.ready.pop();
        line.span.is_some()
    }

    /// Gives the spans that are used up back; how many new ones the line should get: more each time, so that threads that
    /// allocate much seldom meet at a lock, and those that allocate little hoard nothing.
    pub(crate) fn give_back_used(&self, index: usize) -> usize {
        let line = &mut self.lines().lines[index];
        if !line.used.is_empty() {
            line.class.put_all(&mut line.used);
        }
        let batch = line.batch;
        line.batch = (2 * batch).min(MAX_BATCH);
        batch
    }

    /// Gives the line, which has none, new spans: `fill` gets the list, to be used from its end. The next of its objects that comes from the slow
    /// path is to be measured.
    pub(crate) fn fill<R>(&self, index: usize, fill: impl FnOnce(&mut Vec<Span>) -> R) -> R {
        let mut spans = core::mem::take(&mut self.lines().lines[index].ready);
        let result = fill(&mut spans);
        let line = &mut self.lines().lines[index];
        line.ready = spans;
        line.look_at_class();
        if line.class.key.info.measure.is_some() {
            self.to_measure.set(Some(index));
        }
        result
    }

    fn evict_all(&self) {
        for entry in self.table.iter().chain(&self.plain) {
            self.evict(entry);
        }
        self.tiny_cur.set(0);
        self.tiny_end.set(0);
    }

    /// Gives the unused slots of all runs the colour of fresh objects.
    pub(crate) fn blacken(&self, mark: Epoch) {
        self.evict_all();
        for line in &self.lines().lines {
            if let Some(span) = line.span {
                span.blacken(line.cur, line.end, mark);
            }
        }
    }

    /// Gives all spans back to their classes; returns the bytes of the runs that were not used.
    pub(crate) fn release_all(&self) -> usize {
        self.evict_all();
        let mut unused = 0;
        for line in &mut self.lines().lines {
            if let Some(span) = line.span.take() {
                unused += line.end - line.cur;
                span.give_back_run(line.cur, line.end);
                line.used.push(span);
            }
            line.used.append(&mut line.ready);
            if !line.used.is_empty() {
                line.class.put_all(&mut line.used);
            }
            (line.cur, line.end, line.batch) = (0, 0, 1);
        }
        unused
    }
}
