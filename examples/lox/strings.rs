//! Interning: one object for each text. The table holds its strings weakly, so a text that nothing else refers to goes.

use tricolor_gc::{AllocError, Gc, GcWeak, Mutation, Trace};

use super::object::LoxString;

#[derive(Clone, Copy, Trace)]
struct Entry<'gc> {
    hash: u32,
    string: GcWeak<'gc, LoxString<'gc>>,
}

/// The table of all strings: open addressing, linear probing. Dead entries stay until the table is rebuilt.
#[derive(Trace)]
pub(crate) struct Strings<'gc> {
    /// A power of two, at most three quarters in use.
    entries: Vec<Option<Entry<'gc>>>,
    used: usize,
}

const MIN_CAPACITY: usize = 64;

impl<'gc> Strings<'gc> {
    pub(crate) fn new() -> Self {
        Strings {
            entries: vec![None; MIN_CAPACITY],
            used: 0,
        }
    }

    /// The string with this text, if there is room.
    pub(crate) fn intern(
        &mut self,
        mc: &Mutation<'gc>,
        text: &str,
    ) -> Result<Gc<'gc, LoxString<'gc>>, AllocError> {
        let hash = hash(text.as_bytes());
        let mask = self.entries.len() - 1;
        let mut index = hash as usize & mask;
        while let Some(entry) = self.entries[index] {
            if entry.hash == hash
                && let Some(string) = entry.string.upgrade(mc)
                && *string.text == *text
            {
                return Ok(string);
            }
            index = (index + 1) & mask;
        }
        let text = Gc::try_new_str(mc, text)?;
        let string = Gc::try_new(mc, LoxString { hash, text })?;
        self.entries[index] = Some(Entry {
            hash,
            string: Gc::downgrade(string, mc),
        });
        self.used += 1;
        if self.used * 4 > self.entries.len() * 3 {
            self.rebuild(mc);
        }
        Ok(string)
    }

    /// Drops the dead entries, and makes room for twice the living.
    #[cold]
    fn rebuild(&mut self, mc: &Mutation<'gc>) {
        let is_alive = |entry: &Entry<'gc>| entry.string.upgrade(mc).is_some();
        let alive: Vec<_> = self
            .entries
            .iter()
            .flatten()
            .copied()
            .filter(is_alive)
            .collect();
        let capacity = (alive.len() * 2 + 1).next_power_of_two().max(MIN_CAPACITY);
        self.used = alive.len();
        self.entries.clear();
        self.entries.resize(capacity, None);
        for entry in alive {
            let mut index = entry.hash as usize & (capacity - 1);
            while self.entries[index].is_some() {
                index = (index + 1) & (capacity - 1);
            }
            self.entries[index] = Some(entry);
        }
    }
}

/// Multiplies and folds, eight bytes at a time.
fn hash(bytes: &[u8]) -> u32 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
        product as u64 ^ (product >> 64) as u64
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut state = fold(MULTIPLIER, bytes.len() as u64);
    for word in words {
        state = fold(state, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    state = fold(state, u64::from_le_bytes(last));
    (state ^ (state >> 32)) as u32
}
