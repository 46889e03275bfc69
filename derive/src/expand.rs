//! Printing the implementation. For
//!
//! ```text
//! struct Node<'gc, T> { value: T, next: Link<'gc, T>, #[trace(skip)] at: Instant }
//! ```
//!
//! it is two items:
//! 1. the `Trace` implementation, which does not compile if the type implements `Drop`, or if `Instant` is not `'static`;
//! 2. an implementation that compiles only if the type has the brand `'gc` as a parameter: see [`Expansion::brand_assertion`].
//!
//! **No type of a field is printed.** What one means here proves nothing about the field: names and macros may mean something else in each place.
//! What is asked of a field is asked of the field: a closure leads from a value to it, and the compiler puts in the type (`src/trace/derived.rs`,
//! whose header says why nobody can answer in the place of this crate). Only the type of a function pointer is printed, which is one whatever
//! the names in it mean, in a place that has no item of the derive's.
//!
//! **Attributes after the derive** may have another item compiled than the one that it sees. What it takes from that item is the pattern by which `trace`
//! takes a value apart, which is without `..` and so names all fields and variants; how each field takes part, which is asked of what is
//! compiled; and whether the type has a brand, or parameters at all. If it sees no brand where there is one, no field that holds a `Gc` is `Trace`
//! for every brand; if it sees one where there is none, [`Expansion::brand_assertion`] fails, or `__outlives`: the former is content
//! with a clause that says the brand, as of the type of a closure, which outlives it.
//!
//! **The parameters and clauses** are printed twice, not in blocks, so that names mean the same as where the type is defined. What could mean something
//! else each time even so is refused in [`valid`].

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    DeriveInput, GenericParam, Generics, Lifetime, LifetimeParam, Member, Path, Type, parse_quote,
};

use crate::ast::{Field, Input, Kind, Shape, Variant};
use crate::attr::Errors;
use crate::{fallback, valid};

#[cfg(test)]
mod tests;

/// The derive: the implementation, or the errors and a fallback.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let input = Input::read(input, &mut errors);
    valid::check(&input, &mut errors);
    match (errors.finish(), input.brand()) {
        (Ok(()), Some(gc)) => Expansion::new(&input, gc).print(),
        (Ok(()), None) => fallback::expand(&input),
        (Err(error), _) => {
            let errors = fallback::report(error);
            let fallback = fallback::expand(&input);
            quote!(#errors #fallback)
        }
    }
}

struct Expansion<'a> {
    input: &'a Input<'a>,
    krate: Path,
    gc: Lifetime,
    /// The parameters and where-clauses of the `Trace` implementation.
    generics: Generics,
}

impl<'a> Expansion<'a> {
    fn new(input: &'a Input<'a>, gc: Lifetime) -> Self {
        let krate = input.krate();
        let generics = impl_generics(input, &krate, &gc);
        Expansion {
            input,
            krate,
            gc,
            generics,
        }
    }

