//! Values: what a variable, a field or a stack slot holds.

use std::fmt;

use tricolor_gc::{Gc, Trace};

use super::object::{BoundMethod, Class, Closure, Instance, LoxString, Native};

/// A number, held as its bits. With a float in it, `Value` would not be a pair of machine words to the compiler, and
/// every copy of one would be a sixteen-byte move, which waits for the two smaller stores before it.
#[derive(Clone, Copy, Trace)]
pub(crate) struct Number(u64);

impl Number {
    pub(crate) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// A Lox value. Which kind of object it is stands in the value, so a type test does not touch the heap.
///
/// The first two are the ones that count as false.
#[derive(Clone, Copy, Trace)]
pub(crate) enum Value<'gc> {
    Nil,
    False,
    True,
    /// What a global variable holds before its definition, and a field before its first assignment. No program sees it.
    Undefined,
    Number(Number),
    String(Gc<'gc, LoxString<'gc>>),
    Closure(Gc<'gc, Closure<'gc>>),
    Class(Gc<'gc, Class<'gc>>),
    Instance(Gc<'gc, Instance<'gc>>),
    Bound(Gc<'gc, BoundMethod<'gc>>),
    Native(Gc<'gc, Native>),
}

impl<'gc> Value<'gc> {
    #[inline(always)]
    pub(crate) fn number(number: f64) -> Self {
        Value::Number(Number(number.to_bits()))
    }

    #[inline(always)]
    pub(crate) fn bool(value: bool) -> Self {
        if value { Value::True } else { Value::False }
    }

    #[inline(always)]
    pub(crate) fn is_false(self) -> bool {
        matches!(self, Value::Nil | Value::False)
    }

    #[inline(always)]
    pub(crate) fn is_undefined(self) -> bool {
        matches!(self, Value::Undefined)
    }

    /// Equality as Lox has it: by value for numbers, by identity for objects; equal strings are one object.
    #[inline(always)]
    pub(crate) fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a.get() == b.get(),
            (Value::Nil, Value::Nil) | (Value::True, Value::True) => true,
            (Value::False, Value::False) => true,
            (Value::String(a), Value::String(b)) => Gc::ptr_eq(a, b),
            (Value::Closure(a), Value::Closure(b)) => Gc::ptr_eq(a, b),
            (Value::Class(a), Value::Class(b)) => Gc::ptr_eq(a, b),
            (Value::Instance(a), Value::Instance(b)) => Gc::ptr_eq(a, b),
            (Value::Bound(a), Value::Bound(b)) => Gc::ptr_eq(a, b),
            (Value::Native(a), Value::Native(b)) => Gc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil | Value::Undefined => f.write_str("nil"),
            Value::False => f.write_str("false"),
            Value::True => f.write_str("true"),
            Value::Number(number) => write_number(f, number.get()),
            Value::String(string) => f.write_str(&string.text),
            Value::Closure(closure) => closure.function.fmt(f),
            Value::Class(class) => f.write_str(&class.name.text),
            Value::Instance(instance) => write!(f, "{} instance", &*instance.class.name.text),
            Value::Bound(bound) => bound.method.function.fmt(f),
            Value::Native(_) => f.write_str("<native fn>"),
        }
    }
}

/// Writes a number as C's `%g` does: six significant digits, no trailing zeros, an exponent outside 1e-4 … 1e6.
fn write_number(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    const DIGITS: usize = 6;
    if !number.is_finite() {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        return write!(f, "{sign}{}", if number.is_nan() { "nan" } else { "inf" });
    }
    if number == 0.0 {
        return f.write_str(if number.is_sign_negative() { "-0" } else { "0" });
    }
    // Rounded in the exponent's form first, because rounding can change the exponent.
    let rounded = format!("{number:.*e}", DIGITS - 1);
    let (mantissa, exponent) = rounded.split_once('e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    if (-4..DIGITS as i32).contains(&exponent) {
        let decimals = (DIGITS as i32 - 1 - exponent) as usize;
        return f.write_str(without_trailing_zeros(&format!("{number:.decimals$}")));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(
        f,
        "{}e{sign}{:02}",
        without_trailing_zeros(mantissa),
        exponent.abs()
    )
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}
