//! Every instruction in full, for the cases that the loop leaves over, and the errors.

use std::fmt::Write as _;

use tricolor_gc::{AllocError, Gc, Trace};

use super::super::chunk::{Instr, Slot};
use super::super::object::Class;
use super::super::value::Value;
use super::registers::Registers;
use super::{Exit, Machine};

/// Why an instruction could not be run.
pub(super) enum Fault {
    Error(String),
    /// The instruction must be started over, with a larger stack.
    Grow,
    /// The instruction must be started over, after a collection.
    Full,
    /// It was the script's return.
    Done,
}

impl Fault {
    pub(super) fn error(message: &str) -> Self {
        Fault::Error(message.to_string())
    }
}

impl<'s, 'gc> Machine<'s, 'gc> {
    /// Runs one instruction.
    #[inline(never)]
    pub(super) fn slow(
        &mut self,
        mut r: Registers<'s, 'gc>,
        instr: Instr,
    ) -> Result<Registers<'s, 'gc>, Fault> {
        use Instr::*;
        match instr {
            Call { callee, argc } => r = self.call_value(r, callee, argc)?,
            Invoke { callee, argc, site } => r = self.invoke(r, callee, argc, site)?,
            SuperInvoke { callee, argc, site } => {
                r = self.super_invoke(r, callee, argc, site)?;
            }
            Return { src } => r = self.return_value(r, src)?,
            GetProperty { dst, object, site } => self.get_property(&r, dst, object, site)?,
            SetProperty { object, src, site } => self.set_property(&r, object, src, site)?,
            GetSuper { dst, site } => self.get_super(&r, dst, site)?,
            Add { dst, a, b } => self.add(&r, dst, r.get(a), r.get(b))?,
            AddImm { dst, a, imm } => {
                self.add(&r, dst, r.get(a), Value::number(imm.into()))?;
            }
            Closure { dst, function } => self.closure(&r, dst, function)?,
            CloseUpvalues { from } => self.close_upvalues(&r, r.base + usize::from(from)),
            Class { dst, name } => self.class(&r, dst, name)?,
            Inherit {
                superclass,
                subclass,
            } => self.inherit(&r, superclass, subclass)?,
            Method {
                class,
                closure,
                name,
            } => self.add_method(&r, class, closure, name),
            _ => self.simple(&r, instr)?,
        }
        // The start of a function is a place to pause at: the parameters are all that is in use.
        if r.ip == 0 && self.mc.should_yield() {
            r.live = usize::from(r.function.arity) + 1;
        }
        Ok(r)
    }

    /// Output, globals, and the errors of the instructions that are over in the loop.
    fn simple(&mut self, r: &Registers<'s, 'gc>, instr: Instr) -> Result<(), Fault> {
        use Instr::*;
        match instr {
            Print { src } => return self.print(r.get(src)),
            DefineGlobal { src, global } => self.globals[global as usize].set(r.get(src)),
            Negate { .. } => return Err(Fault::error("Operand must be a number.")),
            GetGlobal { global, .. } | SetGlobal { global, .. } => {
                let name = self.names.name(global);
                return Err(Fault::Error(format!("Undefined variable '{name}'.")));
            }
            _ => return Err(Fault::error("Operands must be numbers.")),
        };
        Ok(())
    }

    /// Allocates, or says that the heap is full: once, for a collection; then it is an error.
    pub(super) fn allocate<T: Trace<'gc>>(&mut self, value: T) -> Result<Gc<'gc, T>, Fault> {
        let made = Gc::try_new(self.mc, value);
        self.made(made)
    }

    /// As [`allocate`](Self::allocate) says of what it has tried to make.
    fn made<T>(&self, made: Result<T, AllocError>) -> Result<T, Fault> {
        match made {
            Ok(object) => {
                self.collected.set(false);
                Ok(object)
            }
            Err(_) if self.collected.get() => Err(Fault::error("Out of memory.")),
            Err(_) => Err(Fault::Full),
        }
    }

