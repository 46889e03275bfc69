//! Reading `#[trace(…)]`: syntax only. Which combinations make sense is for [`crate::valid`].
//!
//! A wrong attribute is recorded in [`Errors`] and reading goes on, so that all mistakes are reported at once.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Lifetime, LitStr, Path, Result, Token, WherePredicate};

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn add(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(Error::new(span, message));
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// What `#[trace(…)]` says on the type itself.
#[derive(Default)]
pub(crate) struct ContainerAttrs {
    pub(crate) gc: Option<Lifetime>,
    pub(crate) bound: Option<Vec<WherePredicate>>,
    pub(crate) krate: Option<Path>,
    pub(crate) skip: Option<Span>,
}

/// What `#[trace(…)]` says on a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) skip: Option<Span>,
    pub(crate) recursive: Option<Span>,
}

impl ContainerAttrs {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self::default();
        for_each_entry(attrs, errors, |meta| {
            if meta.path.is_ident("gc") {
                let gc = meta.value()?.parse()?;
                set_once(&mut found.gc, gc, &meta)
            } else if meta.path.is_ident("bound") {
                let text: LitStr = meta.value()?.parse()?;
                let list = text.parse_with(Punctuated::<_, Token![,]>::parse_terminated)?;
                set_once(&mut found.bound, list.into_iter().collect(), &meta)
            } else if meta.path.is_ident("crate") {
                let path = meta.value()?.call(Path::parse_mod_style)?;
                set_once(&mut found.krate, path, &meta)
            } else if meta.path.is_ident("skip") {
                set_once(&mut found.skip, meta.path.span(), &meta)
            } else {
                Err(meta.error("unknown attribute; a type takes `gc`, `bound`, `skip`, `crate`"))
            }
        });
        found
    }
}

impl FieldAttrs {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self::default();
        for_each_entry(attrs, errors, |meta| {
            if meta.path.is_ident("skip") {
                set_once(&mut found.skip, meta.path.span(), &meta)
            } else if meta.path.is_ident("recursive") {
                set_once(&mut found.recursive, meta.path.span(), &meta)
            } else {
                Err(meta.error("unknown attribute; a field takes `skip`, `recursive`"))
            }
        });
        found
    }
}

/// A variant takes no attributes: they are written on its fields.
pub(crate) fn refuse_on_variant(attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("trace")) {
        errors.add(
            attr.span(),
            "a variant takes no `trace` attribute: write it on the fields",
        );
    }
}

/// The span of `packed` in a `#[repr(…)]`.
pub(crate) fn packed_repr(attrs: &[Attribute]) -> Option<Span> {
    let mut found = None;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("repr")) {
        // What is wrong with a `repr` is reported by the compiler; here it only ends the search.
        let _ = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("packed") {
                found = Some(meta.path.span());
            }
            if meta.input.peek(syn::token::Paren) {
                let argument;
                syn::parenthesized!(argument in meta.input);
                argument.parse::<proc_macro2::TokenStream>()?;
            }
            Ok(())
        });
    }
    found
}

fn for_each_entry(
    attrs: &[Attribute],
    errors: &mut Errors,
    mut entry: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("trace")) {
        if let Err(error) = attr.parse_nested_meta(&mut entry) {
            errors.push(error);
        }
    }
}

fn set_once<T>(place: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if place.is_some() {
        let name = meta
            .path
            .get_ident()
            .map_or_else(String::new, ToString::to_string);
        return Err(meta.error(format_args!("`{name}` is given more than once")));
    }
    *place = Some(value);
    Ok(())
}
