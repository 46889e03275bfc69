//! Printing the implementation. For
//!
//! ```text
//! struct Node<'gc, T> { value: T, next: Link<'gc, T>, #[trace(skip)] at: Instant }
//! ```
//!
//! it is three items:
//! 1. the `Trace` implementation, which does not compile if the type implements `Drop`: see [`no_drop`](items::no_drop);
//! 2. a function that is never called and compiles only if `Instant: 'static`. It is outside the implementation,
//!    and takes no arguments, so that nothing is assumed about the lifetimes except what the type's where-clauses say:
//!    the compiler assumes inside an implementation that the types in its header are well-formed;
//! 3. an implementation that compiles only if the type has the brand `'gc` as a parameter: see [`Expansion::brand_assertion`].
//!
//! **Names.** Paths are absolute, and the items printed are inside blocks. A program may have things of the same names, and
//! its types and clauses are printed in these blocks again, where they would mean something else. So what soundness rests on
//! is not asked of a type as it is printed, nor under a clause of such a block. It is asked inside the implementation, whose
//! clauses are outside: `DROP_IS_SEND` ties each type to the field itself ([`Expansion::same_types`]), which has a type that
//! no name can change, and so does `NEEDS_TRACE` for what is printed outside blocks ([`Expansion::types_are_here`]). That a field is
//! `'static` is asked of the field, that the whole is, or is not `Drop`, of `Self`. Where that matters, `core` is the compiler's, not
//! what the program calls so.
//!
//! **Attributes after the derive** may have another item compiled than the one that it sees. All that it takes from that item is either
//! tied to what is compiled, in these ways, or a pattern without `..`, which names all fields and variants.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    DeriveInput, GenericParam, Generics, Lifetime, LifetimeParam, Path, QSelf, Type, parse_quote,
};

use crate::ast::{Field, Input, Kind, Shape};
use crate::attr::Errors;
use crate::expand::items::{no_drop, probe_items};
use crate::{fallback, valid};

