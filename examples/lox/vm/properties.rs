//! Globals, fields and methods: the lookups that a cache at their place in the code answers, and those it does not.
//!
//! A [`Site`] remembers the classes it met last by their keys, with the place of the field or with the method. The key
//! changes when an instance gets a field of the name of a method, which from then on may hide it.

use std::cell::Cell;

use tricolor_gc::{Gc, Mutation};

use super::super::chunk::Slot;
use super::super::object::{BoundMethod, Class, Closure, LoxString, Site};
use super::super::value::Value;
use super::Machine;
use super::registers::{Flow, Registers};
use super::slow::Fault;

impl<'gc> Registers<'_, 'gc> {
    #[inline(always)]
    pub(super) fn get_global(&self, globals: &[Cell<Value<'gc>>], dst: Slot, global: u32) -> Flow {
        match globals[global as usize].get() {
            Value::Undefined => Flow::Slow,
            value => self.set(dst, value),
        }
    }

    #[inline(always)]
    pub(super) fn set_global(&self, globals: &[Cell<Value<'gc>>], src: Slot, global: u32) -> Flow {
        let global = &globals[global as usize];
        if global.get().is_undefined() {
            return Flow::Slow;
        }
        global.set(self.get(src));
        Flow::Next
    }

    #[inline(always)]
    pub(super) fn site(&self, site: u16) -> &'gc Site<'gc> {
        &self.function.sites[usize::from(site)]
    }

    #[inline(always)]
    pub(super) fn get_property(&self, dst: Slot, object: Slot, site: u16) -> Flow {
        let Value::Instance(instance) = self.get(object) else {
            return Flow::Slow;
        };
        let Some(place) = self.site(site).place(instance.class) else {
            return Flow::Slow;
        };
        match instance.get(place) {
            Value::Undefined => Flow::Slow,
            value => self.set(dst, value),
        }
    }

    #[inline(always)]
    pub(super) fn set_property(
        &self,
        object: Slot,
        value: Slot,
        site: u16,
        mc: &Mutation<'gc>,
    ) -> Flow {
        let Value::Instance(instance) = self.get(object) else {
            return Flow::Slow;
        };
        let Some(place) = self.site(site).place(instance.class) else {
            return Flow::Slow;
        };
        instance.set(mc, place, self.get(value));
        Flow::Next
    }
}

impl<'s, 'gc> Machine<'s, 'gc> {
    /// The loop has found no field: it must be a method.
    pub(super) fn get_property(
        &mut self,
        r: &Registers<'s, 'gc>,
        dst: Slot,
        object: Slot,
        site: u16,
    ) -> Result<(), Fault> {
        let Value::Instance(instance) = r.get(object) else {
            return Err(Fault::error("Only instances have properties."));
        };
        self.bind(
            r,
            dst,
            Value::Instance(instance),
            instance.class,
            r.site(site).name,
        )
    }

    /// Puts the method `name` of `class`, bound to `receiver`, into `dst`.
    pub(super) fn bind(
        &mut self,
        r: &Registers<'s, 'gc>,
        dst: Slot,
        receiver: Value<'gc>,
        class: Gc<'gc, Class<'gc>>,
        name: Gc<'gc, LoxString<'gc>>,
    ) -> Result<(), Fault> {
        let method = class.method(name).ok_or_else(|| undefined_property(name))?;
        let bound = self.allocate(BoundMethod { receiver, method })?;
        r.set(dst, Value::Bound(bound));
        Ok(())
    }

    /// The loop has found no place for the field: the class gets one.
    pub(super) fn set_property(
        &mut self,
        r: &Registers<'s, 'gc>,
        object: Slot,
        value: Slot,
        site: u16,
    ) -> Result<(), Fault> {
        let Value::Instance(instance) = r.get(object) else {
            return Err(Fault::error("Only instances have fields."));
        };
        let place = self.add_field(instance.class, r.site(site).name);
        instance.set(self.mc, place, r.get(value));
        Ok(())
    }

    fn add_field(&self, class: Gc<'gc, Class<'gc>>, name: Gc<'gc, LoxString<'gc>>) -> u32 {
        let mut fields = class.fields.borrow_mut(self.mc);
        let place = fields.len() as u32;
        fields.set(name, place);
        if class.method(name).is_some() {
            class.key.set(self.new_class_key());
        }
        place
    }

    pub(super) fn new_class_key(&self) -> u64 {
        let key = self.vm.next_class.get();
        self.vm.next_class.set(key + 1);
        key
    }

    /// The method that a call at `site` means, which it then remembers: unless a field may hide it.
    pub(super) fn method(
        &self,
        class: Gc<'gc, Class<'gc>>,
        site: &Site<'gc>,
        may_be_hidden: bool,
    ) -> Result<Gc<'gc, Closure<'gc>>, Fault> {
        let method = class
            .method(site.name)
            .ok_or_else(|| undefined_property(site.name))?;
        if !may_be_hidden {
            site.remember_method(self.mc, class, method);
        }
        Ok(method)
    }
}

fn undefined_property(name: Gc<'_, LoxString<'_>>) -> Fault {
    Fault::Error(format!("Undefined property '{}'.", &*name.text))
}
