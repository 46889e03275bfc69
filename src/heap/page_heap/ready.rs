//! Chunks made ready before anybody needs them.
//!
//! The first access to a chunk of huge pages clears two megabytes, some hundred microseconds at which a mutator
//! would stand still in the middle of an allocation. So a growing heap keeps a few chunks ahead, mapped and touched by a
//! background thread: [`PageHeap::wants_chunk`] says when, the thread maps and touches outside the lock, and
//! [`PageHeap::add_chunk`] files the chunk as free pages like any others. Best fit takes it last, and scavenging gives it
//! back when it has not been needed for long.
//!
//! Pages that were given back earlier count as there: they are used again before the heap takes more address space.

use super::chunk::Chunk;
use super::{OsError, PageHeap};
use crate::heap::layout::{DATA_PAGES, PAGE};
use crate::heap::os::{Mapping, first_touch, huge_to_try};

/// Free bytes that a growing heap keeps: a part of what is in use, between one and eight chunks.
const PART: usize = 64;
const LEAST: usize = DATA_PAGES * PAGE;
const MOST: usize = 8 * LEAST;

/// A chunk that is mapped and touched, and belongs to no heap yet.
pub(crate) struct ReadyChunk(Chunk);

impl ReadyChunk {
    /// Maps and touches. Takes long: not to be called under a lock.
    pub(crate) fn new() -> Result<ReadyChunk, OsError> {
        Self::with_pages(huge_to_try(1))
    }

    /// With huge pages or without.
    pub(super) fn with_pages(huge: bool) -> Result<ReadyChunk, OsError> {
        let mut chunk = Chunk::new(Mapping::chunk(huge)?);
        first_touch(chunk.is_huge(), || chunk.populate());
        Ok(ReadyChunk(chunk))
    }
}

impl PageHeap {
    /// Whether the heap grows and has little left.
    #[inline]
    pub(crate) fn wants_chunk(&self) -> bool {
        let wanted = (self.totals.in_use / PART).clamp(LEAST, MOST);
        self.is_large() && self.free_bytes() + self.totals.returned < wanted
    }

    /// Takes a ready chunk in.
    pub(crate) fn add_chunk(&mut self, ready: ReadyChunk) {
        let slot = self.insert_chunk(ready.0);
        self.refile(slot);
    }
}
