//! Errors.

use core::fmt;

/// A heap cannot be built with these settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The setting, as the builder's method is called.
    pub field: &'static str,
    /// The value given.
    pub value: String,
    /// What is accepted.
    pub range: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, expected {}",
            self.field, self.value, self.range
        )
    }
}

impl core::error::Error for ConfigError {}

/// There is no memory for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocError {
    /// Bytes asked for.
    pub requested: usize,
    /// Bytes the heap uses, external memory reported with `account` included.
    pub used: usize,
    /// The heap's hard limit, `max_heap`; `None` if there is none and the operating system refused.
    pub limit: Option<usize>,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AllocError {
            requested, used, ..
        } = self;
        match self.limit {
            Some(limit) => write!(
                f,
                "out of heap: {requested} bytes asked, {used} bytes in use, max_heap is {limit} bytes"
            ),
            None if self.requested > isize::MAX as usize => {
                write!(
                    f,
                    "out of memory: an object of {requested} bytes is larger than any memory"
                )
            }
            None => write!(
                f,
                "out of memory: {requested} bytes asked, {used} bytes in use, and the system has no more"
            ),
        }
    }
}

impl core::error::Error for AllocError {}
