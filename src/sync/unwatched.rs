//! What a witness is where nobody looks: nothing.

#[derive(Default)]
pub(crate) struct Watched;

impl Watched {
    #[inline(always)]
    pub(crate) fn write(&self) {}

    #[inline(always)]
    pub(crate) fn read(&self) {}
}

#[inline(always)]
pub(crate) fn owned(_: usize) {}

#[derive(Default)]
pub(crate) struct MustDrop;
