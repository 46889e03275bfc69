//! Objects: everything that lives in the garbage-collected heap.
//!
//! None of those that a program makes in numbers (strings, closures, instances, bound methods) has anything to drop, so
//! sweeping them costs nothing.

use std::cell::Cell;
use std::fmt;

use tricolor_gc::{Gc, GcCell, GcRefCell, Mutation, Trace};

use super::chunk::{Capture, Instr};
use super::table::Table;
use super::value::Value;

/// A string. There is never a second one with the same text, see `strings`.
#[derive(Trace)]
pub(crate) struct LoxString<'gc> {
    pub(crate) hash: u32,
    pub(crate) text: Gc<'gc, str>,
}

/// A compiled function.
#[derive(Trace)]
pub(crate) struct Function<'gc> {
    pub(crate) name: Option<Gc<'gc, LoxString<'gc>>>,
    pub(crate) arity: u16,
    /// The most slots of a frame in use at once.
    pub(crate) slots: u16,
    #[trace(skip)]
    pub(crate) code: Box<[Instr]>,
    pub(crate) lines: Box<[u32]>,
    pub(crate) constants: Box<[Value<'gc>]>,
    pub(crate) functions: Box<[Gc<'gc, Function<'gc>>]>,
    pub(crate) sites: Box<[Site<'gc>]>,
    #[trace(skip)]
    pub(crate) captures: Box<[Capture]>,
}

impl fmt::Display for Function<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "<fn {}>", &*name.text),
            None => f.write_str("<script>"),
        }
    }
}

/// A place in the code that looks up a property, with what it found there for the last two classes.
#[derive(Trace)]
pub(crate) struct Site<'gc> {
    pub(crate) name: Gc<'gc, LoxString<'gc>>,
    /// Where objects of the class with this key have the field.
    pub(crate) field: Cell<(u64, u32)>,
    pub(crate) other_field: Cell<(u64, u32)>,
    pub(crate) method: MethodCache<'gc>,
    pub(crate) other_method: MethodCache<'gc>,
}

/// The method that the class with this key has.
pub(crate) type MethodCache<'gc> = GcCell<(u64, Option<Gc<'gc, Closure<'gc>>>)>;

impl<'gc> Site<'gc> {
    pub(crate) fn new(name: Gc<'gc, LoxString<'gc>>) -> Self {
        let no_field = || Cell::new((NO_CLASS, 0));
        let no_method = || GcCell::new((NO_CLASS, None));
        Site {
            name,
            field: no_field(),
            other_field: no_field(),
            method: no_method(),
            other_method: no_method(),
        }
    }

    /// The place of the field in objects of `class`, from memory or looked up; `None` if none of them ever had it.
    #[inline(always)]
    pub(crate) fn place(&self, class: Gc<'gc, Class<'gc>>) -> Option<u32> {
        let (key, place) = self.field.get();
        if key == class.key.get() {
            Some(place)
        } else {
            self.find_place(class)
        }
    }

    #[inline(never)]
    fn find_place(&self, class: Gc<'gc, Class<'gc>>) -> Option<u32> {
        let (key, place) = self.other_field.get();
        if key == class.key.get() {
            return Some(place);
        }
        let place = class.field(self.name)?;
        self.other_field.set(self.field.get());
        self.field.set((class.key.get(), place));
        Some(place)
    }

    /// The method of `class`, if it is remembered.
    #[inline(always)]
    pub(crate) fn known_method(&self, class: Gc<'gc, Class<'gc>>) -> Option<Gc<'gc, Closure<'gc>>> {
        let (key, method) = self.method.get();
        if key == class.key.get() {
            return method;
        }
        let (key, method) = self.other_method.get();
        if key == class.key.get() { method } else { None }
    }

    pub(crate) fn remember_method(
        &self,
        mc: &Mutation<'gc>,
        class: Gc<'gc, Class<'gc>>,
        method: Gc<'gc, Closure<'gc>>,
    ) {
        self.other_method.set(mc, self.method.get());
        self.method.set(mc, (class.key.get(), Some(method)));
    }
}

/// A key that no class has.
const NO_CLASS: u64 = 0;

/// A function with the variables it captured.
#[derive(Trace)]
pub(crate) struct Closure<'gc> {
    pub(crate) function: Gc<'gc, Function<'gc>>,
    /// The first captured variable: many closures have just one.
    pub(crate) first: Option<Gc<'gc, Upvalue<'gc>>>,
    /// The other captured variables.
    pub(crate) others: Gc<'gc, [Gc<'gc, Upvalue<'gc>>]>,
}

impl<'gc> Closure<'gc> {
    #[inline(always)]
    pub(crate) fn upvalue(&self, index: u16) -> Option<Gc<'gc, Upvalue<'gc>>> {
        match index.checked_sub(1) {
            None => self.first,
            Some(index) => self.others.get(usize::from(index)).copied(),
        }
    }
}

