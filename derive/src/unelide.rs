//! `__unelide_lifetimes!('a; Type)`: the half of `Rootable!` that needs to parse a type.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, ParenthesizedGenericArguments, Result, Token, Type, TypeFnPtr, TypeReference};

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let Input { lifetime, mut ty } = syn::parse2(input)?;
    Unelide { lifetime }.visit_type_mut(&mut ty);
    Ok(ty.into_token_stream())
}

struct Input {
    lifetime: Lifetime,
    ty: Type,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let lifetime = input.parse()?;
        input.parse::<Token![;]>()?;
        Ok(Input {
            lifetime,
            ty: input.parse()?,
        })
    }
}

struct Unelide {
    lifetime: Lifetime,
}

impl VisitMut for Unelide {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.lifetime.clone();
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference
            .lifetime
            .get_or_insert_with(|| self.lifetime.clone());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    /// An elided lifetime here is a parameter of the function type.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}

    /// The same for `Fn(&T)`.
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {
    }
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};

    use super::expand;

    #[track_caller]
    fn check(input: proc_macro2::TokenStream, output: proc_macro2::TokenStream) {
        // Parsed and printed again: a parser splits `>>`, which `quote!` keeps as one token.
        let output: syn::Type = syn::parse2(output).unwrap();
        assert_eq!(
            expand(input).unwrap().to_string(),
            output.into_token_stream().to_string()
        );
    }

    #[test]
    fn placeholder_lifetimes_are_named() {
        check(quote!('a; Node<'_>), quote!(Node<'a>));
        check(
            quote!('a; Map<'_, Vec<Node<'_>>>),
            quote!(Map<'a, Vec<Node<'a>>>),
        );
        check(
            quote!('a; (Gc<'_, dyn Object + '_>, [Node<'_>; 2])),
            quote!((Gc<'a, dyn Object + 'a>, [Node<'a>; 2])),
        );
    }

    #[test]
    fn elided_reference_lifetimes_are_named() {
        check(quote!('a; &Mutation<'_>), quote!(&'a Mutation<'a>));
        check(quote!('a; &'static mut str), quote!(&'static mut str));
        check(quote!('a; &&'_ u8), quote!(&'a &'a u8));
    }

    #[test]
    fn function_types_keep_their_own_lifetimes() {
        check(
            quote!('a; fn(&u8, Node<'_>) -> &u8),
            quote!(fn(&u8, Node<'_>) -> &u8),
        );
        check(
            quote!('a; Node<'_, dyn Fn(&u8)>),
            quote!(Node<'a, dyn Fn(&u8)>),
        );
    }

    #[test]
    fn other_lifetimes_stay() {
        check(quote!('a; Node<'static, 'b>), quote!(Node<'static, 'b>));
        check(quote!('a; u8), quote!(u8));
    }

    #[test]
    fn the_separator_is_required() {
        assert!(expand(quote!('a Node<'_>)).is_err());
        assert!(expand(quote!('a; Node<'_> extra)).is_err());
    }
}
