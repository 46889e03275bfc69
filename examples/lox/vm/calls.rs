//! Calls of functions, methods and classes; closures and the variables they capture.

use std::cell::Cell;

use tricolor_gc::{Gc, Mutation};

use super::super::chunk::{Capture, Slot};
use super::super::object::{Class, Closure, Instance, Upvalue};
use super::super::value::Value;
use super::registers::{Flow, Registers};
use super::slow::Fault;
use super::{MAX_FRAMES, Machine};

impl<'gc> Registers<'_, 'gc> {
    #[inline(always)]
    pub(super) fn call_value(
        &mut self,
        callee: Slot,
        argc: u8,
        mc: &Mutation<'gc>,
        collected: &Cell<bool>,
    ) -> Flow {
        match self.get(callee) {
            Value::Closure(closure) => self.call(closure, callee, argc, mc),
            Value::Class(class) => self.instantiate(class, callee, argc, mc, collected),
            _ => Flow::Slow,
        }
    }

    #[inline(always)]
    fn instantiate(
        &mut self,
        class: Gc<'gc, Class<'gc>>,
        callee: Slot,
        argc: u8,
        mc: &Mutation<'gc>,
        collected: &Cell<bool>,
    ) -> Flow {
        let Some(init) = class.init.get() else {
            return Flow::Slow;
        };
        let Ok(instance) = Gc::try_new(mc, Instance::new(class)) else {
            return Flow::Slow;
        };
        collected.set(false);
        match self.call(init, callee, argc, mc) {
            Flow::Slow => Flow::Slow,
            flow => {
                self.set(0, Value::Instance(instance));
                flow
            }
        }
    }

    #[inline(always)]
    pub(super) fn invoke(
        &mut self,
        receiver: Slot,
        argc: u8,
        site: u16,
        mc: &Mutation<'gc>,
    ) -> Flow {
        let Value::Instance(instance) = self.get(receiver) else {
            return Flow::Slow;
        };
        match self.site(site).known_method(instance.class) {
            Some(method) => self.call(method, receiver, argc, mc),
            None => Flow::Slow,
        }
    }

    #[inline(always)]
    pub(super) fn super_invoke(
        &mut self,
        receiver: Slot,
        argc: u8,
        site: u16,
        mc: &Mutation<'gc>,
    ) -> Flow {
        let Value::Class(class) = self.get(receiver + u16::from(argc) + 1) else {
            return Flow::Slow;
        };
        match self.site(site).known_method(class) {
            Some(method) => self.call(method, receiver, argc, mc),
            None => Flow::Slow,
        }
    }
}

impl<'s, 'gc> Machine<'s, 'gc> {
    pub(super) fn call_value(
        &mut self,
        r: Registers<'s, 'gc>,
        callee: Slot,
        argc: u8,
    ) -> Result<Registers<'s, 'gc>, Fault> {
        match r.get(callee) {
            Value::Closure(closure) => self.call(r, closure, callee, argc),
            Value::Bound(bound) => {
                let r = self.call(r, bound.method, callee, argc)?;
                r.set(0, bound.receiver);
                Ok(r)
            }
            Value::Class(class) => self.instantiate(r, class, callee, argc),
            Value::Native(native) => {
                r.set(callee, Value::number((native.function)()));
                Ok(r)
            }
            _ => Err(Fault::error("Can only call functions and classes.")),
        }
    }

    fn instantiate(
        &mut self,
        r: Registers<'s, 'gc>,
        class: Gc<'gc, Class<'gc>>,
        callee: Slot,
        argc: u8,
    ) -> Result<Registers<'s, 'gc>, Fault> {
        let instance = Value::Instance(self.allocate(Instance::new(class))?);
        match class.init.get() {
            Some(init) => {
                let r = self.call(r, init, callee, argc)?;
                r.set(0, instance);
                Ok(r)
            }
            None if argc == 0 => {
                r.set(callee, instance);
                Ok(r)
            }
            None => Err(Fault::Error(format!(
                "Expected 0 arguments but got {argc}."
            ))),
        }
    }

    /// Starts a call, or says why it cannot be started. Does not pause: what the caller holds may be on no stack yet.
    pub(super) fn call(
        &mut self,
        mut r: Registers<'s, 'gc>,
        closure: Gc<'gc, Closure<'gc>>,
        callee: Slot,
        argc: u8,
    ) -> Result<Registers<'s, 'gc>, Fault> {
        let arity = closure.function.arity;
        if arity != u16::from(argc) {
            return Err(Fault::Error(format!(
                "Expected {arity} arguments but got {argc}."
            )));
        }
        if r.depth + 1 == MAX_FRAMES {
            return Err(Fault::error("Stack overflow."));
        }
        if r.start_call(closure, callee) {
            Ok(r)
        } else {
            Err(Fault::Grow)
        }
    }

