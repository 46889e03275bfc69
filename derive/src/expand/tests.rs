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

/// The items by which `DROP_IS_SEND` finds out whether a type is `Send`. They come from nowhere but the expansion.
fn probe() -> TokenStream {
    quote! {
        extern crate core as __core;
        struct __SendProbe<__T: ?__core::marker::Sized>(__core::marker::PhantomData<*mut __T>);
        #[allow(dead_code)]
        impl<__T: ?__core::marker::Sized + __core::marker::Send> __SendProbe<__T> {
            const IS_SEND: __core::primitive::bool = true;
        }
        #[allow(dead_code)]
        trait __NotSend {
            const IS_SEND: __core::primitive::bool = false;
        }
        impl<__T: ?__core::marker::Sized> __NotSend for __SendProbe<__T> {}
        #[allow(dead_code)]
        fn __probe_of<__T: ?__core::marker::Sized>(_: &mut __T) -> __SendProbe<__T> {
            __SendProbe(__core::marker::PhantomData)
        }
        #[allow(dead_code)]
        const fn __assert_static<__T: ?__core::marker::Sized + 'static>() {}
        #[allow(dead_code)]
        fn __assert_static_of<__T: ?__core::marker::Sized + 'static>(_: &mut __T) {}
        #[allow(dead_code)]
        fn __assert_trace_of<'__brand, __T: ?__core::marker::Sized + ::tricolor_gc::Trace<'__brand>>(_: __SendProbe<__T>) {}
    }
}

/// Refuses a type that implements `Drop`.
fn no_drop() -> TokenStream {
    quote! {
        #[allow(dead_code)]
        struct TypeDerivingTraceMayNotImplementDrop;
        #[allow(dead_code)]
        struct __DropProbe<__T: ?__core::marker::Sized>(__core::marker::PhantomData<*mut __T>);
        #[allow(dead_code, drop_bounds)]
        impl<__T: ?__core::marker::Sized + __core::ops::Drop> __DropProbe<__T> {
            const NO_DROP: TypeDerivingTraceMayNotImplementDrop = TypeDerivingTraceMayNotImplementDrop;
        }
        trait __NoDrop {
            const NO_DROP: () = ();
        }
        impl<__T: ?__core::marker::Sized> __NoDrop for __DropProbe<__T> {}
        let () = __DropProbe::<Self>::NO_DROP;
    }
}

#[test]
fn generic_struct() {
    let input = quote! {
        struct Node<'gc, T: Clone> { value: T, #[trace(skip)] name: String, call: fn(&T) }
    };
    let (probe, no_drop) = (probe(), no_drop());
    let outside = outside_of_generic_struct();
    check(
        input,
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unused_parens, unused_variables)]
            unsafe impl<'gc, T: Clone> ::tricolor_gc::Trace<'gc> for Node<'gc, T>
            where T: ::tricolor_gc::Trace<'gc> {
                const NEEDS_TRACE: ::core::primitive::bool = {
                    let _ = |__this: &mut Self| {
                        let Self { value: __field0, name: __field1, call: __field2, } = __this;
                        let __only0 = [__field0];
                        let _: [&mut (T); 1] = __only0;
                    };
                    false || <T as ::tricolor_gc::Trace<'gc>>::NEEDS_TRACE
                };
                const UNTIED: ::core::primitive::bool = false;
                const IMMUTABLE: ::core::primitive::bool = true && <T as ::tricolor_gc::Trace<'gc>>::IMMUTABLE;
                const CELLS_INLINE: ::core::primitive::bool = true && (<T as ::tricolor_gc::Trace<'gc>>::IMMUTABLE || <T as ::tricolor_gc::Trace<'gc>>::CELLS_INLINE);
                const DROP_IS_SEND: ::core::primitive::bool = {
                    #probe
                    #no_drop
                    let __anywhere = !__core::mem::needs_drop::<Self>() || true
                        && (<T as ::tricolor_gc::Trace<'gc>>::DROP_IS_SEND || __SendProbe::<T>::IS_SEND)
                        && (!__core::mem::needs_drop::<String>() || __SendProbe::<String>::IS_SEND);
                    let _ = |__this: &mut Self| {
                        let Self { value: __field0, name: __field1, call: __field2, } = __this;
                        let __probe0 = __probe_of(__field0);
                        let _: __SendProbe<T> = __probe0;
                        __assert_trace_of::<'gc, _>(__probe0);
                        let __probe1 = __probe_of(__field1);
                        let _: __SendProbe<String> = __probe1;
                        __assert_static_of(__field1);
                        let __probe2 = __probe_of(__field2);
                        let _: __SendProbe<fn(&T)> = __probe2;
                    };
                    __anywhere
                };
                #[inline]
                fn trace(&self, __tracer: &mut ::tricolor_gc::Tracer<'gc>) {
                    let Self { value: __field0, name: _, call: _, } = self;
                    <T as ::tricolor_gc::Trace<'gc>>::trace(__field0, __tracer);
                }
            }
            #outside
        },
    );
}

/// What is printed beside the implementation.
fn outside_of_generic_struct() -> TokenStream {
    quote! {
        const _: () = {
            #[allow(dead_code)]
            fn __assert_static<__T: ?::core::marker::Sized + 'static>() {}
            #[allow(dead_code, deprecated, clippy::multiple_bound_locations)]
            fn skipped_data_is_static<'gc, T: Clone>() where T: ::tricolor_gc::Trace<'gc> {
                __assert_static::<String>();
            }
        };
        const _: () = {
            #[allow(dead_code, non_camel_case_types)]
            trait __BrandOfNode {
                type Brand;
            }
            #[automatically_derived]
            #[allow(deprecated, clippy::multiple_bound_locations)]
            impl<'gc, T: Clone> __BrandOfNode for Node<'gc, T> {
                type Brand = &'gc ();
            }
        };
    }
}

