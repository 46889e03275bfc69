//! What the compiler hands to the machine: instructions, and functions as prototypes without any garbage-collected value.
//!
//! The instruction set is the reference implementation's stack code after one observation: how deep the stack is at an
//! instruction is known when it is compiled. So an instruction names its stack slots (counted from the frame's base)
//! instead of pushing and popping, a pop is no instruction at all, and a local variable can be an operand where it lies.
//! The reference implementation's limits are counted in bytes of *its* code; [`Prototype`]s keep to them, because the
//! compiler counts those bytes along.

/// A stack slot, relative to the frame's base.
pub(crate) type Slot = u16;

/// The most slots a frame may need, and the size of the window through which the machine sees its frame.
pub(crate) const MAX_SLOTS: usize = 1024;

/// One instruction: eight bytes. Jumps are relative to the instruction after the jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub(crate) enum Instr {
    Nil { dst: Slot },
    True { dst: Slot },
    False { dst: Slot },
    Const { dst: Slot, index: u16 },
    Move { dst: Slot, src: Slot },

    GetGlobal { dst: Slot, global: u32 },
    SetGlobal { src: Slot, global: u32 },
    DefineGlobal { src: Slot, global: u32 },
    GetUpvalue { dst: Slot, index: u16 },
    SetUpvalue { src: Slot, index: u16 },
    GetProperty { dst: Slot, object: Slot, site: u16 },
    SetProperty { object: Slot, src: Slot, site: u16 },
    /// The receiver is in `dst`, the superclass in the slot after it.
    GetSuper { dst: Slot, site: u16 },

    Equal { dst: Slot, a: Slot, b: Slot },
    NotEqual { dst: Slot, a: Slot, b: Slot },
    Less { dst: Slot, a: Slot, b: Slot },
    NotLess { dst: Slot, a: Slot, b: Slot },
    LessImm { dst: Slot, a: Slot, imm: i16 },
    NotLessImm { dst: Slot, a: Slot, imm: i16 },
    GreaterImm { dst: Slot, a: Slot, imm: i16 },
    NotGreaterImm { dst: Slot, a: Slot, imm: i16 },
    Add { dst: Slot, a: Slot, b: Slot },
    AddImm { dst: Slot, a: Slot, imm: i16 },
    Subtract { dst: Slot, a: Slot, b: Slot },
    SubtractImm { dst: Slot, a: Slot, imm: i16 },
    Multiply { dst: Slot, a: Slot, b: Slot },
    Divide { dst: Slot, a: Slot, b: Slot },
    Not { dst: Slot, src: Slot },
    Negate { dst: Slot, src: Slot },
    Print { src: Slot },

    Jump { to: u16 },
    /// Jumps back by `back` instructions; `live` slots of the frame are in use there.
    Loop { back: u16, live: Slot },
    JumpIfFalse { src: Slot, to: u16 },
    JumpIfTrue { src: Slot, to: u16 },
    JumpEqual { a: Slot, b: Slot, to: u16 },
    JumpNotEqual { a: Slot, b: Slot, to: u16 },
    JumpLess { a: Slot, b: Slot, to: u16 },
    JumpNotLess { a: Slot, b: Slot, to: u16 },
    JumpLessImm { a: Slot, imm: i16, to: u16 },
    JumpNotLessImm { a: Slot, imm: i16, to: u16 },
    JumpGreaterImm { a: Slot, imm: i16, to: u16 },
    JumpNotGreaterImm { a: Slot, imm: i16, to: u16 },

    /// The arguments follow the callee; the result takes the callee's slot.
    Call { callee: Slot, argc: u8 },
    /// The receiver takes the callee's slot.
    Invoke { callee: Slot, argc: u8, site: u16 },
    /// The superclass is in the slot after the last argument.
    SuperInvoke { callee: Slot, argc: u8, site: u16 },
    Return { src: Slot },

    Closure { dst: Slot, function: u16 },
    CloseUpvalues { from: Slot },
    Class { dst: Slot, name: u16 },
    Inherit { superclass: Slot, subclass: Slot },
    Method { class: Slot, closure: Slot, name: u16 },
}

const _: () = assert!(size_of::<Instr>() == 8);

impl Instr {
    /// The slot that the instruction writes its result to, where it is free to write it anywhere else as well.
    pub(crate) fn result(&mut self) -> Option<&mut Slot> {
        use Instr::*;
        match self {
            Nil { dst } | True { dst } | False { dst } => Some(dst),
            Const { dst, .. } | Move { dst, .. } => Some(dst),
            GetGlobal { dst, .. } | GetUpvalue { dst, .. } | GetProperty { dst, .. } => Some(dst),
            Equal { dst, .. } | NotEqual { dst, .. } => Some(dst),
            Less { dst, .. } | NotLess { dst, .. } => Some(dst),
            LessImm { dst, .. } | NotLessImm { dst, .. } => Some(dst),
            GreaterImm { dst, .. } | NotGreaterImm { dst, .. } => Some(dst),
            Add { dst, .. } | AddImm { dst, .. } => Some(dst),
            Subtract { dst, .. } | SubtractImm { dst, .. } => Some(dst),
            Multiply { dst, .. } | Divide { dst, .. } => Some(dst),
            Not { dst, .. } | Negate { dst, .. } => Some(dst),
            _ => None,
        }
    }

    /// Sets how far a forward jump goes.
    pub(crate) fn set_target(&mut self, distance: u16) {
        use Instr::*;
        match self {
            Jump { to } | JumpIfFalse { to, .. } | JumpIfTrue { to, .. } => *to = distance,
            JumpEqual { to, .. } | JumpNotEqual { to, .. } => *to = distance,
            JumpLess { to, .. } | JumpNotLess { to, .. } => *to = distance,
            JumpLessImm { to, .. } | JumpNotLessImm { to, .. } => *to = distance,
            JumpGreaterImm { to, .. } | JumpNotGreaterImm { to, .. } => *to = distance,
            _ => {}
        }
    }
}

/// Where a closure finds a captured variable when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capture {
    pub(crate) index: u8,
    /// A local variable of the enclosing function, or one of its own captures.
    pub(crate) is_local: bool,
}

/// A constant of a prototype.
#[derive(Debug)]
pub(crate) enum Constant {
    Number(f64),
    Text(Box<str>),
}

/// A compiled function.
#[derive(Debug, Default)]
pub(crate) struct Prototype {
    /// `None` for the script.
    pub(crate) name: Option<Box<str>>,
    pub(crate) arity: u16,
    /// The most slots in use at once.
    pub(crate) slots: u16,
    pub(crate) code: Vec<Instr>,
    /// The source line of each instruction.
    pub(crate) lines: Vec<u32>,
    pub(crate) constants: Vec<Constant>,
    pub(crate) functions: Vec<Prototype>,
    /// The property name of each place in the code that looks one up.
    pub(crate) sites: Vec<Box<str>>,
    pub(crate) captures: Vec<Capture>,
}

/// The names of the global variables, each with a fixed index from its first mention on.
#[derive(Debug, Default)]
pub(crate) struct GlobalNames {
    names: Vec<Box<str>>,
    indices: std::collections::HashMap<Box<str>, u32>,
}

impl GlobalNames {
    /// The index of `name`, a new one where it was never mentioned.
    pub(crate) fn index(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.indices.get(name) {
            return index;
        }
        let index = self.names.len() as u32;
        self.names.push(name.into());
        self.indices.insert(name.into(), index);
        index
    }

    pub(crate) fn name(&self, index: u32) -> &str {
        &self.names[index as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}