    fn print(&self) -> TokenStream {
        let (trace_impl, has_brand) = (self.trace_impl(), self.brand_assertion());
        quote!(#trace_impl #has_brand)
    }

    fn trace_impl(&self) -> TokenStream {
        let (krate, gc, ident) = (&self.krate, &self.gc, self.input.ident);
        let (impl_generics, _, where_clause) = self.generics.split_for_impl();
        let (_, ty_generics, _) = self.input.generics.split_for_impl();
        let constants = self.constants();
        let tracer = Ident::new("__tracer", Span::mixed_site());
        let body = self.body(&tracer);
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unreachable_patterns, unused_variables)]
            // SAFETY: T1, T2: `body` calls `trace` of every field but those that are code or skipped, which are `'static`; T7: and nothing
            // else. T3: `answers`, or the whole is skipped, so `'static`. T4, T5, T8, T9: `constants`; T5:
            // `brand_assertion`, `answers`. T6: every field keeps it, or is `'static`. T10: if the type is `'static` its fields are, and keep it.
            unsafe impl #impl_generics #krate::Trace<#gc> for #ident #ty_generics #where_clause {
                #constants
                #[inline]
                fn trace(&self, #tracer: &mut #krate::Tracer<#gc>) { #body }
            }
        }
    }

    /// The answers of all fields together, and what they come to for the type.
    fn constants(&self) -> TokenStream {
        let (krate, gc) = (&self.krate, &self.gc);
        let (code, answers) = (self.code_assertions(), self.answers());
        let mine = quote!(<Self as #krate::Trace<#gc>>::__ANSWERS);
        quote! {
            const __ANSWERS: #krate::__Answers = { #answers };
            const NEEDS_TRACE: ::core::primitive::bool = { #(#code)* #mine.needs_trace };
            const UNTIED: ::core::primitive::bool = #mine.untied;
            const IMMUTABLE: ::core::primitive::bool = #mine.immutable;
            const CELLS_INLINE: ::core::primitive::bool = #mine.cells_inline;
            const DROP_IS_SEND: ::core::primitive::bool = #mine.drop_is_send;
        }
    }

    /// Whether the type has a lifetime parameter, so that it implements `Trace` for one brand only.
    fn has_brand(&self) -> bool {
        self.input.generics.lifetimes().next().is_some()
    }

    /// Asks all fields, or the whole type if it is skipped. Refuses on the way a type that implements `Drop`, or may outlive its brand.
    /// No type of the program's is printed in the block.
    fn answers(&self) -> TokenStream {
        let tracer = self.tracer();
        let no_drop = match self.input.attrs.skip {
            Some(_) => TokenStream::new(),
            None => quote!(let _ = || { let () = <#tracer>::__drop_probe::<Self>().__if_drop(); };),
        };
        let this = Ident::new("__this", Span::mixed_site());
        let outlived = match self.has_brand() {
            true => quote!(let _ = |#this: &mut &Self| <#tracer>::__outlives(#this);),
            false => TokenStream::new(),
        };
        let (has_brand, has_types) = (
            self.has_brand(),
            self.input.generics.type_params().next().is_some(),
        );
        let fields = self.asked().into_iter().map(|asked| self.ask(&asked));
        quote! {
            trait __Otherwise {
                fn __if_send(self);
                fn __if_drop(self);
            }
            impl<__T> __Otherwise for __T {
                fn __if_send(self) {}
                fn __if_drop(self) {}
            }
            #no_drop
            #outlived
            <#tracer>::__answers::<Self>(#has_brand, #has_types, &[#(#fields),*])
        }
    }

    /// Asks a field whether it keeps the contract, and what it says of the constants; `__if_send` whether it is `Send`.
    fn ask(&self, asked: &Asked<'_>) -> TokenStream {
        let tracer = self.tracer();
        let way = self.way_to(asked, |place| {
            quote_spanned!(asked.span=> (<#tracer>::__place_of(#place).__if_send(), #place))
        });
        let question = match asked.kind {
            Kind::Traced => quote_spanned!(asked.span=> __traced),
            Kind::Recursive => quote_spanned!(asked.span=> __recursive),
            Kind::Skipped => quote_spanned!(asked.span=> __skipped),
            Kind::Code => unreachable!("never asked"),
        };
        quote_spanned!(asked.span=> <#tracer>::#question(#way))
    }

    /// That each field which counts as code is a pointer to a function.
    fn code_assertions(&self) -> impl Iterator<Item = TokenStream> {
        let code = |asked: &Asked<'_>| matches!(asked.kind, Kind::Code);
        self.fields().into_iter().filter(code).map(|asked| {
            let (tracer, ty) = (self.tracer(), asked.ty);
            let way = self.way_to(&asked, |place| {
                quote! {
                    let #place = <#tracer>::__place_of(#place);
                    <#tracer>::__code(#place, <#tracer>::__place::<#ty>());
                }
            });
            quote_spanned!(asked.span=> let _ = #way;)
        })
    }

    /// The tracer's type, whose functions are those that the derive may trust.
    fn tracer(&self) -> TokenStream {
        let (krate, gc) = (&self.krate, &self.gc);
        quote!(#krate::Tracer<#gc>)
    }

    /// A closure, never called, that goes to a field, and ends with what `end` makes of the name of a reference to it.
    fn way_to(&self, asked: &Asked<'_>, end: impl Fn(&Ident) -> TokenStream) -> TokenStream {
        let span = Span::mixed_site().located_at(asked.span);
        let (this, place) = (Ident::new("__this", span), Ident::new("__at", span));
        let (end, span) = (end(&place), asked.span);
        let way = match (asked.variant, asked.member) {
            (_, None) => quote_spanned!(span=> let #place = #this; #end),
            (None, Some(member)) => {
                quote_spanned!(span=> let Self { #member: #place, .. } = #this; #end)
            }
            (Some(variant), Some(member)) => quote_spanned! {span=>
                match #this {
                    Self::#variant { #member: #place, .. } => { #end }
                    _ => loop {},
                }
            },
        };
        quote_spanned!(span=> |#this: &mut Self| { #way })
    }

    /// Takes the value apart and traces each field. The pattern is without `..`, so that the type cannot have a field that another macro added
    /// to it.
    fn body(&self, tracer: &Ident) -> TokenStream {
        if self.input.attrs.skip.is_some() {
            return TokenStream::new();
        }
        match &self.input.shape {
            Shape::Struct(fields) => {
                let (pattern, calls) = self.visit_fields(fields, tracer);
                quote!(let Self { #pattern } = self; #calls)
            }
            Shape::Enum(variants) if variants.is_empty() => quote!(match *self {}),
            Shape::Enum(variants) => {
                let arms = variants.iter().map(|variant| {
                    let ident = variant.ident;
                    let (pattern, calls) = self.visit_fields(&variant.fields, tracer);
                    quote!(Self::#ident { #pattern } => { #calls })
                });
                quote!(match self { #(#arms)* })
            }
            Shape::Union(_) => TokenStream::new(),
        }
    }

    /// The pattern that names the fields, and the calls that trace those that are.
    fn visit_fields(&self, fields: &[Field<'_>], tracer: &Ident) -> (TokenStream, TokenStream) {
        let (krate, gc) = (&self.krate, &self.gc);
        let visit = |(index, field): (usize, &Field<'_>)| {
            let member = &field.member;
            if !matches!(field.kind, Kind::Traced | Kind::Recursive) {
                return (quote!(#member: _,), TokenStream::new());
            }
            let place = format_ident!("__at{index}", span = Span::mixed_site());
            let call = quote_spanned! {at(field.ty.span())=>
                <_ as #krate::Trace<#gc>>::trace(#place, #tracer);
            };
            (quote!(#member: #place,), call)
        };
        fields.iter().enumerate().map(visit).unzip()
    }

    /// An implementation that compiles only if the type, not its name alone, has the brand among its parameters, or a clause says it of
    /// one: an associated type may mention no others. By an attribute after this one, the name may be that of an alias for a type without
    /// a brand, which fits every heap (T5). Even if no field is traced: without a size it counts as traced all the same.
    fn brand_assertion(&self) -> TokenStream {
        if !self.has_brand() {
            return TokenStream::new();
        }
        let (krate, gc, ident) = (&self.krate, &self.gc, self.input.ident);
        let (impl_generics, ty_generics, where_clause) = self.input.generics.split_for_impl();
        quote! {
            #[automatically_derived]
            #[allow(deprecated)]
            impl #impl_generics #krate::__Branded for #ident #ty_generics #where_clause {
                type Brand = &#gc ();
            }
        }
    }

    /// Who is asked: each field that is no code, or the whole type if it is skipped.
    fn asked(&self) -> Vec<Asked<'a>> {
        if let Some(span) = self.input.attrs.skip {
            let whole = Asked {
                kind: &Kind::Skipped,
                variant: None,
                member: None,
                ty: None,
                span: at(span),
            };
            return vec![whole];
        }
        let mut fields = self.fields();
        fields.retain(|asked| !matches!(asked.kind, Kind::Code));
        fields
    }

    /// The fields of a type that is not skipped as a whole.
    fn fields(&self) -> Vec<Asked<'a>> {
        if self.input.attrs.skip.is_some() {
            return Vec::new();
        }
        let asked = |variant: Option<&'a Ident>, field: &'a Field<'a>| Asked {
            kind: &field.kind,
            variant,
            member: Some(&field.member),
            ty: Some(field.ty),
            span: at(field.ty.span()),
        };
        match &self.input.shape {
            Shape::Struct(fields) => fields.iter().map(|field| asked(None, field)).collect(),
            Shape::Enum(variants) => {
                let of = |variant: &'a Variant<'a>| {
                    let fields = variant.fields.iter();
                    fields.map(move |field| asked(Some(variant.ident), field))
                };
                variants.iter().flat_map(of).collect()
            }
            Shape::Union(_) => Vec::new(),
        }
    }
}

/// A field, or the whole type if it has no member, and the way there.
struct Asked<'a> {
    kind: &'a Kind,
    variant: Option<&'a Ident>,
    member: Option<&'a Member>,
    ty: Option<&'a Type>,
    /// Where an error is reported: at the field's type.
    span: Span,
}

/// The place of a field's type, for errors, but of the macro: the compiler has no advice for code that nobody wrote.
/// All that is asked of a field has the same one, for the compiler then reports the same error but once.
fn at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

/// The type's own parameters and clauses, the brand if it is not among them, and the bounds that tracing asks for.
fn impl_generics(input: &Input<'_>, krate: &Path, gc: &Lifetime) -> Generics {
    let mut generics = input.generics.clone();
    let params: Vec<Ident> = generics
        .type_params()
        .map(|param| param.ident.clone())
        .collect();
    if generics.lifetimes().next().is_none() {
        generics
            .params
            .insert(0, GenericParam::Lifetime(LifetimeParam::new(gc.clone())));
    }
    let bounds = match &input.attrs.bound {
        Some(bounds) => bounds.clone(),
        None if input.attrs.skip.is_some() => params
            .iter()
            .map(|param| parse_quote!(#param: 'static))
            .collect(),
        None => params
            .iter()
            .map(|param| parse_quote!(#param: #krate::Trace<#gc>))
            .collect(),
    };
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
    generics
}