#[test]
fn recursive_enum() {
    let input = quote! {
        enum Expr { Add(Box<Expr>, Box<Self>), Nil }
    };
    let (probe, no_drop) = (probe(), no_drop());
    let output = quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_parens, unused_variables)]
        unsafe impl<'gc> ::tricolor_gc::Trace<'gc> for Expr {
            const NEEDS_TRACE: ::core::primitive::bool = {
                let _ = |__this: &mut Self| {
                    match __this {
                        Self::Add { 0: __field0, 1: __field1, } => {
                            let __only0 = [__field0];
                            let _: [&mut (Box<Expr>); 1] = __only0;
                            let __only1 = [__field1];
                            let _: [&mut (Box<Self>); 1] = __only1;
                        }
                        Self::Nil {} => {}
                    }
                };
                false
            };
            const UNTIED: ::core::primitive::bool = false;
            const IMMUTABLE: ::core::primitive::bool = true;
            const CELLS_INLINE: ::core::primitive::bool = true;
            const DROP_IS_SEND: ::core::primitive::bool = {
                #probe
                #no_drop
                let __anywhere = !__core::mem::needs_drop::<Self>() || true
                    && (!__core::mem::needs_drop::<Box<Expr>>() || __SendProbe::<Box<Expr>>::IS_SEND)
                    && (!__core::mem::needs_drop::<Box<Self>>() || __SendProbe::<Box<Self>>::IS_SEND);
                let _ = |__this: &mut Self| {
                    match __this {
                        Self::Add { 0: __field0, 1: __field1, } => {
                            let __probe0 = __probe_of(__field0);
                            let _: __SendProbe<Box<Expr>> = __probe0;
                            __assert_trace_of::<'gc, _>(__probe0);
                            let __probe1 = __probe_of(__field1);
                            let _: __SendProbe<Box<Self>> = __probe1;
                            __assert_trace_of::<'gc, _>(__probe1);
                        }
                        Self::Nil {} => {}
                    }
                };
                __anywhere
            };
            #[inline]
            fn trace(&self, __tracer: &mut ::tricolor_gc::Tracer<'gc>) {
                match self {
                    Self::Add { 0: __field0, 1: __field1, } => {
                        <Box<Expr> as ::tricolor_gc::Trace<'gc>>::trace(__field0, __tracer);
                        <Box<Self> as ::tricolor_gc::Trace<'gc>>::trace(__field1, __tracer);
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
    let probe = probe();
    let output = quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_parens, unused_variables)]
        unsafe impl<'gc, T> ::tricolor_gc::Trace<'gc> for Leaf<T> where T: 'static {
            const NEEDS_TRACE: ::core::primitive::bool = false;
            const UNTIED: ::core::primitive::bool = false;
            const IMMUTABLE: ::core::primitive::bool = true;
            const CELLS_INLINE: ::core::primitive::bool = true;
            const DROP_IS_SEND: ::core::primitive::bool = {
                #probe
                __assert_static::<Self>();
                let __anywhere = !__core::mem::needs_drop::<Self>() || true
                    && (!__core::mem::needs_drop::<Self>()
                        || __SendProbe::<Self>::IS_SEND);
                __anywhere
            };
            #[inline]
            fn trace(&self, __tracer: &mut ::tricolor_gc::Tracer<'gc>) {}
        }
        const _: () = {
            #[allow(dead_code)]
            fn __assert_static<__T: ?::core::marker::Sized + 'static>() {}
            #[allow(dead_code, deprecated, clippy::multiple_bound_locations)]
            fn skipped_data_is_static<'gc, T>() where T: 'static {
                __assert_static::<Leaf<T>>();
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
        assert!(printed.contains("bool = false || true ;"), "{printed}");
    }
}

#[test]
fn mentions_behind_a_gc_are_no_recursion() {
    let behind = printed(quote!(
        struct Node<'gc>(Tree<Gc<'gc, Node<'gc>>>, GcWeak<'gc, Self>);
    ));
    assert!(!behind.contains("false || true"), "{behind}");
}

/// A path that the user chooses may lead to anything; of it, only what cannot be faked is used.
#[test]
fn only_the_trait_and_its_tracer_come_from_the_path_of_the_crate() {
    let printed = printed(quote!(
        #[trace(crate = gc)]
        struct Node<'gc, T>(T, Box<Self>, #[trace(skip)] String);
    ));
    let names = printed.split("gc :: ").skip(1);
    for name in names.map(|rest| rest.split(' ').next().unwrap()) {
        assert!(name == "Trace" || name == "Tracer", "{name}: {printed}");
    }
}

/// Another macro's attribute may have put something else in the field.
#[test]
fn a_type_of_function_pointers_only_asserts_that_they_are() {
    let text = printed(quote! {
        struct Calls<'gc>(fn(&u8), fn(&'gc u8));
    });
    assert!(text.contains("let _ : __SendProbe < fn (& u8) > = __probe0"));
    assert!(text.contains("let _ : __SendProbe < fn (& 'gc u8) > = __probe1"));
}

#[test]
fn the_brand_avoids_a_binder_of_the_same_name() {
    let binder = printed(quote!(
        struct Node(u8, for<'gc> fn(&'gc u8));
    ));
    assert!(binder.contains("Trace < '__gc > for Node"), "{binder}");
}