    /// Leaves the loop because of `fault` in the instruction before `r.ip`.
    #[cold]
    pub(super) fn leave(
        &mut self,
        mut r: Registers<'s, 'gc>,
        fault: Fault,
    ) -> (Registers<'s, 'gc>, Exit) {
        let exit = match fault {
            Fault::Error(message) => Exit::Failed(trace(&r, message)),
            Fault::Done => Exit::Done,
            Fault::Grow | Fault::Full => {
                r.ip -= 1;
                r.live = usize::from(r.function.slots);
                if matches!(fault, Fault::Grow) {
                    Exit::Grow
                } else {
                    Exit::Full
                }
            }
        };
        (r, exit)
    }

    fn add(
        &mut self,
        r: &Registers<'s, 'gc>,
        dst: Slot,
        a: Value<'gc>,
        b: Value<'gc>,
    ) -> Result<(), Fault> {
        let (Value::String(a), Value::String(b)) = (a, b) else {
            return Err(Fault::error("Operands must be two numbers or two strings."));
        };
        let mut buffer = self.vm.buffer.borrow_mut();
        buffer.clear();
        buffer.push_str(&a.text);
        buffer.push_str(&b.text);
        let string = self.made(self.vm.intern(self.mc, &buffer))?;
        r.set(dst, Value::String(string));
        Ok(())
    }

    fn print(&mut self, value: Value<'gc>) -> Result<(), Fault> {
        let written = writeln!(self.out, "{value}");
        written.map_err(|error| Fault::Error(format!("Could not write the output: {error}.")))
    }

    // Classes

    fn class(&mut self, r: &Registers<'s, 'gc>, dst: Slot, name: u16) -> Result<(), Fault> {
        let Value::String(name) = r.constant(name) else {
            unreachable!("a name is a string")
        };
        let class = self.allocate(Class::new(name, self.new_class_key()))?;
        r.set(dst, Value::Class(class));
        Ok(())
    }

    fn inherit(
        &mut self,
        r: &Registers<'s, 'gc>,
        superclass: Slot,
        subclass: Slot,
    ) -> Result<(), Fault> {
        let Value::Class(superclass) = r.get(superclass) else {
            return Err(Fault::error("Superclass must be a class."));
        };
        let Value::Class(subclass) = r.get(subclass) else {
            unreachable!("a class was just declared")
        };
        if !Gc::ptr_eq(superclass, subclass) {
            subclass
                .methods
                .borrow_mut(self.mc)
                .extend(&superclass.methods.borrow());
            subclass.init.set(self.mc, superclass.init.get());
        }
        Ok(())
    }

    fn add_method(&mut self, r: &Registers<'s, 'gc>, class: Slot, closure: Slot, name: u16) {
        let (Value::Class(class), Value::Closure(closure), Value::String(name)) =
            (r.get(class), r.get(closure), r.constant(name))
        else {
            unreachable!("a method is declared in a class")
        };
        class.methods.borrow_mut(self.mc).set(name, closure);
        if Gc::ptr_eq(name, self.vm.init) {
            class.init.set(self.mc, Some(closure));
        }
    }

    fn get_super(&mut self, r: &Registers<'s, 'gc>, dst: Slot, site: u16) -> Result<(), Fault> {
        let Value::Class(superclass) = r.get(dst + 1) else {
            return Err(Fault::error("Superclass must be a class."));
        };
        self.bind(r, dst, r.get(dst), superclass, r.site(site).name)
    }
}

/// The message of an error and where it happened, the innermost call first.
fn trace(r: &Registers<'_, '_>, mut message: String) -> String {
    message.push('\n');
    let waiting = (0..r.depth).rev().map(|depth| r.frame_at(depth));
    for frame in std::iter::once(r.frame()).chain(waiting) {
        let function = frame.closure.function;
        let line = function.lines[frame.ip as usize - 1];
        // Writing to a string cannot fail.
        let _ = match function.name {
            Some(name) => writeln!(message, "[line {line}] in {}()", &*name.text),
            None => writeln!(message, "[line {line}] in script"),
        };
    }
    message
}
