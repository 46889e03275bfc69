//! The Lox language of *Crafting Interpreters*, as a bytecode machine whose objects live in a `tricolor_gc` heap.
//!
//! In the order of the data: `scanner` (tokens), `compiler` (tokens to prototypes), `chunk` (prototypes), `value` and
//! `object` (what lives in the heap), `table` and `strings` (names), `vm` (runs it). [`Interpreter`] puts them together.

#![forbid(unsafe_code)]

mod chunk;
mod compiler;
mod object;
mod scanner;
mod strings;
mod table;
mod value;
mod vm;

use std::io::Write;

use tricolor_gc::{Arena, Heap, Rootable};

use self::chunk::GlobalNames;
use self::vm::{Outcome, Vm};

/// Why a program failed, with the messages for its author.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Compile(String),
    Runtime(String),
}

/// A machine that keeps its global variables from one program to the next.
pub(crate) struct Interpreter {
    arena: Arena<Rootable![Vm<'_>]>,
    globals: GlobalNames,
}

impl Interpreter {
    pub(crate) fn new(heap: Heap) -> Self {
        let mut globals = GlobalNames::default();
        let arena = Arena::with_heap(heap, |mc| Vm::new(mc, &mut globals));
        Interpreter { arena, globals }
    }

    /// Compiles and runs a program, which prints to `out`.
    pub(crate) fn interpret(&mut self, source: &str, out: &mut dyn Write) -> Result<(), Error> {
        let script = compiler::compile(source, &mut self.globals).map_err(Error::Compile)?;
        let globals = &self.globals;
        self.arena.enter(|mc, vm| vm.load(mc, &script, globals));
        drop(script);
        let mut collected = false;
        loop {
            match self
                .arena
                .enter(|mc, vm| vm.run(mc, globals, collected, out))
            {
                Outcome::Paused => collected = false,
                Outcome::Full => {
                    self.arena.collect();
                    collected = true;
                }
                Outcome::Done => return Ok(()),
                Outcome::Failed(message) => return Err(Error::Runtime(message)),
            }
        }
    }

    pub(crate) fn heap(&self) -> &Heap {
        self.arena.heap()
    }
}
