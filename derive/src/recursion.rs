//! Fields that lead back to the type being derived.
//!
//! `NEEDS_TRACE` and `DROP_IS_SEND` of a type are computed from those of its fields. In
//!
//! ```text
//! enum Expr { Add(Box<Expr>, Box<Expr>), Name(String) }
//! ```
//!
//! asking `Box<Expr>` would ask `Expr` again, which the compiler refuses as a cycle. The constants wanted are a
//! fixed point: the least one of a disjunction, the greatest one of a conjunction. For `x = f(x)` on booleans, with `f`
//! monotone, these are `f(false)` and `f(true)`. So a mention of the type by its own parameters is replaced by the
//! neutral type `Recursive` of the runtime crate (`NEEDS_TRACE = false`, `DROP_IS_SEND = true`) before the field is
//! asked. `f` is the field's own implementation, so `Vec<(Expr, Rc<u8>)>` still answers for the `Rc`.
//!
//! Not replaced are
//! - mentions inside `Gc` and `GcWeak`, whose constants do not depend on what they point to, so there is no cycle;
//! - mentions with other parameters (`Pair<U, T>` inside `Pair<T, U>`): the fixed point is over more than one type;
//! - mentions inside anything but the types listed below, which may have bounds that the stand-in lacks.
//!
//! The last two make the field [`Kind::Recursive`]. Names are compared as text. A wrong guess, by a shadowed or renamed
//! type, gives a compile error or a cycle that the compiler reports, never a wrong constant: what is evaluated is
//! always an implementation of the type that the compiler sees.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{
    DeriveInput, GenericArgument, GenericParam, Ident, Macro, Path, PathArguments, Type,
    parse_quote,
};

use crate::ast::Kind;
use crate::attr::{ContainerAttrs, Errors};

/// Types that put no bound on what they hold, beyond those that the stand-in meets, and whose constants follow from it
/// by way of its constants or of `needs_drop`.
const TRANSPARENT: &[&str] = &[
    "Arc",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "Box",
    "Cell",
    "GcMutex",
    "GcOnceCell",
    "GcRefCell",
    "GcRwLock",
    "HashMap",
    "HashSet",
    "LinkedList",
    "Mutex",
    "OnceCell",
    "OnceLock",
    "Option",
    "PhantomData",
    "Rc",
    "RefCell",
    "Result",
    "RwLock",
    "Vec",
    "VecDeque",
];

pub(crate) fn kind_of(input: &DeriveInput, ty: &Type) -> Kind {
    let own = Own { input };
    if !own.occurs_in(ty) {
        return Kind::Traced;
    }
    let mut stand_in = ty.clone();
    match own.neutralise(&mut stand_in) {
        Ok(()) => Kind::Neutralised(Box::new(stand_in)),
        Err(Opaque) => Kind::Recursive,
    }
}

/// The type mentions the derived one where no stand-in can take its place.
struct Opaque;

/// The type being derived.
#[derive(Clone, Copy)]
struct Own<'a> {
    input: &'a DeriveInput,
}

impl Own<'_> {
    fn is_named(self, ident: &Ident) -> bool {
        ident == "Self" || ident.unraw() == self.input.ident.unraw()
    }

    /// `Gc<…>` and `GcWeak<…>`, unless that is what the derived type is called.
    fn is_barrier_of_cycles(self, path: &Path) -> bool {
        path.segments.last().is_some_and(|last| {
            (last.ident == "Gc" || last.ident == "GcWeak") && !self.is_named(&last.ident)
        })
    }

    fn occurs_in(self, ty: &Type) -> bool {
        let mut search = Search {
            own: self,
            found: false,
        };
        search.visit_type(ty);
        search.found
    }

    /// Whether `path` is the derived type with its own parameters, in order.
    fn is_exactly(self, path: &Path) -> bool {
        if path.leading_colon.is_some() || path.segments.len() != 1 {
            return false;
        }
        let segment = &path.segments[0];
        if segment.ident == "Self" {
            return true;
        }
        let params = &self.input.generics.params;
        self.is_named(&segment.ident)
            && match &segment.arguments {
                PathArguments::None => params.is_empty(),
                PathArguments::AngleBracketed(list) => {
                    list.args.len() == params.len()
                        && list
                            .args
                            .iter()
                            .zip(params)
                            .all(|(arg, param)| is_param(arg, param))
                }
                _ => false,
            }
    }

    /// Puts the stand-in in place of each mention, or says that one of them has to stay.
    fn neutralise(self, ty: &mut Type) -> Result<(), Opaque> {
        if !self.occurs_in(ty) {
            return Ok(());
        }
        match ty {
            Type::Paren(inner) => self.neutralise(&mut inner.elem),
            Type::Group(inner) => self.neutralise(&mut inner.elem),
            Type::Slice(inner) => self.neutralise(&mut inner.elem),
            Type::Array(inner) => self.neutralise(&mut inner.elem),
            Type::Tuple(inner) => inner
                .elems
                .iter_mut()
                .try_for_each(|elem| self.neutralise(elem)),
            Type::Path(inner) if inner.qself.is_none() && self.is_exactly(&inner.path) => {
                let krate = ContainerAttrs::read(&self.input.attrs, &mut Errors::default()).krate;
                let krate = krate.unwrap_or_else(|| parse_quote!(::tricolor_gc));
                *ty = parse_quote!(#krate::__private::Recursive);
                Ok(())
            }
            Type::Path(inner) if inner.qself.is_none() => {
                self.neutralise_arguments(&mut inner.path)
            }
            _ => Err(Opaque),
        }
    }

    fn neutralise_arguments(self, path: &mut Path) -> Result<(), Opaque> {
        let (last, before) = match path.segments.iter_mut().collect::<Vec<_>>() {
            segments if segments.is_empty() => return Err(Opaque),
            mut segments => (segments.pop().ok_or(Opaque)?, segments),
        };
        let plain = before
            .iter()
            .all(|segment| segment.arguments.is_none() && !self.is_named(&segment.ident));
        let known =
            TRANSPARENT.iter().any(|name| last.ident == name) && !self.is_named(&last.ident);
        let PathArguments::AngleBracketed(list) = &mut last.arguments else {
            return Err(Opaque);
        };
        if !plain || !known {
            return Err(Opaque);
        }
        list.args.iter_mut().try_for_each(|arg| match arg {
            GenericArgument::Type(ty) => self.neutralise(ty),
            GenericArgument::Lifetime(_) => Ok(()),
            _ => Err(Opaque),
        })
    }
}

fn is_param(arg: &GenericArgument, param: &GenericParam) -> bool {
    match (arg, param) {
        (GenericArgument::Lifetime(arg), GenericParam::Lifetime(param)) => *arg == param.lifetime,
        (GenericArgument::Type(Type::Path(arg)), GenericParam::Type(param)) => {
            arg.path.is_ident(&param.ident)
        }
        (GenericArgument::Type(Type::Path(arg)), GenericParam::Const(param)) => {
            arg.path.is_ident(&param.ident)
        }
        _ => false,
    }
}

/// Looks for a mention of the type that is not behind a `Gc`.
struct Search<'a> {
    own: Own<'a>,
    found: bool,
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        if self.own.is_barrier_of_cycles(path) {
            return;
        }
        self.found |= path
            .segments
            .iter()
            .any(|segment| self.own.is_named(&segment.ident));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.found |= self.occurs_in_tokens(mac.tokens.clone());
    }
}

impl Search<'_> {
    fn occurs_in_tokens(&self, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => self.occurs_in_tokens(group.stream()),
            TokenTree::Ident(ident) => self.own.is_named(&ident),
            _ => false,
        })
    }
}