mod items;
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
        let trace_impl = self.trace_impl();
        let (is_static, has_brand) = (self.static_assertion(), self.brand_assertion());
        quote!(#trace_impl #is_static #has_brand)
    }

    fn trace_impl(&self) -> TokenStream {
        let (krate, gc, ident) = (&self.krate, &self.gc, self.input.ident);
        let (impl_generics, _, where_clause) = self.generics.split_for_impl();
        let (_, ty_generics, _) = self.input.generics.split_for_impl();
        let needs_trace = self.needs_trace();
        let needs_trace = match self.types_are_here() {
            None => needs_trace,
            Some(types_are_here) => quote!({ #types_are_here #needs_trace }),
        };
        let untied = self.untied();
        let immutable = self.immutable();
        let cells_inline = self.cells_inline();
        let drop_is_send = self.drop_is_send();
        let tracer = Ident::new("__tracer", Span::mixed_site());
        let body = self.body(&tracer);
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unused_parens, unused_variables)]
            // SAFETY: T1, T2: `body` calls `trace` of every field but those that are code or skipped, which are `'static`; T7: and nothing
            // else. T3: `no_drop`, or the whole is skipped, so `'static`. T4: `drop_is_send`. T5: `needs_trace`, `untied`,
            // `brand_assertion`. T6: every field keeps it, or is `'static`. T8: `immutable`. T9: `cells_inline`. T10: if the type is
            // `'static` its fields are, and keep it.
            unsafe impl #impl_generics #krate::Trace<#gc> for #ident #ty_generics #where_clause {
                const NEEDS_TRACE: ::core::primitive::bool = #needs_trace;
                const UNTIED: ::core::primitive::bool = #untied;
                const IMMUTABLE: ::core::primitive::bool = #immutable;
                const CELLS_INLINE: ::core::primitive::bool = #cells_inline;
                const DROP_IS_SEND: ::core::primitive::bool = #drop_is_send;
                #[inline]
                fn trace(&self, #tracer: &mut #krate::Tracer<#gc>) { #body }
            }
        }
    }

    /// Some field needs it. A type without parameters is `'static` and holds no `Gc`, whatever its recursive fields say.
    fn needs_trace(&self) -> TokenStream {
        if !self.has_brand() && self.input.generics.type_params().next().is_none() {
            return quote!(false);
        }
        let (krate, gc) = (&self.krate, &self.gc);
        let ask =
            |ty: &Type, span| quote_spanned!(span=> || <#ty as #krate::Trace<#gc>>::NEEDS_TRACE);
        let fields = self.traced_fields().map(|field| match &field.kind {
            Kind::Traced => ask(field.ty, at(field.ty)),
            Kind::Recursive => quote!(|| true),
            Kind::Skipped | Kind::Code => TokenStream::new(),
        });
        quote!(false #(#fields)*)
    }

    /// Whether the type has a lifetime parameter, so that it implements `Trace` for one brand only.
    fn has_brand(&self) -> bool {
        self.input.generics.lifetimes().next().is_some()
    }

    /// A type without a brand of its own that is traced has one in some field that is; unless that is a recursive field, which
    /// is traced on suspicion.
    fn untied(&self) -> TokenStream {
        if self.has_brand() || self.input.generics.type_params().next().is_none() {
            return quote!(false);
        }
        let (krate, gc) = (&self.krate, &self.gc);
        let fields = self.traced_fields().map(|field| match &field.kind {
            Kind::Traced => {
                let ty = field.ty;
                quote_spanned!(at(ty)=> || <#ty as #krate::Trace<#gc>>::UNTIED)
            }
            Kind::Recursive => quote!(|| true),
            Kind::Skipped | Kind::Code => TokenStream::new(),
        });
        quote!(false #(#fields)*)
    }

    /// Every field is. One that mentions the type may do so inside a cell.
    fn immutable(&self) -> TokenStream {
        self.holds_for_all(|ty, trait_| quote_spanned!(at(ty)=> && <#ty as #trait_>::IMMUTABLE))
    }

    /// Every field has its cells inside, or none. One that mentions the type may do so in a box.
    fn cells_inline(&self) -> TokenStream {
        self.holds_for_all(|ty, trait_| {
            quote_spanned! {at(ty)=>
                && (<#ty as #trait_>::IMMUTABLE || <#ty as #trait_>::CELLS_INLINE)
            }
        })
    }

    /// What `ask` asks of a field's type, and of its `Trace`, holds for all fields; not for one that mentions the type itself.
    fn holds_for_all(&self, ask: impl Fn(&Type, &TokenStream) -> TokenStream) -> TokenStream {
        if !self.has_brand() && self.input.generics.type_params().next().is_none() {
            return quote!(true);
        }
        let (krate, gc) = (&self.krate, &self.gc);
        let trait_ = quote!(#krate::Trace<#gc>);
        let fields = self.traced_fields().map(|field| match &field.kind {
            Kind::Traced => ask(field.ty, &trait_),
            Kind::Recursive => quote!(&&false),
            Kind::Skipped | Kind::Code => TokenStream::new(),
        });
        quote!(true #(#fields)*)
    }

    /// The type has no drop glue, or the glue of each field may run anywhere. A field's may, if its implementation
    /// says so or if the field can be sent away and dropped there. Asserts on the way that skipped fields are `'static`, as
    /// [`static_assertion`](Self::static_assertion) does, but of types that are known to be the fields'.
    fn drop_is_send(&self) -> TokenStream {
        let (krate, gc) = (&self.krate, &self.gc);
        let ask = |ty: &Type| {
            quote_spanned! {at(ty)=>
                && (<#ty as #krate::Trace<#gc>>::DROP_IS_SEND || __SendProbe::<#ty>::IS_SEND)
            }
        };
        let probe = |ty: &Type| {
            quote! {
                && (!__core::mem::needs_drop::<#ty>() || __SendProbe::<#ty>::IS_SEND)
            }
        };
        let fields: Vec<TokenStream> = if self.input.attrs.skip.is_some() {
            vec![probe(&parse_quote!(Self))]
        } else {
            let answer = |field: &Field<'_>| match &field.kind {
                Kind::Traced => Some(ask(field.ty)),
                Kind::Recursive | Kind::Skipped => Some(probe(field.ty)),
                Kind::Code => None,
            };
            self.input.fields().filter_map(answer).collect()
        };
        let whole = match self.input.attrs.skip {
            Some(_) => quote!(__assert_static::<Self>();),
            None => no_drop(),
        };
        let same_types = self.same_types();
        let probe = probe_items(krate);
        quote!({
            #probe
            #whole
            let __anywhere = !__core::mem::needs_drop::<Self>() || true #(#fields)*;
            #same_types
            __anywhere
        })
    }

    /// Code, never run, that compiles only if the types of fields mean here what they mean in the definition: the items
    /// printed beside it would shadow things of the same names, and the wrong type would be asked. An attribute of another macro,
    /// which comes after this one, may also give a field another type, one that was written as `fn(…)` too. The two types meet
    /// as parameters of an invariant type, where nothing can be coerced. That a skipped field is `'static`, and that another is `Trace`, is
    /// asked of the field: a lifetime that is not written is any lifetime here, the one that is asked about, and may be another where the type
    /// is defined. Fields are borrowed mutably, or theirs could be shortened to it. What is not `Trace` has been reported before, by `ask`.
    fn same_types(&self) -> TokenStream {
        self.for_each_field(|field, index, binding| {
            let ty = field.ty;
            let span = Span::mixed_site().located_at(ty.span());
            let probe = format_ident!("__probe{index}", span = span);
            let gc = &self.gc;
            let asked = match &field.kind {
                Kind::Skipped => quote_spanned!(at(ty)=> __assert_static_of(#binding);),
                Kind::Traced | Kind::Recursive => {
                    quote_spanned!(at(ty)=> __assert_trace_of::<#gc, _>(#probe);)
                }
                Kind::Code => TokenStream::new(),
            };
            // In two statements: a type that is expected could be coerced to.
            quote_spanned! {at(ty)=>
                let #probe = __probe_of(#binding);
                let _: __SendProbe<#ty> = #probe;
                #asked
            }
        })
    }

    /// The same for the constants and `trace`, beside which no items are printed: a type that means the field's among them may mean here what
    /// the field dereferences to.
    fn types_are_here(&self) -> Option<TokenStream> {
        self.traced_fields().next()?;
        Some(self.for_each_field(|field, index, binding| {
            if !field.is_traced() {
                return TokenStream::new();
            }
            let ty = field.ty;
            let only = format_ident!("__only{index}", span = Span::mixed_site());
            // An array is coerced to none of other elements.
            quote_spanned! {at(ty)=>
                let #only = [#binding];
                let _: [&mut (#ty); 1] = #only;
            }
        }))
    }

    /// A closure, never called, that goes by `check` through the fields of a value.
    fn for_each_field(
        &self,
        check: impl Fn(&Field<'_>, usize, &Ident) -> TokenStream,
    ) -> TokenStream {
        if self.input.attrs.skip.is_some() {
            return TokenStream::new();
        }
        let check = |fields: &[Field<'_>]| {
            let (mut pattern, mut checks) = (TokenStream::new(), TokenStream::new());
            for (index, field) in fields.iter().enumerate() {
                let member = &field.member;
                let binding = format_ident!("__field{index}", span = Span::mixed_site());
                pattern.extend(quote!(#member: #binding,));
                checks.extend(check(field, index, &binding));
            }
            (pattern, checks)
        };
        let body = match &self.input.shape {
            Shape::Struct(fields) => {
                let (pattern, checks) = check(fields);
                quote!(let Self { #pattern } = __this; #checks)
            }
            Shape::Enum(variants) if variants.is_empty() => TokenStream::new(),
            Shape::Enum(variants) => {
                let arms = variants.iter().map(|variant| {
                    let ident = variant.ident;
                    let (pattern, checks) = check(&variant.fields);
                    quote!(Self::#ident { #pattern } => { #checks })
                });
                quote!(match __this { #(#arms)* })
            }
            Shape::Union(_) => TokenStream::new(),
        };
        quote!(let _ = |__this: &mut Self| { #body };)
    }

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

    /// The pattern that borrows the traced fields, and the calls that trace them. The pattern names all fields, so
    /// the type cannot have one that another macro added to it.
    fn visit_fields(&self, fields: &[Field<'_>], tracer: &Ident) -> (TokenStream, TokenStream) {
        let (krate, gc) = (&self.krate, &self.gc);
        let visit = |(index, field): (usize, &Field<'_>)| {
            let (member, ty) = (&field.member, field.ty);
            if !field.is_traced() {
                return (quote!(#member: _,), TokenStream::new());
            }
            let binding = format_ident!("__field{index}", span = Span::mixed_site());
            let call = quote_spanned! {at(ty)=>
                <#ty as #krate::Trace<#gc>>::trace(#binding, #tracer);
            };
            (quote!(#member: #binding,), call)
        };
        fields.iter().enumerate().map(visit).unzip()
    }

    fn static_assertion(&self) -> TokenStream {
        let own_type = self.own_type();
        let mut skipped: Vec<Type> = if self.input.attrs.skip.is_some() {
            vec![own_type.clone()]
        } else {
            self.skipped_fields()
                .map(|field| field.ty.clone())
                .collect()
        };
        if skipped.is_empty() {
            return TokenStream::new();
        }
        let mut name_self = NameSelf { own_type };
        let mut generics = self.generics.clone();
        name_self.visit_generics_mut(&mut generics);
        let assertions = skipped.iter_mut().map(|ty| {
            name_self.visit_type_mut(ty);
            quote_spanned!(at(ty)=> __assert_static::<#ty>();)
        });
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        quote! {
            const _: () = {
                #[allow(dead_code)]
                fn __assert_static<__T: ?::core::marker::Sized + 'static>() {}
                #[allow(dead_code, deprecated, clippy::multiple_bound_locations)]
                fn skipped_data_is_static #impl_generics () #where_clause { #(#assertions)* }
            };
        }
    }

    /// An implementation that compiles only if the type, not its name alone, has the brand among its parameters: an associated type may mention
    /// no others. By an attribute after this one, the name may be that of an alias for a type without one, which fits every heap (T5).
    fn brand_assertion(&self) -> TokenStream {
        if !self.has_brand() || self.traced_fields().next().is_none() {
            return TokenStream::new();
        }
        let (gc, own_type) = (&self.gc, self.own_type());
        let (impl_generics, _, where_clause) = self.input.generics.split_for_impl();
        // Something else than the type is called.
        let trait_ = format_ident!("__BrandOf{}", self.input.ident, span = Span::call_site());
        quote! {
            const _: () = {
                #[allow(dead_code, non_camel_case_types)]
                trait #trait_ {
                    type Brand;
                }
                #[automatically_derived]
                #[allow(deprecated, clippy::multiple_bound_locations)]
                impl #impl_generics #trait_ for #own_type #where_clause {
                    type Brand = &#gc ();
                }
            };
        }
    }

    fn own_type(&self) -> Type {
        let ident = self.input.ident;
        let (_, ty_generics, _) = self.input.generics.split_for_impl();
        parse_quote!(#ident #ty_generics)
    }

    /// The fields that are skipped, each by itself.
    fn skipped_fields(&self) -> impl Iterator<Item = &Field<'a>> {
        let skipped = |field: &&Field<'a>| matches!(field.kind, Kind::Skipped);
        self.input.fields().filter(skipped)
    }

    /// The fields of a type that is not skipped as a whole.
    fn traced_fields(&self) -> impl Iterator<Item = &Field<'a>> {
        let traced = |field: &&Field<'a>| self.input.attrs.skip.is_none() && field.is_traced();
        self.input.fields().filter(traced)
    }
}

/// The place of a field's type, for errors, but of the macro: the compiler has no advice for code that nobody wrote.
/// All uses of a field's implementation have the same one, for the compiler then reports the same error but once.
fn at(ty: &Type) -> Span {
    Span::call_site().located_at(ty.span())
}

impl Field<'_> {
    fn is_traced(&self) -> bool {
        !matches!(self.kind, Kind::Skipped | Kind::Code)
    }
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

/// Writes out `Self`, for use outside the implementation.
struct NameSelf {
    own_type: Type,
}

impl VisitMut for NameSelf {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let Type::Path(found) = ty else { return };
        if found.qself.is_some()
            || found
                .path
                .segments
                .first()
                .is_none_or(|first| first.ident != "Self")
        {
            return;
        }
        if found.path.segments.len() == 1 {
            *ty = self.own_type.clone();
            return;
        }
        let rest = found.path.segments.iter().skip(1).cloned();
        found.path = Path {
            leading_colon: Some(Default::default()),
            segments: rest.collect(),
        };
        found.qself = Some(QSelf {
            lt_token: Default::default(),
            ty: Box::new(self.own_type.clone()),
            position: 0,
            as_token: None,
            gt_token: Default::default(),
        });
    }
}
