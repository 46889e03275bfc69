//! Address space for chunks, taken many chunks at a time.
//!
//! To map, trim and advise each chunk on its own are several system calls that need the process's address space to themselves. A thread
//! that makes a chunk ready (`page_heap::ready`) shares it for as long as the kernel clears two megabytes, milliseconds where memory is slow
//! to come; so a mutator that needed the next chunk meanwhile waited for the one that was made so that it need not wait. Faults in
//! what is mapped already exclude nobody. Advice on huge pages is such a call, too, so there are mappings with them and without; and who makes chunks
//! ready maps the next ones first, for a mutator that has come to the end of them would wait at each of those calls.
//!
//! The address space belongs to no heap: heaps are many, most are small, and what none has touched takes no room. Nothing comes
//! back to it; a chunk is unmapped like any other mapping.

use super::{LAZY, Mapping, OsError};
use crate::heap::layout::CHUNK;
use crate::sync::ranked::{Mutex, Rank};

/// Chunks mapped at once.
const CHUNKS: usize = 32;

/// Mappings of each kind that a growing heap keeps.
const KEPT: usize = 2;

/// What is mapped and not taken, for small pages and for huge ones. Its lock is a leaf, held for a mapping at most, and no matter of a
/// protocol: under loom it is as it is.
static REST: Mutex<[Vec<Mapping>; 2]> = Mutex::ranked(Rank::AddressSpace, [Vec::new(), Vec::new()]);

/// A mapping of one chunk, with huge pages or without.
pub(super) fn chunk(huge: bool) -> Result<Mapping, OsError> {
    if !LAZY {
        return Mapping::map(CHUNK);
    }
    let mut rest = REST.lock();
    let own = usize::from(huge);
    let mut mapping = match rest[own].pop() {
        Some(mapping) => mapping,
        // Where the system refuses, what there is of the other kind will do.
        None => map(huge).or_else(|refused| rest[1 - own].pop().ok_or(refused))?,
    };
    let behind = mapping.split_off_first();
    rest[own].extend(behind);
    Ok(mapping)
}

/// Sees to it that the next chunks are mapped when somebody needs them.
pub(super) fn stock_up() {
    for huge in [false, true] {
        let few = LAZY && REST.lock()[usize::from(huge)].len() < KEPT;
        // Not under the lock: there may be a chunk for who needs one meanwhile.
        if let Some(mapping) = few.then(|| map(huge).ok()).flatten() {
            REST.lock()[usize::from(huge)].insert(0, mapping);
        }
    }
}

/// A mapping of many chunks; where address space is short, of one.
fn map(huge: bool) -> Result<Mapping, OsError> {
    let mapping = Mapping::map(CHUNKS * CHUNK).or_else(|_| Mapping::map(CHUNK))?;
    if huge {
        mapping.advise_huge(mapping.bytes());
    } else {
        mapping.advise_no_huge();
    }
    Ok(mapping)
}

/// Unmaps what nobody has taken, where the system refuses more; whether there was anything.
#[cold]
pub(super) fn give_up() -> bool {
    let taken = REST.lock().each_mut().map(std::mem::take);
    taken.iter().any(|mappings| !mappings.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn chunks_are_apart_and_each_goes_alone() {
        let mut kept: Vec<Mapping> = Vec::new();
        for number in 0..3 * CHUNKS {
            let mapping = chunk(number % 2 == 0).unwrap();
            assert_eq!(mapping.bytes(), CHUNK);
            assert_eq!(mapping.address() % CHUNK, 0);
            let byte = core::ptr::with_exposed_provenance_mut::<u8>(mapping.address());
            // SAFETY: the first byte of a mapping that this test owns (I14).
            unsafe { byte.write(number as u8) };
            if number % 3 != 0 {
                kept.push(mapping);
            }
        }
        let places: HashSet<usize> = kept.iter().map(Mapping::address).collect();
        assert_eq!(places.len(), kept.len());
        let numbers = (0..3 * CHUNKS).filter(|number| number % 3 != 0);
        for (mapping, number) in kept.iter().zip(numbers) {
            let byte = core::ptr::with_exposed_provenance::<u8>(mapping.address());
            // SAFETY: the first byte of a mapping that this test owns (I14), which has been written.
            assert_eq!(unsafe { byte.read() }, number as u8);
        }
    }

    /// Once at least: other tests take chunks meanwhile.
    #[test]
    fn stocked_up_there_are_chunks_for_both_kinds() {
        let stocked = (0..1000).any(|_| {
            stock_up();
            let rest = REST.lock();
            rest.iter().all(|mappings| {
                let chunks = mappings.iter().map(|mapping| mapping.bytes() / CHUNK);
                mappings.len() >= KEPT && chunks.sum::<usize>() > CHUNKS
            })
        });
        assert_eq!(stocked, LAZY);
    }

    /// Once at least: other tests take chunks meanwhile.
    #[test]
    fn what_nobody_has_taken_goes_when_the_system_refuses_more() {
        let gone = (0..1000).any(|_| {
            drop([true, false].map(|huge| chunk(huge).unwrap()));
            Mapping::reserve(1 << 62).unwrap_err();
            REST.lock().iter().all(Vec::is_empty)
        });
        assert!(gone);
    }
}
