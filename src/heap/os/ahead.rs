//! Address space for chunks, taken many chunks at a time.
//!
//! To map, trim and advise each chunk on its own are several system calls that need the process's address space to themselves. A thread
//! that makes a chunk ready (`page_heap::ready`) shares it for as long as the kernel clears two megabytes, milliseconds where memory is slow
//! to come; so a mutator that needed the next chunk meanwhile waited for the one that was made so that it need not wait. Faults in
//! what is mapped already exclude nobody.
//!
//! The address space belongs to no heap: heaps are many, most are small, and what none has touched takes no room. Nothing comes
//! back to it; a chunk is unmapped like any other mapping.

use super::{LAZY, Mapping, OsError};
use crate::heap::layout::CHUNK;
use crate::sync::ranked::{Mutex, Rank};

/// Chunks mapped at once.
const CHUNKS: usize = 16;

/// What is mapped and not taken. Its lock is a leaf, held for a mapping at most, and no matter of a protocol: under loom it is as it is.
static REST: Mutex<Option<Mapping>> = Mutex::ranked(Rank::AddressSpace, None);

/// A mapping of one chunk, for which huge pages may have been asked.
pub(super) fn chunk() -> Result<Mapping, OsError> {
    if !LAZY {
        return Mapping::map(CHUNK);
    }
    let mut rest = REST.lock();
    let mut mapping = match rest.take() {
        Some(mapping) => mapping,
        None => match Mapping::map(CHUNKS * CHUNK) {
            Ok(mut mapping) => {
                mapping.advise_huge(mapping.bytes());
                mapping.advised = true;
                mapping
            }
            // Where address space is short, one will do.
            Err(_) => Mapping::map(CHUNK)?,
        },
    };
    *rest = mapping.split_off_first();
    Ok(mapping)
}

/// Unmaps what nobody has taken, where the system refuses more; whether there was anything.
#[cold]
pub(super) fn give_up() -> bool {
    REST.lock().take().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn chunks_are_apart_and_each_goes_alone() {
        let mut kept: Vec<Mapping> = Vec::new();
        for number in 0..3 * CHUNKS {
            let mapping = chunk().unwrap();
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
    fn what_nobody_has_taken_goes_when_the_system_refuses_more() {
        let gone = (0..1000).any(|_| {
            drop(chunk().unwrap());
            Mapping::reserve(1 << 62).unwrap_err();
            REST.lock().is_none()
        });
        assert!(gone);
    }
}
