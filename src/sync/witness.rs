//! Witnesses: they tell loom of data that loom does not see.
//!
//! loom finds data races, but of its own cells only. What a protocol hands from one thread to another (a mutator's state, a
//! span, memory that is about to be freed) is plain data here, so a protocol that hands over too early, or without
//! the ordering, would go unnoticed. A witness stands for such data: whoever uses the data says so to the witness, which
//! under loom is a cell of loom's. Otherwise it is nothing: a type without a size, and calls without code.

use super::watched as imp;

/// What the code below tells of is its to use: it may change. Says where a span, or another thing with an address, is used by
/// its owner.
#[inline(always)]
pub(crate) fn owned(address: usize) {
    imp::owned(address);
}

/// See the module header.
#[derive(Default)]
pub(crate) struct Witness(imp::Watched);

impl Witness {
    /// The data is used by the only one who may use it now.
    #[inline(always)]
    pub(crate) fn write(&self) {
        self.0.write();
    }

    /// The data is read.
    #[inline(always)]
    pub(crate) fn read(&self) {
        self.0.read();
    }
}

/// Part of a value that must be dropped: under loom, an execution that ends without having dropped it is wrong.
#[derive(Default)]
pub(crate) struct MustDrop {
    _watched: imp::MustDrop,
}
