//! What cannot be derived, and what the attributes may not say together.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, ExprInfer, Type, TypeInfer};

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
        if input.attrs.skip.is_none() && says_no_one_thing(field.ty) {
            errors.add(
                field.ty.span(),
                "a field's type may hold no macro, no attribute and no `_`, which could mean something else in each place: \
                 give it a name with `type`",
            );
        }
    }
}

/// Printed more than once, a macro is expanded more than once. An attribute may be one's, and what has not been parsed may hold either;
/// a macro's input is among that. A `_`, for which another attribute may put something where the type is defined, is inferred in each place
/// by itself.
fn says_no_one_thing(ty: &Type) -> bool {
    struct Search(bool);
    impl<'ast> Visit<'ast> for Search {
        fn visit_token_stream(&mut self, _: &'ast TokenStream) {
            self.0 = true;
        }

        fn visit_attribute(&mut self, _: &'ast Attribute) {
            self.0 = true;
        }

        fn visit_type_infer(&mut self, _: &'ast TypeInfer) {
            self.0 = true;
        }

        fn visit_expr_infer(&mut self, _: &'ast ExprInfer) {
            self.0 = true;
        }
    }
    let mut search = Search(false);
    search.visit_type(ty);
    search.0
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
