//! What is printed next to an error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Error, File, GenericParam, Item, Lifetime, LifetimeParam};

use crate::ast::Input;

/// The error, as the compiler's own `core` reports it. What a program calls `::core` may have another `compile_error!`, which reports
/// nothing: the program would be built, with an implementation that traces nothing.
pub(crate) fn report(error: Error) -> TokenStream {
    let mut reports: File = syn::parse2(error.into_compile_error()).expect("macro calls");
    for item in &mut reports.items {
        let Item::Macro(call) = item else { continue };
        let path = &mut call.mac.path;
        let place = path.segments[0].ident.span();
        path.leading_colon = None;
        path.segments[0].ident = Ident::new("__core", Span::call_site().located_at(place));
    }
    quote! {
        const _: () = {
            extern crate core as __core;
            #reports
        };
    }
}

/// An implementation for every brand and every parameter, so that uses of the type raise no further errors. It is
/// never compiled into a program: the error beside it ends the build. If it were, the first marking would not end: it frees nothing.
pub(crate) fn expand(input: &Input<'_>) -> TokenStream {
    let krate = input.krate();
    let ident = input.ident;
    let gc = Lifetime::new("'__gc", Span::call_site());
    let mut generics = input.generics.clone();
    generics
        .params
        .insert(0, GenericParam::Lifetime(LifetimeParam::new(gc.clone())));
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        unsafe impl #impl_generics #krate::Trace<#gc> for #ident #ty_generics #where_clause {
            fn trace(&self, _: &mut #krate::Tracer<#gc>) {
                loop {}
            }
        }
    }
}
