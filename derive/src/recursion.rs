//! Fields that lead back to the type being derived.
//!
//! `NEEDS_TRACE` and `DROP_IS_SEND` of a type are computed from those of its fields. In
//!
//! ```text
//! enum Expr { Add(Box<Expr>, Box<Expr>), Name(String) }
//! ```
//!
//! asking `Box<Expr>` would ask `Expr` again, which the compiler refuses as a cycle. So a field whose type mentions the
//! derived type is a [`Kind::Recursive`] one: it is not asked, but taken to need tracing, and to be droppable anywhere
//! exactly if it is known to be `Send`. A type without parameters holds no `Gc` and is not traced all the same; one with type
//! parameters and no lifetime is traced in vain, and `Trace::UNTIED` keeps it out of cells, where the brand that it lacks matters. A finer answer
//! would have to evaluate the field's type with something else in the place of the derived one, and nothing that a derive
//! can see proves that the two behave alike: a container's name may stand for any type.
//!
//! Mentions inside `Gc` and `GcWeak` do not count: their constants do not depend on what they point to. Names are compared
//! as text. A wrong guess, by a shadowed or renamed type, gives a cautious constant or a cycle that the compiler reports,
//! never a wrong constant: what is evaluated is always the implementation of the type that the compiler sees.

use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{DeriveInput, Ident, Path, Type};

use crate::ast::Kind;

pub(crate) fn kind_of(input: &DeriveInput, ty: &Type) -> Kind {
    let own = Own { input };
    if own.occurs_in(ty) {
        Kind::Recursive
    } else {
        Kind::Traced
    }
}

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
}
