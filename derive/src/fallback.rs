//! What is printed next to an error.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{GenericParam, Lifetime, LifetimeParam};

use crate::ast::Input;

/// An implementation for every brand and every parameter, so that uses of the type raise no further errors. It is
/// never compiled into a program: the error beside it ends the build.
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
            fn trace(&self, _: &mut #krate::Tracer<#gc>) {}
        }
    }
}
