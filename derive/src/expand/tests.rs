//! Golden expansions: what is printed, whole, for one type of each kind.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::derive;

/// Both sides are parsed and printed again, which does away with differences in the spacing of tokens.
#[track_caller]
fn check(input: TokenStream, output: TokenStream) {
    let input = syn::parse2(input).unwrap();
    let expected: syn::File = syn::parse2(output).unwrap();
    let printed: syn::File = syn::parse2(derive(&input)).unwrap();
    let printed = &printed.items[..expected.items.len()];
    for (printed, expected) in printed.iter().zip(&expected.items) {
        let (printed, expected) = (printed.to_token_stream(), expected.to_token_stream());
        assert_eq!(printed.to_string(), expected.to_string());
    }
}

#[track_caller]
fn printed(input: TokenStream) -> String {
    let input = syn::parse2(input).unwrap();
    derive(&input).to_string()
}

/// What all types are asked with.
fn otherwise() -> TokenStream {
    quote! {
        trait __Otherwise {
            fn __if_send(self);
            fn __if_drop(self);
        }
        impl<__T> __Otherwise for __T {
            fn __if_send(self) {}
            fn __if_drop(self) {}
        }
    }
}

fn no_drop() -> TokenStream {
    quote! {
        let _ = || {
            let () = <::tricolor_gc::Tracer<'gc>>::__drop_probe::<Self>().__if_drop();
        };
    }
}

/// A question about the field of a struct, or in a variant.
fn ask(question: TokenStream, variant: Option<TokenStream>, member: TokenStream) -> TokenStream {
    let end = quote!((
        <::tricolor_gc::Tracer<'gc>>::__place_of(__at).__if_send(),
        __at
    ));
    let way = match variant {
        None => quote!(let Self { #member: __at, .. } = __this; #end),
        Some(variant) => quote! {
            match __this {
                Self::#variant { #member: __at, .. } => { #end }
                _ => loop {},
            }
        },
    };
    quote!(<::tricolor_gc::Tracer<'gc>>::#question(|__this: &mut Self| { #way }))
}

/// The constants, but for `NEEDS_TRACE`.
fn the_others() -> TokenStream {
    quote! {
        const UNTIED: ::core::primitive::bool = <Self as ::tricolor_gc::Trace<'gc>>::__ANSWERS.untied;
        const IMMUTABLE: ::core::primitive::bool = <Self as ::tricolor_gc::Trace<'gc>>::__ANSWERS.immutable;
        const CELLS_INLINE: ::core::primitive::bool = <Self as ::tricolor_gc::Trace<'gc>>::__ANSWERS.cells_inline;
        const DROP_IS_SEND: ::core::primitive::bool = <Self as ::tricolor_gc::Trace<'gc>>::__ANSWERS.drop_is_send;
    }
}

#[test]
fn generic_struct() {
    let input = quote! {
        struct Node<'gc, T: Clone> { value: T, #[trace(skip)] name: String, call: fn(&T) }
    };
    let (otherwise, no_drop, the_others) = (otherwise(), no_drop(), the_others());
    let value = ask(quote!(__traced), None, quote!(value));
    let name = ask(quote!(__skipped), None, quote!(name));
    check(
        input,
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unreachable_patterns, unused_variables)]
            unsafe impl<'gc, T: Clone> ::tricolor_gc::Trace<'gc> for Node<'gc, T>
            where T: ::tricolor_gc::Trace<'gc> {
                const __ANSWERS: ::tricolor_gc::__Answers = {
                    #otherwise
                    #no_drop
                    let _ = |__this: &mut &Self| <::tricolor_gc::Tracer<'gc>>::__outlives(__this);
                    <::tricolor_gc::Tracer<'gc>>::__answers::<Self>(true, true, &[#value, #name])
                };
                const NEEDS_TRACE: ::core::primitive::bool = {
                    let _ = |__this: &mut Self| {
                        let Self { call: __at, .. } = __this;
                        let __at = <::tricolor_gc::Tracer<'gc>>::__place_of(__at);
                        <::tricolor_gc::Tracer<'gc>>::__code(__at, <::tricolor_gc::Tracer<'gc>>::__place::<fn(&T)>());
                    };
                    <Self as ::tricolor_gc::Trace<'gc>>::__ANSWERS.needs_trace
                };
                #the_others
                #[inline]
                fn trace(&self, __tracer: &mut ::tricolor_gc::Tracer<'gc>) {
                    let Self { value: __at0, name: _, call: _, } = self;
                    <_ as ::tricolor_gc::Trace<'gc>>::trace(__at0, __tracer);
                }
            }
            #[automatically_derived]
            #[allow(deprecated)]
            impl<'gc, T: Clone> ::tricolor_gc::__Branded for Node<'gc, T> {
                type Brand = &'gc ();
            }
        },
    );
}

