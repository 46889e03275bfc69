//! What cannot be derived, and what the attributes may not say together.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, ExprInfer, Item, TypeInfer};

use crate::ast::{Input, Shape};
use crate::attr::Errors;

/// Records everything that is wrong with `input`.
pub(crate) fn check(input: &Input<'_>, errors: &mut Errors) {
    check_shape(input, errors);
    check_brand(input, errors);
    check_skipped_container(input, errors);
    for field in input.fields() {
        if let (Some(_), Some(recursive)) = (field.attrs.skip, field.attrs.recursive) {
            errors.add(
                recursive,
                "a skipped field is not traced: `recursive` says nothing about it",
            );
        }
    }
    check_clauses(input, errors);
}

/// The implementation by which the compiler sees the brand has the clauses of the other. One of them could have the brand known by what it says
/// there alone.
fn check_clauses(input: &Input<'_>, errors: &mut Errors) {
    let generics = input.generics;
    if generics.lifetimes().next().is_none() {
        return;
    }
    let bounds = generics.type_params().flat_map(|param| &param.bounds);
    let clauses = generics.where_clause.iter();
    let clauses = clauses.flat_map(|clause| &clause.predicates);
    let unclear = bounds
        .filter(|bound| says_no_one_thing(|search| search.visit_type_param_bound(bound)))
        .map(Spanned::span)
        .chain(
            clauses
                .filter(|clause| says_no_one_thing(|search| search.visit_where_predicate(clause)))
                .map(Spanned::span),
        );
    for span in unclear {
        errors.add(
            span,
            "a bound may hold no macro, no attribute, no item and no `_`, which could mean something else in each place",
        );
    }
}

/// Printed more than once, a macro is expanded more than once. An attribute may be one's, and what has not been parsed may hold either;
/// a macro's input is among that. A `_` is inferred in each place by itself. An item is one of each place.
fn says_no_one_thing(visit: impl FnOnce(&mut Unclear)) -> bool {
    let mut search = Unclear(false);
    visit(&mut search);
    search.0
}

struct Unclear(bool);

impl<'ast> Visit<'ast> for Unclear {
    fn visit_token_stream(&mut self, _: &'ast TokenStream) {
        self.0 = true;
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {
        self.0 = true;
    }

    fn visit_item(&mut self, _: &'ast Item) {
        self.0 = true;
    }

    fn visit_type_infer(&mut self, _: &'ast TypeInfer) {
        self.0 = true;
    }

    fn visit_expr_infer(&mut self, _: &'ast ExprInfer) {
        self.0 = true;
    }
}

fn check_shape(input: &Input<'_>, errors: &mut Errors) {
    if let Shape::Union(keyword) = input.shape {
        errors.add(
            keyword,
            "`Trace` cannot be derived for a union: which of its fields holds a value is not known",
        );
    }
    if let (Some(packed), None) = (input.packed, input.attrs.skip) {
        errors.add(
            packed,
            "`Trace` cannot be derived for a packed type: its fields cannot be borrowed",
        );
    }
}

fn check_brand(input: &Input<'_>, errors: &mut Errors) {
    let ident = input.ident;
    if let Some(named) = &input.attrs.gc {
        if !input
            .generics
            .lifetimes()
            .any(|param| param.lifetime == *named)
        {
            errors.add(
                named.span(),
                format_args!("`{named}` is not a lifetime parameter of `{ident}`"),
            );
        }
    } else if input.brand().is_none() && input.attrs.skip.is_none() {
        errors.add(
            ident.span(),
            format_args!(
                "`{ident}` has several lifetimes: name the one of the heap `'gc`, or add `#[trace(gc = 'a)]`"
            ),
        );
    }
}

fn check_skipped_container(input: &Input<'_>, errors: &mut Errors) {
    if input.attrs.skip.is_none() {
        return;
    }
    if let Some(param) = input.generics.lifetimes().next() {
        errors.add(
            param.lifetime.span(),
            "a type with `#[trace(skip)]` must be `'static`: it cannot have lifetime parameters",
        );
    }
    for field in input.fields() {
        if let Some(span) = field.attrs.skip.or(field.attrs.recursive) {
            errors.add(
                span,
                "the whole type is skipped: its fields take no `trace` attribute",
            );
        }
    }
}
