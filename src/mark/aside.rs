//! What a marker sets aside; see [`worklist`](super::worklist).

use super::rest::Rest;

/// What has been scanned but for a cell that a mutator was writing (Insertion).
#[derive(Default)]
pub(crate) struct SetAside {
    /// Objects.
    pub(crate) objects: Vec<usize>,
    /// Pieces of slices.
    pub(crate) rests: Vec<Rest>,
}

impl SetAside {
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.rests.is_empty()
    }

    pub(super) fn append(&mut self, other: &mut SetAside) {
        self.objects.append(&mut other.objects);
        self.rests.append(&mut other.rests);
    }
}
