//! Variables: which are local and in which slot, which are captured from an enclosing function, which are global.

use super::super::chunk::{Capture, Prototype, Slot};
use super::Compiler;

/// The reference implementation's limit on locals and on captures of a function.
const MAX_VARIABLES: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FunctionKind {
    Script,
    Function,
    Method,
    Initializer,
}

/// A local variable; its slot is its index.
struct Local<'s> {
    name: &'s str,
    /// `None` until its initialiser is compiled.
    depth: Option<u32>,
    is_captured: bool,
}

/// A function while it is compiled.
pub(super) struct Function<'s> {
    pub(super) kind: FunctionKind,
    pub(super) prototype: Prototype,
    locals: Vec<Local<'s>>,
    pub(super) scope_depth: u32,
    /// The slots in use: the locals, and the values being computed above them.
    pub(super) height: usize,
    /// Instructions before this one are behind a label and must not be changed any more.
    pub(super) label: usize,
    /// Size of the code and number of constants as the reference implementation counts them.
    pub(super) size: usize,
    pub(super) constants: usize,
}

impl<'s> Function<'s> {
    pub(super) fn new(kind: FunctionKind, name: Option<&str>) -> Self {
        let own_name = if kind == FunctionKind::Function {
            ""
        } else {
            "this"
        };
        Function {
            kind,
            prototype: Prototype {
                name: name.map(Into::into),
                slots: 1,
                ..Prototype::default()
            },
            locals: vec![Local {
                name: own_name,
                depth: Some(0),
                is_captured: false,
            }],
            scope_depth: 0,
            height: 1,
            label: 0,
            size: 0,
            constants: 0,
        }
    }
}

/// What a name means where it stands.
#[derive(Clone, Copy)]
pub(super) enum Variable {
    Local(Slot),
    Upvalue(u8),
    Global(u32),
}

impl<'s> Compiler<'s, '_> {
    pub(super) fn function(&mut self) -> &mut Function<'s> {
        self.functions.last_mut().expect("the script is a function")
    }

    pub(super) fn begin_scope(&mut self) {
        self.function().scope_depth += 1;
    }

    /// Forgets the innermost scope's variables, and closes those that a closure holds on to.
    pub(super) fn end_scope(&mut self) {
        let function = self.function();
        function.scope_depth -= 1;
        let depth = function.scope_depth;
        let mut captured = None;
        while function
            .locals
            .last()
            .is_some_and(|l| l.depth.is_none_or(|d| d > depth))
        {
            let local = function.locals.pop().expect("just seen");
            if local.is_captured {
                captured = Some(function.locals.len() as Slot);
            }
            function.height = function.height.saturating_sub(1);
            function.size += 1;
        }
        if let Some(from) = captured {
            self.emit_close_upvalues(from);
        }
    }

    pub(super) fn add_local(&mut self, name: &'s str) {
        let function = self.function();
        if function.locals.len() == MAX_VARIABLES {
            self.error("Too many local variables in function.");
            return;
        }
        function.locals.push(Local {
            name,
            depth: None,
            is_captured: false,
        });
    }

    /// Declares the variable that the previous token names, unless it is global.
    pub(super) fn declare_variable(&mut self) {
        let name = self.previous.text;
        let function = self.function();
        if function.scope_depth == 0 {
            return;
        }
        let depth = function.scope_depth;
        let clashes = function
            .locals
            .iter()
            .rev()
            .take_while(|l| l.depth.is_none_or(|d| d >= depth))
            .any(|l| l.name == name);
        if clashes {
            self.error("Already a variable with this name in this scope.");
        }
        self.add_local(name);
    }

    pub(super) fn mark_initialized(&mut self) {
        let function = self.function();
        let depth = function.scope_depth;
        if depth > 0
            && let Some(local) = function.locals.last_mut()
        {
            local.depth = Some(depth);
        }
    }

    /// Finds what `name` means. A global counts as a constant, as in the reference implementation.
    pub(super) fn resolve(&mut self, name: &str) -> Variable {
        let innermost = self.functions.len() - 1;
        if let Some(slot) = self.resolve_local(innermost, name) {
            return Variable::Local(slot);
        }
        if let Some(index) = self.resolve_upvalue(innermost, name) {
            return Variable::Upvalue(index);
        }
        Variable::Global(self.global(name))
    }

    pub(super) fn global(&mut self, name: &str) -> u32 {
        self.count_constant();
        self.globals.index(name)
    }

    fn resolve_local(&mut self, function: usize, name: &str) -> Option<Slot> {
        let locals = &self.functions[function].locals;
        let index = locals.iter().rposition(|local| local.name == name)?;
        if locals[index].depth.is_none() {
            self.error("Can't read local variable in its own initializer.");
        }
        Some(index as Slot)
    }

    /// Finds `name` in an enclosing function, and makes every function between capture it.
    fn resolve_upvalue(&mut self, function: usize, name: &str) -> Option<u8> {
        let mut owner = function;
        let slot = loop {
            owner = owner.checked_sub(1)?;
            if let Some(slot) = self.resolve_local(owner, name) {
                break slot;
            }
        };
        self.functions[owner].locals[slot as usize].is_captured = true;
        let mut capture = Capture {
            index: slot as u8,
            is_local: true,
        };
        for inner in owner + 1..=function {
            let index = self.add_capture(inner, capture);
            capture = Capture {
                index,
                is_local: false,
            };
        }
        Some(capture.index)
    }

    fn add_capture(&mut self, function: usize, capture: Capture) -> u8 {
        let captures = &mut self.functions[function].prototype.captures;
        if let Some(index) = captures.iter().position(|known| *known == capture) {
            return index as u8;
        }
        if captures.len() == MAX_VARIABLES {
            self.error("Too many closure variables in function.");
            return 0;
        }
        captures.push(capture);
        (captures.len() - 1) as u8
    }
}