#[test]
fn recursive_enum() {
    let input = quote! {
        enum Expr { Add(Box<Expr>, Box<Self>), Nil }
    };
    let (otherwise, no_drop, the_others) = (otherwise(), no_drop(), the_others());
    let left = ask(quote!(__recursive), Some(quote!(Add)), quote!(0));
    let right = ask(quote!(__recursive), Some(quote!(Add)), quote!(1));
    let output = quote! {
        #[automatically_derived]
        #[allow(deprecated, unreachable_patterns, unused_variables)]
        unsafe impl<'gc> ::tricolor_gc::Trace<'gc> for Expr {
            const __ANSWERS: ::tricolor_gc::__Answers = {
                #otherwise
                #no_drop
                <::tricolor_gc::Tracer<'gc>>::__answers::<Self>(false, false, &[#left, #right])
            };
            const NEEDS_TRACE: ::core::primitive::bool = { <Self as ::tricolor_gc::Trace<'gc>>::__ANSWERS.needs_trace };
            #the_others
            #[inline]
            fn trace(&self, __tracer: &mut ::tricolor_gc::Tracer<'gc>) {
                match self {
                    Self::Add { 0: __at0, 1: __at1, } => {
                        <_ as ::tricolor_gc::Trace<'gc>>::trace(__at0, __tracer);
                        <_ as ::tricolor_gc::Trace<'gc>>::trace(__at1, __tracer);
                    }
                    Self::Nil {} => {}
                }
            }
        }
    };
    check(input, output);
}

#[test]
fn skipped_type() {
    let input = quote! {
        #[trace(skip)]
        struct Leaf<T>(T);
    };
    let (otherwise, the_others) = (otherwise(), the_others());
    let output = quote! {
        #[automatically_derived]
        #[allow(deprecated, unreachable_patterns, unused_variables)]
        unsafe impl<'gc, T> ::tricolor_gc::Trace<'gc> for Leaf<T> where T: 'static {
            const __ANSWERS: ::tricolor_gc::__Answers = {
                #otherwise
                <::tricolor_gc::Tracer<'gc>>::__answers::<Self>(false, true, &[
                    <::tricolor_gc::Tracer<'gc>>::__skipped(|__this: &mut Self| {
                        let __at = __this;
                        (<::tricolor_gc::Tracer<'gc>>::__place_of(__at).__if_send(), __at)
                    })
                ])
            };
            const NEEDS_TRACE: ::core::primitive::bool = { <Self as ::tricolor_gc::Trace<'gc>>::__ANSWERS.needs_trace };
            #the_others
            #[inline]
            fn trace(&self, __tracer: &mut ::tricolor_gc::Tracer<'gc>) {}
        }
    };
    check(input, output);
}

#[test]
fn errors_come_with_a_fallback() {
    let input = quote! {
        #[trace(crate = gc)]
        struct Node<'a, 'b, T: 'a>(#[trace(ignore)] T);
    };
    let output = quote! {
        const _: () = {
            extern crate core as __core;
            __core::compile_error! { "unknown attribute; a field takes `skip`, `recursive`" }
            __core::compile_error! {
                "`Node` has several lifetimes: name the one of the heap `'gc`, or add `#[trace(gc = 'a)]`"
            }
        };
        #[automatically_derived]
        unsafe impl<'__gc, 'a, 'b, T: 'a> gc::Trace<'__gc> for Node<'a, 'b, T> {
            fn trace(&self, _: &mut gc::Tracer<'__gc>) {
                loop {}
            }
        }
    };
    check(input, output);
}

#[test]
fn mentions_of_the_type_are_not_asked() {
    let fields = [
        quote!(Vec<Pair<T, U>>),
        quote!(Vec<Pair<U, T>>),
        quote!(Tree<Pair<T, U>>),
        quote!(Vec<crate::Pair<T, U>>),
        quote!(Option<[Box<Self>; 2]>),
        quote!(<Self as Other>::Type),
    ];
    for field in fields {
        let printed = printed(quote!(struct Pair<T, U>(#field);));
        assert!(printed.contains("__recursive"), "{printed}");
        assert!(!printed.contains("__traced"), "{printed}");
    }
}

#[test]
fn mentions_behind_a_gc_are_no_recursion() {
    let behind = printed(quote!(
        struct Node<'gc>(Tree<Gc<'gc, Node<'gc>>>, GcWeak<'gc, Self>);
    ));
    assert!(!behind.contains("__recursive"), "{behind}");
}

/// A path that the user chooses may lead to anything; of it, only what cannot be faked is used.
#[test]
fn only_the_trait_and_its_tracer_are_trusted_of_the_path_of_the_crate() {
    let printed = printed(quote!(
        #[trace(crate = gc)]
        struct Node<'gc, T>(T, Box<Self>, #[trace(skip)] String);
    ));
    let names = printed.split("gc :: ").skip(1);
    for name in names.map(|rest| rest.split(' ').next().unwrap()) {
        assert!(
            matches!(name, "Trace" | "Tracer" | "__Answers" | "__Branded"),
            "{name}: {printed}"
        );
    }
}

/// What a type means where it is printed says nothing about the field.
#[test]
fn no_type_of_a_field_is_printed_but_those_of_functions() {
    let printed = printed(quote! {
        enum Kinds<'gc, T> { A(Traced<T>, #[trace(skip)] Skipped, Box<Kinds<'gc, T>>), B { code: fn(Code), link: link!() } }
    });
    for ty in ["Traced", "Skipped", "Box", "link !"] {
        assert!(!printed.contains(ty), "{ty}: {printed}");
    }
    assert_eq!(printed.matches("fn (Code)").count(), 1, "{printed}");
}

#[test]
fn the_brand_avoids_a_binder_of_the_same_name() {
    let binder = printed(quote!(
        struct Node(u8, for<'gc> fn(&'gc u8));
    ));
    assert!(binder.contains("Trace < '__gc > for Node"), "{binder}");
}
