//! Address space for chunks, taken many chunks at a time.
//!
//! To map, trim and advise each chunk on its own are several system calls that need the process's address space to themselves, and wait for
//! whoever shares it: a thread that is in a fault, before Linux 6.4, for as long as the kernel clears two megabytes. Advice on huge pages
//! is such a call, too, so there are mappings with them and without.
//!
//! The address space belongs to no heap: heaps are many, most are small, and what none has touched takes no room. Nothing comes
//! back to it; a chunk is unmapped like any other mapping.

use super::{LAZY, Mapping, OsError};
use crate::heap::layout::CHUNK;
use crate::sync::ranked::{Mutex, Rank};

/// Chunks mapped at once.
const CHUNKS: usize = 16;

/// What is mapped and not taken, for small pages and for huge ones. Its lock is a leaf, held for a mapping and its advice at most, and no
/// matter of a protocol: under loom it is as it is.
static REST: Mutex<[Option<Mapping>; 2]> = Mutex::ranked(Rank::AddressSpace, [None, None]);

/// A mapping of one chunk, with huge pages or without; where the system refuses, what there is of the other kind.
pub(super) fn chunk(huge: bool) -> Result<Mapping, OsError> {
    if !LAZY {
        let mut mapping = Mapping::map(CHUNK)?;
        mapping.advise(huge);
        return Ok(mapping);
    }
    let mut rest = REST.lock();
    let own = usize::from(huge);
    let taken = rest[own].take().map_or_else(|| map(huge), Ok);
    take_first(&mut rest, taken)
}

/// The first chunk of what was taken, or of what there is.
fn take_first(
    rest: &mut [Option<Mapping>; 2],
    taken: Result<Mapping, OsError>,
) -> Result<Mapping, OsError> {
    let other = |refused| {
        let kinds = &mut rest.iter_mut();
        kinds.find_map(Option::take).ok_or(refused)
    };
    let mut mapping = taken.or_else(other)?;
    rest[usize::from(mapping.is_huge())] = mapping.split_off_first();
    Ok(mapping)
}

/// A mapping of many chunks; where address space is short, of one.
fn map(huge: bool) -> Result<Mapping, OsError> {
    let mut mapping = Mapping::map(CHUNKS * CHUNK).or_else(|_| Mapping::map(CHUNK))?;
    mapping.advise(huge);
    Ok(mapping)
}

/// Unmaps what nobody has taken, where the system refuses more; whether there was anything.
#[cold]
pub(super) fn give_up() -> bool {
    let taken = REST.lock().each_mut().map(Option::take);
    taken.iter().any(Option::is_some)
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

    #[test]
    fn where_the_system_refuses_the_other_kind_will_do() {
        let mut rest = [None, Some(map(true).unwrap())];
        let refused = OsError { bytes: CHUNK };
        let first = take_first(&mut rest, Err(refused)).unwrap();
        assert!(first.is_huge() && rest[0].is_none());
        let left = rest[1].as_ref().map(Mapping::bytes);
        assert_eq!(left, LAZY.then_some((CHUNKS - 1) * CHUNK));
        let own = take_first(&mut rest, map(false)).unwrap();
        assert!(!own.is_huge());
        rest = [None, None];
        assert_eq!(take_first(&mut rest, Err(refused)).unwrap_err(), refused);
    }

    /// What the kernel says of the region with `address`.
    #[cfg(target_os = "linux")]
    fn flags(address: usize) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in smaps.lines() {
            let first = line.split_whitespace().next().unwrap();
            if let Some((start, end)) = first.split_once('-') {
                let [start, end] = [start, end].map(|hex| usize::from_str_radix(hex, 16).unwrap());
                inside = (start..end).contains(&address);
            } else if inside && first == "VmFlags:" {
                return line.to_owned();
            }
        }
        panic!("{address:#x} is not mapped");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn chunks_are_advised() {
        for (huge, flag) in [(true, " hg"), (false, " nh")] {
            let chunk = chunk(huge).unwrap();
            assert_eq!(chunk.is_huge(), huge);
            assert!(flags(chunk.address()).contains(flag), "{huge}");
        }
    }

    /// Once at least: other tests take chunks meanwhile.
    #[test]
    fn what_nobody_has_taken_goes_when_the_system_refuses_more() {
        let gone = (0..1000).any(|_| {
            drop([true, false].map(|huge| chunk(huge).unwrap()));
            Mapping::reserve(1 << 62).unwrap_err();
            REST.lock().iter().all(Option::is_none)
        });
        assert!(gone);
    }
}
