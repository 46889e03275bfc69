//! The items that are printed beside a question, for it to be asked with.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

/// The items by which `DROP_IS_SEND` asks whether a type is `Send`: an inherent constant is preferred to a trait's, so the
/// probe answers with the inherent `true` if its bound is known to hold. Printed, not imported: the path of the crate is the
/// user's to say, and so is `::core` (`extern crate self as core`), but not what `extern crate` finds, unless the
/// package renames a dependency to `core` in its manifest; SAFETY.md says so.
pub(super) fn probe_items(krate: &Path) -> TokenStream {
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
        fn __assert_trace_of<'__brand, __T: ?__core::marker::Sized + #krate::Trace<'__brand>>(_: __SendProbe<__T>) {}
    }
}

/// Refuses a type that implements `Drop`, by the same preference: the inherent constant is not `()`.
pub(super) fn no_drop() -> TokenStream {
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
