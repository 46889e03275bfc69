//! The derive input, reduced to what the later stages ask for.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Generics, Ident, Index, Lifetime, Member, Path, Type};

use crate::attr::{self, ContainerAttrs, Errors, FieldAttrs};
use crate::recursion;

/// A type that derives `Trace`.
pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) attrs: ContainerAttrs,
    pub(crate) shape: Shape<'a>,
    /// The span of `packed`, if the type is.
    pub(crate) packed: Option<Span>,
    /// A lifetime that no part of the input mentions: the brand of a type that has none.
    pub(crate) fresh_brand: Lifetime,
}

pub(crate) enum Shape<'a> {
    Struct(Vec<Field<'a>>),
    Enum(Vec<Variant<'a>>),
    /// Refused by [`crate::valid`]; the span is that of the keyword.
    Union(Span),
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) fields: Vec<Field<'a>>,
}

pub(crate) struct Field<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) kind: Kind,
    pub(crate) attrs: FieldAttrs,
}

/// How a field takes part in the implementation.
pub(crate) enum Kind {
    /// Traced; its constants are those of its own implementation.
    Traced,
    /// Traced; its constants cannot be asked for without a cycle.
    Recursive,
    /// Not traced; proven to be `'static`.
    Skipped,
    /// A function pointer: there is nothing to trace or to drop.
    Code,
}

impl<'a> Input<'a> {
    pub(crate) fn read(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let attrs = ContainerAttrs::read(&input.attrs, errors);
        let read = |fields: &'a Fields, errors: &mut Errors| read_fields(input, fields, errors);
        let shape = match &input.data {
            Data::Struct(data) => Shape::Struct(read(&data.fields, errors)),
            Data::Enum(data) => {
                let variants = data.variants.iter().map(|variant| {
                    attr::refuse_on_variant(&variant.attrs, errors);
                    let fields = read(&variant.fields, errors);
                    Variant {
                        ident: &variant.ident,
                        fields,
                    }
                });
                Shape::Enum(variants.collect())
            }
            Data::Union(data) => Shape::Union(data.union_token.span()),
        };
        Input {
            ident: &input.ident,
            generics: &input.generics,
            attrs,
            shape,
            packed: attr::packed_repr(&input.attrs),
            fresh_brand: fresh_brand(input),
        }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        let (own, variants): (&[Field<'a>], &[Variant<'a>]) = match &self.shape {
            Shape::Struct(fields) => (fields, &[]),
            Shape::Enum(variants) => (&[], variants),
            Shape::Union(_) => (&[], &[]),
        };
        own.iter()
            .chain(variants.iter().flat_map(|variant| &variant.fields))
    }

    /// The path of the crate `tricolor_gc`.
    pub(crate) fn krate(&self) -> Path {
        self.attrs
            .krate
            .clone()
            .unwrap_or_else(|| syn::parse_quote!(::tricolor_gc))
    }

    /// The brand, or `None` where several lifetimes could be it.
    pub(crate) fn brand(&self) -> Option<Lifetime> {
        if let Some(named) = &self.attrs.gc {
            return Some(named.clone());
        }
        let lifetimes: Vec<_> = self
            .generics
            .lifetimes()
            .map(|param| &param.lifetime)
            .collect();
        let named_gc = lifetimes.iter().find(|lifetime| lifetime.ident == "gc");
        match (named_gc, lifetimes.as_slice()) {
            (Some(gc), _) => Some((*gc).clone()),
            (None, []) => Some(self.fresh_brand.clone()),
            (None, [only]) => Some((*only).clone()),
            (None, _) => None,
        }
    }
}

fn read_fields<'a>(input: &DeriveInput, fields: &'a Fields, errors: &mut Errors) -> Vec<Field<'a>> {
    let read = |(index, field): (usize, &'a syn::Field)| {
        let attrs = FieldAttrs::read(&field.attrs, errors);
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(Index {
                index: index as u32,
                span: field.ty.span(),
            }),
        };
        let kind = kind_of(input, &field.ty, &attrs);
        Field {
            member,
            ty: &field.ty,
            kind,
            attrs,
        }
    };
    fields.iter().enumerate().map(read).collect()
}

fn kind_of(input: &DeriveInput, ty: &Type, attrs: &FieldAttrs) -> Kind {
    if attrs.skip.is_some() {
        Kind::Skipped
    } else if is_fn_pointer(ty) {
        Kind::Code
    } else if attrs.recursive.is_some() {
        Kind::Recursive
    } else {
        recursion::kind_of(input, ty)
    }
}

/// By its syntax alone: no name can be shadowed to make something else of `fn(…)`.
fn is_fn_pointer(ty: &Type) -> bool {
    match ty {
        Type::FnPtr(_) => true,
        Type::Paren(inner) => is_fn_pointer(&inner.elem),
        Type::Group(inner) => is_fn_pointer(&inner.elem),
        _ => false,
    }
}

/// `'gc`, unless a `for<'gc>` somewhere in the input would shadow it, which is an error.
fn fresh_brand(input: &DeriveInput) -> Lifetime {
    let taken = has_lifetime(input.to_token_stream(), "gc");
    Lifetime::new(if taken { "'__gc" } else { "'gc" }, Span::call_site())
}

fn has_lifetime(tokens: TokenStream, name: &str) -> bool {
    let mut after_quote = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) if has_lifetime(group.stream(), name) => return true,
            TokenTree::Ident(ident) if after_quote && ident == name => return true,
            TokenTree::Punct(punct) => {
                after_quote = punct.as_char() == '\'';
                continue;
            }
            _ => {}
        }
        after_quote = false;
    }
    false
}
