//! A hash table keyed by strings, which are compared by address: equal strings are one object.

use tricolor_gc::{Gc, Trace};

use super::object::LoxString;

type Key<'gc> = Gc<'gc, LoxString<'gc>>;

/// Open addressing, linear probing; nothing is ever removed.
#[derive(Trace)]
pub(crate) struct Table<'gc, V> {
    /// Empty, or a power of two, at most three quarters in use.
    entries: Vec<Option<(Key<'gc>, V)>>,
    len: usize,
}

impl<'gc, V: Copy> Table<'gc, V> {
    pub(crate) fn new() -> Self {
        Table {
            entries: Vec::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, key: Key<'gc>) -> Option<V> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries[self.find(key)].map(|(_, value)| value)
    }

    /// Inserts or replaces.
    pub(crate) fn set(&mut self, key: Key<'gc>, value: V) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            self.grow();
        }
        let index = self.find(key);
        self.len += usize::from(self.entries[index].is_none());
        self.entries[index] = Some((key, value));
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for &(key, value) in other.entries.iter().flatten() {
            self.set(key, value);
        }
    }

    /// Where `key` is, or where it would go. The table must not be full.
    fn find(&self, key: Key<'gc>) -> usize {
        let mask = self.entries.len() - 1;
        let mut index = key.hash as usize & mask;
        while let Some((other, _)) = self.entries[index] {
            if Gc::ptr_eq(other, key) {
                break;
            }
            index = (index + 1) & mask;
        }
        index
    }

    fn grow(&mut self) {
        let capacity = (self.entries.len() * 2).max(8);
        let old = std::mem::take(&mut self.entries);
        self.entries.resize_with(capacity, || None);
        for entry in old.into_iter().flatten() {
            let index = self.find(entry.0);
            self.entries[index] = Some(entry);
        }
    }
}
