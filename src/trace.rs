//! The `Trace` trait: how the collector finds the pointers inside a value.

pub(crate) mod derived;
mod impls;

pub use crate::mark::tracer::Tracer;
pub use impls::Static;

/// A type whose pointers into the heap the collector can find.
///
/// Derive it; write it by hand only for what the derive cannot express. `'gc` is the brand of the heap pointers that
/// the type may hold; types without any implement the trait for every `'gc`.
///
/// # Safety
///
/// The collector frees what `trace` does not report, and calls `trace` from marker threads **while mutators run**. So
/// an implementation must hold to the following:
///
/// 1. `trace` calls `trace` of every field that may hold a [`Gc`](crate::Gc) or [`GcWeak`](crate::GcWeak), directly or
///    inside other values. If it reports nothing, [`NEEDS_TRACE`](Trace::NEEDS_TRACE) may be `false`, and only then.
///    Of a type without a size it is `true` if it is `true` of one that unsizes to it, for a cell of the one can be written as a cell of the
///    other; and [`UNTIED`](Trace::UNTIED) is `true` then, unless both are of one brand.
/// 2. `trace` reads only what no thread can write at the same time: plain fields (they cannot change once the value is
///    in the heap), and the cells of this crate through their own `trace`. It never looks through `Cell`, `RefCell`,
///    `Mutex`, `Rc`, `Arc` or any other sharing or interior mutability; a type that holds a `Gc` behind one of those
///    must not implement `Trace`.
/// 3. The type does not implement `Drop`, unless the type is free of `Gc`s (`NEEDS_TRACE` is `false`), or the destructor does nothing with
///    what it holds but drop it, as a container's: another could reach an object that is already gone. Its fields are bound by the same rule.
/// 4. [`DROP_IS_SEND`](Trace::DROP_IS_SEND) is `true` only if dropping the value on any thread is sound.
/// 5. If the type implements `Trace` for more than one brand, [`NEEDS_TRACE`](Trace::NEEDS_TRACE) is `false`, or
///    [`UNTIED`](Trace::UNTIED) is `true`: a value that fits every heap could be written with another heap's mutation context, whose
///    barrier knows nothing of the markers at work here.
/// 6. Data with a lifetime other than `'gc` is not reachable from the drop glue. And the value borrows nothing for `'gc`, be it an object
///    ([`Gc::as_ref`](crate::Gc::as_ref)) or a [`Mutation`](crate::Mutation): it outlives the `enter` that makes it, and the next one sees it with
///    its own brand.
/// 7. `trace` does not drop a [`Mutator`](crate::Mutator) of the heap that is traced, which may wait for the end of the marking. (To enter
///    the heap, to attach to it or to collect it there is a panic.)
/// 8. [`IMMUTABLE`](Trace::IMMUTABLE) is `true` only if every call of `trace` of a value in the heap reports the same pointers.
/// 9. [`CELLS_INLINE`](Trace::CELLS_INLINE) is `true` only if every cell through which the pointers that `trace` reports may change lies
///    in the bytes of the value.
/// 10. A `'static` type holds no `Gc`, in no disguise: not as an address, nor as a `Gc<'static, T>`. That is what `#[trace(skip)]`,
///     [`Static`] and the derive of a type without parameters go by.
///
/// `trace` may panic: the cycle is abandoned, nothing is freed, and the panic reaches the next `collect`; what others carry that come before that
/// is dropped at the end of their cycle. A barrier that has to trace
/// what a cell holds panics itself: the write, or the end of a guard, unless that guard goes in an unwinding.
pub unsafe trait Trace<'gc> {
    /// `false` if no value of the type can hold a pointer into the heap: such values are never traced.
    const NEEDS_TRACE: bool = true;

    /// `true` if values of the type are traced although they may belong to any heap. The cells with claims refuse such contents
    /// when they are written:
    ///
    /// ```compile_fail,E0080
    /// use tricolor_gc::{Gc, GcRefCell, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// enum Tree<T> {
    ///     Node(Vec<Tree<T>>),
    ///     Leaf(T),
    /// }
    /// Heap::new().attach().enter(|mc| {
    ///     let cell = Gc::new(mc, GcRefCell::new(Tree::Leaf(String::new())));
    ///     *cell.borrow_mut(mc) = Tree::Node(Vec::new());
    /// });
    /// ```
    ///
    /// With a lifetime parameter `'gc` the type belongs to one heap:
    ///
    /// ```
    /// use std::marker::PhantomData;
    /// use tricolor_gc::{Gc, GcRefCell, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// enum Tree<'gc, T> {
    ///     Node(Vec<Tree<'gc, T>>, PhantomData<&'gc ()>),
    ///     Leaf(T),
    /// }
    /// Heap::new().attach().enter(|mc| {
    ///     let cell = Gc::new(mc, GcRefCell::new(Tree::Leaf(String::new())));
    ///     *cell.borrow_mut(mc) = Tree::Node(Vec::new(), PhantomData);
    /// });
    /// ```
    const UNTIED: bool = false;

    /// `true` if no pointer that `trace` reports can change once the value is in the heap: there are no cells in it but those
    /// behind a [`Gc`](crate::Gc). A minor cycle does not look again at what older cycles have found of such types
    /// (see [`HeapBuilder::minor_cycles`](crate::HeapBuilder::minor_cycles)), so a `true` that is wrong loses objects. `false` is always right.
    ///
    /// The derive's answer is that of all fields; a field that mentions the type itself outside `Gc` counts as one that can change.
    const IMMUTABLE: bool = false;

    /// `true` if all cells of a value, of those that are not behind a [`Gc`](crate::Gc), lie in the `size_of` bytes of the value itself, and
    /// none in memory that it owns, as the elements of a `Vec` do. A minor cycle looks again only at such objects of these types as have been
    /// written since they were found, and at all objects of the others. So a `true` that is wrong loses objects. `false` is always right.
    ///
    /// The derive's answer is that of all fields that are not [immutable](Trace::IMMUTABLE); a field that mentions the type itself outside
    /// `Gc` counts as one that has cells elsewhere.
    ///
    /// ```
    /// use tricolor_gc::{Gc, GcRefCell, GcSlot, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Node<'gc> {
    ///     next: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    ///     // The cell is here, with all that changes: what a write makes of the vector is seen by looking at the cell.
    ///     others: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
    /// }
    /// #[derive(Trace)]
    /// struct Table<'gc> {
    ///     // These cells are elsewhere. `Gc<[GcSlot<_>]>` has them inside.
    ///     slots: Vec<GcSlot<Option<Gc<'gc, Node<'gc>>>>>,
    /// }
    /// assert!(Node::CELLS_INLINE && !Table::CELLS_INLINE);
    /// ```
    const CELLS_INLINE: bool = false;

    /// `true` if the drop glue may run on any thread. Otherwise the value is dropped on the thread that allocated it,
    /// at one of its boundaries or with the heap, and never if that thread has ended, or the heap's last handle goes on another. What is
    /// never dropped keeps its slot, and its page, as long as the heap lives.
    const DROP_IS_SEND: bool = false;

    /// What the derive found, from which it has the others, and whether `trace` may be called to measure. Nobody else defines it.
    #[doc(hidden)]
    const __ANSWERS: derived::Answers = derived::Answers::of::<Self>();

    /// `trace` is this crate's, and calls that of a part by `Tracer::visit`. Nobody else says so, nor does the derive.
    #[doc(hidden)]
    const __CAREFUL: bool = false;

    /// Reports the pointers of the value: calls `trace` of every field that may hold one.
    fn trace(&self, tracer: &mut Tracer<'gc>);
}
