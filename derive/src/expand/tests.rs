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

#[test]
fn generic_struct() {
    let input = quote! {
        struct Node<'gc, T: Clone> {
            value: T,
            #[trace(skip)]
            name: String,
            call: fn(&T),
        }
    };
    let output = quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_variables)]
        unsafe impl<'gc, T: Clone> ::tricolor_gc::Trace<'gc> for Node<'gc, T>
        where
            T: ::tricolor_gc::Trace<'gc>
        {
            const NEEDS_TRACE: ::core::primitive::bool =
                false || <T as ::tricolor_gc::Trace<'gc>>::NEEDS_TRACE;
            const DROP_IS_SEND: ::core::primitive::bool = {
                #[allow(unused_imports)]
                use ::tricolor_gc::__private::NotSend as _;
                !::core::mem::needs_drop::<Self>() || true
                    && (<T as ::tricolor_gc::Trace<'gc>>::DROP_IS_SEND
                        || ::tricolor_gc::__private::SendProbe::<T>::IS_SEND)
                    && (!::core::mem::needs_drop::<String>()
                        || ::tricolor_gc::__private::SendProbe::<String>::IS_SEND)
            };
            #[inline]
            fn trace(&self, tracer: &mut ::tricolor_gc::Tracer<'gc>) {
                let Self { value: __field0, name: _, call: _, } = self;
                <T as ::tricolor_gc::Trace<'gc>>::trace(__field0, tracer);
            }
        }
        const _: () = {
            #[allow(dead_code, deprecated, clippy::multiple_bound_locations)]
            fn skipped_data_is_static<'gc, T: Clone>()
            where
                T: ::tricolor_gc::Trace<'gc>
            {
                ::tricolor_gc::__private::assert_static::<String>();
            }
        };
        const _: () = {
            #[allow(dead_code)]
            trait TypeDerivingTraceMayNotImplementDrop {}
            #[allow(drop_bounds)]
            impl<__T: ?::core::marker::Sized + ::core::ops::Drop> TypeDerivingTraceMayNotImplementDrop for __T {}
            #[allow(deprecated)]
            impl<'gc, T: Clone> TypeDerivingTraceMayNotImplementDrop for Node<'gc, T> {}
        };
    };
    check(input, output);
}

#[test]
fn recursive_enum() {
    let input = quote! {
        enum Expr {
            Add(Box<Expr>, Box<Self>),
            Nil,
        }
    };
    let output = quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_variables)]
        unsafe impl<'gc> ::tricolor_gc::Trace<'gc> for Expr {
            const NEEDS_TRACE: ::core::primitive::bool = false
                || <Box<::tricolor_gc::__private::Recursive> as ::tricolor_gc::Trace<'gc>>::NEEDS_TRACE
                || <Box<::tricolor_gc::__private::Recursive> as ::tricolor_gc::Trace<'gc>>::NEEDS_TRACE;
            const DROP_IS_SEND: ::core::primitive::bool = {
                #[allow(unused_imports)]
                use ::tricolor_gc::__private::NotSend as _;
                !::core::mem::needs_drop::<Self>() || true
                    && (<Box<::tricolor_gc::__private::Recursive> as ::tricolor_gc::Trace<'gc>>::DROP_IS_SEND
                        || ::tricolor_gc::__private::SendProbe::<Box<Expr>>::IS_SEND)
                    && (<Box<::tricolor_gc::__private::Recursive> as ::tricolor_gc::Trace<'gc>>::DROP_IS_SEND
                        || ::tricolor_gc::__private::SendProbe::<Box<Self>>::IS_SEND)
            };
            #[inline]
            fn trace(&self, tracer: &mut ::tricolor_gc::Tracer<'gc>) {
                match self {
                    Self::Add { 0: __field0, 1: __field1, } => {
                        <Box<Expr> as ::tricolor_gc::Trace<'gc>>::trace(__field0, tracer);
                        <Box<Self> as ::tricolor_gc::Trace<'gc>>::trace(__field1, tracer);
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
    let output = quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_variables)]
        unsafe impl<'gc, T> ::tricolor_gc::Trace<'gc> for Leaf<T> where T: 'static {
            const NEEDS_TRACE: ::core::primitive::bool = false;
            const DROP_IS_SEND: ::core::primitive::bool = {
                #[allow(unused_imports)]
                use ::tricolor_gc::__private::NotSend as _;
                !::core::mem::needs_drop::<Self>() || true
                    && (!::core::mem::needs_drop::<Self>()
                        || ::tricolor_gc::__private::SendProbe::<Self>::IS_SEND)
            };
            #[inline]
            fn trace(&self, tracer: &mut ::tricolor_gc::Tracer<'gc>) {}
        }
        const _: () = {
            #[allow(dead_code, deprecated, clippy::multiple_bound_locations)]
            fn skipped_data_is_static<'gc, T>() where T: 'static {
                ::tricolor_gc::__private::assert_static::<Leaf<T>>();
            }
        };
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
        ::core::compile_error! { "unknown attribute; a field takes `skip`, `recursive`" }
        ::core::compile_error! {
            "`Node` has several lifetimes: name the one of the heap `'gc`, or add `#[trace(gc = 'a)]`"
        }
        #[automatically_derived]
        unsafe impl<'__gc, 'a, 'b, T: 'a> gc::Trace<'__gc> for Node<'a, 'b, T> {
            fn trace(&self, _: &mut gc::Tracer<'__gc>) {}
        }
    };
    check(input, output);
}

#[test]
fn mentions_with_other_parameters_are_not_neutral() {
    let same = printed(quote!(
        struct Pair<T, U>(Vec<Pair<T, U>>);
    ));
    let swapped = printed(quote!(
        struct Pair<T, U>(Vec<Pair<U, T>>);
    ));
    let unknown = printed(quote!(
        struct Pair<T, U>(Tree<Pair<T, U>>);
    ));
    let qualified = printed(quote!(
        struct Pair<T, U>(Vec<crate::Pair<T, U>>);
    ));
    let macro_made = printed(quote!(
        struct Pair(Vec<list![Pair]>);
    ));
    assert!(same.contains("Recursive"));
    for cautious in [swapped, unknown, qualified, macro_made] {
        assert!(cautious.contains("false || true"), "{cautious}");
    }
}

#[test]
fn mentions_behind_a_gc_are_no_recursion() {
    let behind = printed(quote!(
        struct Node<'gc>(Tree<Gc<'gc, Node<'gc>>>, GcWeak<'gc, Self>);
    ));
    assert!(
        !behind.contains("Recursive") && !behind.contains("false || true"),
        "{behind}"
    );
}

#[test]
fn the_brand_avoids_a_binder_of_the_same_name() {
    let binder = printed(quote!(
        struct Node(u8, for<'gc> fn(&'gc u8));
    ));
    assert!(binder.contains("Trace < '__gc > for Node"), "{binder}");
}