    pub(super) fn invoke(
        &mut self,
        r: Registers<'s, 'gc>,
        receiver: Slot,
        argc: u8,
        site: u16,
    ) -> Result<Registers<'s, 'gc>, Fault> {
        let Value::Instance(instance) = r.get(receiver) else {
            return Err(Fault::error("Only instances have methods."));
        };
        let site = r.site(site);
        let place = site.place(instance.class);
        let field = place.map_or(Value::Undefined, |place| instance.get(place));
        if !field.is_undefined() {
            r.set(receiver, field);
            let called = self.call_value(r, receiver, argc);
            if let Err(Fault::Grow | Fault::Full) = called {
                // It will be started over.
                r.set(receiver, Value::Instance(instance));
            }
            return called;
        }
        let method = self.method(instance.class, site, place.is_some())?;
        self.call(r, method, receiver, argc)
    }

    pub(super) fn super_invoke(
        &mut self,
        r: Registers<'s, 'gc>,
        receiver: Slot,
        argc: u8,
        site: u16,
    ) -> Result<Registers<'s, 'gc>, Fault> {
        let Value::Class(superclass) = r.get(receiver + u16::from(argc) + 1) else {
            return Err(Fault::error("Superclass must be a class."));
        };
        let method = self.method(superclass, r.site(site), false)?;
        self.call(r, method, receiver, argc)
    }

    /// Ends a call whose variables may be captured, or the script.
    pub(super) fn return_value(
        &mut self,
        mut r: Registers<'s, 'gc>,
        src: Slot,
    ) -> Result<Registers<'s, 'gc>, Fault> {
        let value = r.get(src);
        self.close_upvalues(&r, r.base);
        if r.depth == 0 {
            return Err(Fault::Done);
        }
        r.set(src, value);
        r.return_value(src, self.open_end);
        Ok(r)
    }

    pub(super) fn closure(
        &mut self,
        r: &Registers<'s, 'gc>,
        dst: Slot,
        function: u16,
    ) -> Result<(), Fault> {
        let function = r.function.functions[usize::from(function)];
        let captures: &'gc [Capture] = &Gc::as_ref(function).captures;
        // The closure may capture the variable that it is about to become.
        let first = captures.first().map(|&capture| self.captured(r, capture));
        let others = if captures.len() <= 1 {
            self.vm.no_upvalues
        } else {
            Gc::slice_from_fn(self.mc, captures.len() - 1, |i| {
                self.captured(r, captures[i + 1])
            })
        };
        let closure = self.allocate(Closure {
            function,
            first,
            others,
        })?;
        r.set(dst, Value::Closure(closure));
        Ok(())
    }

    fn captured(&mut self, r: &Registers<'s, 'gc>, capture: Capture) -> Gc<'gc, Upvalue<'gc>> {
        if capture.is_local {
            return self.capture(r.base + usize::from(capture.index));
        }
        r.closure
            .upvalue(capture.index.into())
            .expect("the enclosing function captures it")
    }

    /// The captured variable in this stack slot: all closures that capture it share one.
    fn capture(&mut self, slot: usize) -> Gc<'gc, Upvalue<'gc>> {
        let place = self
            .open
            .partition_point(|upvalue| upvalue.slot.get() < slot);
        if let Some(known) = self.open.get(place)
            && known.slot.get() == slot
        {
            return *known;
        }
        let upvalue = Gc::new(self.mc, Upvalue::open(slot));
        self.open.insert(place, upvalue);
        self.open_end = self.open_end.max(slot + 1);
        upvalue
    }

    /// Moves the captured variables from stack slot `from` on out of the stack.
    pub(super) fn close_upvalues(&mut self, r: &Registers<'s, 'gc>, from: usize) {
        while let Some(upvalue) = self.open.pop_if(|upvalue| upvalue.slot.get() >= from) {
            upvalue
                .value
                .set(self.mc, r.stack[upvalue.slot.get()].get());
            upvalue.slot.set(Upvalue::CLOSED);
        }
        self.open_end = self.open.last().map_or(0, |upvalue| upvalue.slot.get() + 1);
    }
}
