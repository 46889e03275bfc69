(* binary-trees, GCBench, traversal. *)

open Common

type tree = Leaf | Tree of tree * tree

(* As in the other languages, a tree of depth 0 is a new object. The compiler would share a constant. *)
let rec bottom_up depth =
  if depth = 0 then Tree (Sys.opaque_identity Leaf, Leaf)
  else
    let left = bottom_up (depth - 1) in
    let right = bottom_up (depth - 1) in
    Tree (left, right)

let rec count = function Leaf -> 0 | Tree (left, right) -> 1 + count left + count right

let binary_trees max =
  let checksum = ref (Int64.of_int (count (bottom_up (max + 1)))) in
  let long_lived = bottom_up max in
  let depth = ref 4 in
  while !depth <= max do
    let sum = ref 0 in
    for _ = 1 to 1 lsl (max - !depth + 4) do
      sum := !sum + count (bottom_up !depth)
    done;
    checksum := mix !checksum (Int64.of_int !sum);
    depth := !depth + 2
  done;
  mix !checksum (Int64.of_int (count long_lived))

type node = Nil | Node of { mutable left : node; mutable right : node; mutable i : int; mutable j : int }

let new_node () = Node { left = Nil; right = Nil; i = 0; j = 0 }

let rec populate node depth =
  match node with
  | Node node when depth > 0 ->
      node.left <- new_node ();
      node.right <- new_node ();
      populate node.left (depth - 1);
      populate node.right (depth - 1)
  | _ -> ()

let rec nodes depth =
  if depth = 0 then new_node ()
  else
    let left = nodes (depth - 1) in
    let right = nodes (depth - 1) in
    Node { left; right; i = 0; j = 0 }

let rec count_nodes = function
  | Nil -> 0
  | Node { left; right; i; j } -> 1 + i + j + count_nodes left + count_nodes right

let first = function Node { left = Node { i; _ }; _ } -> i + 1 | _ -> 1

let gcbench max =
  ignore (Sys.opaque_identity (nodes (max + 2)));
  let long_lived = new_node () in
  populate long_lived max;
  let numbers = Array.init 500_000 (fun i -> 1. /. float_of_int (i + 1)) in
  let checksum = ref 0L and depth = ref 4 in
  while !depth <= max do
    let trees = 1 lsl (max - !depth + 4) and sum = ref 0 in
    for _ = 1 to trees / 2 do
      let top = new_node () in
      populate top !depth;
      sum := !sum + first top
    done;
    for _ = 1 to trees / 2 do
      sum := !sum + first (nodes !depth)
    done;
    checksum := mix !checksum (Int64.of_int !sum);
    depth := !depth + 2
  done;
  mix !checksum (Int64.of_int (count_nodes long_lived + int_of_float (numbers.(1000) *. 1e9)))

type valued = None | Some of { left : valued; right : valued; value : int; depth : int }

let rec build depth next =
  let left = if depth > 0 then build (depth - 1) next else None in
  let right = if depth > 0 then build (depth - 1) next else None in
  let value = !next in
  incr next;
  Some { left; right; value; depth }

let rec sum = function
  | None -> 0
  | Some { left; right; value; depth } -> (value lxor depth) + sum left + sum right

let traversal depth rounds =
  let tree = build depth (ref 0) and checksum = ref 0L in
  for _ = 1 to rounds do
    checksum := rotate_and_add !checksum (sum (Sys.opaque_identity tree))
  done;
  !checksum
