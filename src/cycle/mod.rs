//! The cycle: who coordinates mutators, markers and sweepers.
//!
//! Reading order: [`command`] (what is asked), [`gate`] (who owns a mutator's state), [`mutator`] (how it answers),
//! [`registry`] (who is asked), [`driver`] (the cycle itself and why no object is lost), [`handshake`], [`ending`], [`marking`],
//! [`roots`], [`minor`], [`demand`] (when a cycle is wanted), [`background`], [`pool`] (whose threads those are).

pub(crate) mod background;
pub(crate) mod command;
pub(crate) mod core;
mod demand;
pub(crate) mod driver;
mod ending;
pub(crate) mod gate;
mod handshake;
pub(crate) mod mail;
pub(crate) mod marking;
pub(crate) mod minor;
pub(crate) mod mutator;
pub(crate) mod owned;
pub(crate) mod pacer;
pub(crate) mod plan;
pub(crate) mod pool;
pub(crate) mod registry;
mod roots;
