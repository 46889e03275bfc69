//! The procedural macros of tricolor-gc. Use them through that crate, which re-exports both.
//!
//! `#[derive(Trace)]` writes the `Trace` implementation of a type. It goes through five stages, a file each:
//! `ast` turns the input into the few facts that matter, reading the attributes with `attr`; `valid` refuses
//! what cannot be derived; `expand` prints the implementation, asking `recursion` about fields that lead back to
//! the type. After an error, `fallback` prints an empty implementation, so that one mistake gives one message and
//! not one more at each use of the type.
//!
//! # Why the derive is sound
//! `Trace` is an unsafe trait; this macro lets a program without `unsafe` implement it. What it prints keeps the
//! trait's contract because
//! 1. every field is either traced through its own `Trace` implementation, or proven to be `'static` and therefore
//!    free of `Gc`, or proven to be a function pointer, which is an address of code;
//! 2. `NEEDS_TRACE` is the disjunction over the fields, or `true` of a type without a size, to which others are coerced;
//!    `DROP_IS_SEND` is the conjunction, each field's part being the answer of its implementation or a cautious one;
//! 3. the type cannot implement `Drop`, so no code of its own sees a dangling `Gc` while it is dropped.
//!
//! All of it is asked of the fields themselves, by functions that no program can replace: `expand` says how.

mod ast;
mod attr;
mod expand;
mod fallback;
mod recursion;
mod unelide;
mod valid;

use proc_macro::TokenStream;

/// Implements `Trace` for a struct or an enum: each field is traced in turn.
///
/// ```text
/// use tricolor_gc::{Gc, GcCell, Trace};
///
/// #[derive(Trace)]
/// struct Node<'gc, T> {
///     value: T,
///     next: GcCell<Option<Gc<'gc, Node<'gc, T>>>>,
///     #[trace(skip)]
///     modified: std::time::Instant,
/// }
/// ```
///
/// Each type parameter `T` is required to be `T: Trace<'gc>`.
///
/// # The brand
/// The lifetime that stands for the heap is, in this order: the one named by `#[trace(gc = 'a)]`, the parameter
/// `'gc`, the only lifetime parameter. A type without lifetime parameters is `Trace<'gc>` for every `'gc`.
///
/// # Attributes of the type
/// - `#[trace(gc = 'a)]`: the brand is `'a`.
/// - `#[trace(bound = "T: MyTrait<'gc>, U: 'static")]`: these where-clauses in place of `T: Trace<'gc>` for each
///   type parameter. An empty string asks for none. The fields must be traceable under them.
/// - `#[trace(skip)]`: the whole type is a leaf. It must be `'static`, so it can hold no `Gc`; each type
///   parameter is required to be `'static` instead of `Trace`. Such a type may implement `Drop`.
/// - `#[trace(crate = path)]`: where the crate `tricolor_gc` is found, if not at `::tricolor_gc`.
///
/// # Attributes of a field
/// - `#[trace(skip)]`: the field is not traced. Its type must be `'static` and need not implement `Trace`.
/// - `#[trace(recursive)]`: the field's type contains this type again, by way of another type (see below).
///
/// A bound of a type with lifetimes may hold no macro, no attribute, no item (in the block of an array's length) and no `_`.
///
/// A field written as a function pointer, `f: fn(&mut Vm<'gc>)`, is a leaf whatever its signature is.
///
/// # `Drop`
/// The type may not implement `Drop`: when it is dropped, the objects its `Gc`s point to may be gone. The fields may
/// be of types that do, as long as these implement `Trace`, or are skipped and `'static`.
///
/// # Recursive types
/// A type may contain itself, as in `enum Expr { Add(Box<Expr>, Box<Expr>), Name(String) }`. A field whose type
/// mentions the type outside `Gc` and `GcWeak` counts as one that needs tracing, and as droppable on any thread exactly
/// if it is `Send`. A type with neither lifetimes nor type parameters holds no `Gc` and is not traced for all that. One with
/// type parameters and no lifetime is traced in vain, and the cells refuse to write it (`Trace::UNTIED`): give it a `'gc`.
///
/// A type without a size, as a struct that ends with a slice, is treated as one that contains itself: what is coerced to it may be traced. The cells
/// refuse to write it, with a lifetime or without, but not a `Gc` of it.
///
/// Two types that contain each other, without a `Gc` between them, would each need the other's constants to compute
/// their own, and the compiler reports a cycle (E0391). `#[trace(recursive)]` on one of the fields breaks it: that
/// field is treated as one that mentions the type. Where it holds no `Gc`, `#[trace(skip)]` is better still.
#[proc_macro_derive(Trace, attributes(trace))]
pub fn derive_trace(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::derive(&input).into()
}

/// `'a; Type` becomes `Type` with `'a` for each `'_` and for each reference's elided lifetime.
///
/// Lifetimes inside `fn(…)` and `Fn(…)` types belong to those types and stay as they are.
#[doc(hidden)]
#[proc_macro]
pub fn __unelide_lifetimes(input: TokenStream) -> TokenStream {
    unelide::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