/// A captured variable: while its scope lives it is a stack slot, afterwards its value is here.
#[derive(Trace)]
pub(crate) struct Upvalue<'gc> {
    pub(crate) slot: Cell<usize>,
    pub(crate) value: GcCell<Value<'gc>>,
}

impl<'gc> Upvalue<'gc> {
    /// Stands in `slot` when the value has moved here.
    pub(crate) const CLOSED: usize = usize::MAX;

    pub(crate) fn open(slot: usize) -> Self {
        Upvalue {
            slot: Cell::new(slot),
            value: GcCell::new(Value::Nil),
        }
    }
}

/// A class. Its methods are complete before any code can make an instance.
#[derive(Trace)]
pub(crate) struct Class<'gc> {
    pub(crate) name: Gc<'gc, LoxString<'gc>>,
    /// Identifies the class in the caches of [`Site`]s. Changes when what they know may be wrong.
    pub(crate) key: Cell<u64>,
    pub(crate) methods: GcRefCell<Table<'gc, Gc<'gc, Closure<'gc>>>>,
    pub(crate) init: GcCell<Option<Gc<'gc, Closure<'gc>>>>,
    /// Where instances keep the field of a name: the same place in all of them.
    pub(crate) fields: GcRefCell<Table<'gc, u32>>,
}

impl<'gc> Class<'gc> {
    pub(crate) fn new(name: Gc<'gc, LoxString<'gc>>, key: u64) -> Self {
        Class {
            name,
            key: Cell::new(key),
            methods: GcRefCell::new(Table::new()),
            init: GcCell::new(None),
            fields: GcRefCell::new(Table::new()),
        }
    }

    pub(crate) fn method(&self, name: Gc<'gc, LoxString<'gc>>) -> Option<Gc<'gc, Closure<'gc>>> {
        self.methods.borrow().get(name)
    }

    pub(crate) fn field(&self, name: Gc<'gc, LoxString<'gc>>) -> Option<u32> {
        self.fields.borrow().get(name)
    }
}

/// How many fields lie in the instance itself.
const INLINE_FIELDS: usize = 4;

/// The further fields of an instance.
type MoreFields<'gc> = Gc<'gc, [GcCell<Value<'gc>>]>;

#[derive(Trace)]
struct Fields<'gc> {
    inline: [Value<'gc>; INLINE_FIELDS],
    more: Option<MoreFields<'gc>>,
}

/// An instance of a class.
#[derive(Trace)]
pub(crate) struct Instance<'gc> {
    pub(crate) class: Gc<'gc, Class<'gc>>,
    fields: GcRefCell<Fields<'gc>>,
}

impl<'gc> Instance<'gc> {
    pub(crate) fn new(class: Gc<'gc, Class<'gc>>) -> Self {
        let inline = [Value::Undefined; INLINE_FIELDS];
        Instance {
            class,
            fields: GcRefCell::new(Fields { inline, more: None }),
        }
    }

    /// The field at `index`, `Undefined` where there is none yet.
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Value<'gc> {
        let fields = self.fields.borrow();
        match fields.inline.get(index as usize) {
            Some(value) => *value,
            None => fields.get_more(index),
        }
    }

    #[inline(always)]
    pub(crate) fn set(&self, mc: &Mutation<'gc>, index: u32, value: Value<'gc>) {
        let mut fields = self.fields.borrow_mut(mc);
        match fields.inline.get_mut(index as usize) {
            Some(place) => *place = value,
            None => fields.set_more(mc, index, value),
        }
    }
}

impl<'gc> Fields<'gc> {
    #[inline(never)]
    fn get_more(&self, index: u32) -> Value<'gc> {
        let index = index as usize - INLINE_FIELDS;
        self.more
            .and_then(|more| Some(more.get(index)?.get()))
            .unwrap_or(Value::Undefined)
    }

    #[inline(never)]
    fn set_more(&mut self, mc: &Mutation<'gc>, index: u32, value: Value<'gc>) {
        let index = index as usize - INLINE_FIELDS;
        if let Some(place) = self.more.as_ref().and_then(|more| more.get(index)) {
            place.set(mc, value);
            return;
        }
        let old = self.more;
        let len = (index + 1).next_power_of_two().max(INLINE_FIELDS);
        self.more = Some(Gc::slice_from_fn(mc, len, |i| {
            let known = old.as_ref().and_then(|more| more.get(i)).map(GcCell::get);
            GcCell::new(if i == index {
                value
            } else {
                known.unwrap_or(Value::Undefined)
            })
        }));
    }
}

/// A method taken from an object, to be called later.
#[derive(Trace)]
pub(crate) struct BoundMethod<'gc> {
    pub(crate) receiver: Value<'gc>,
    pub(crate) method: Gc<'gc, Closure<'gc>>,
}

/// A function that the machine provides.
#[derive(Trace)]
pub(crate) struct Native {
    #[trace(skip)]
    pub(crate) function: fn() -> f64,
}
