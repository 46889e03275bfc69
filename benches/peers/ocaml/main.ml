(* The workloads in OCaml. Those on two threads are missing: threads of OCaml 4 take turns. *)

let () =
  let size index = if Array.length Sys.argv > index + 2 then int_of_string Sys.argv.(index + 2) else 0 in
  let a = size 0 and b = size 1 in
  let checksum =
    match Sys.argv.(1) with
    | "binary-trees" -> Trees.binary_trees a
    | "gcbench" -> Trees.gcbench a
    | "traversal" -> Trees.traversal a b
    | "churn" -> Links.churn a b
    | "graph" -> Links.rewiring a b
    | "rings" -> Links.rings a b
    | "tables" -> Links.tables a b
    | "strings" -> Links.strings a b
    | "arrays" -> Links.arrays a b
    | "latency" -> Live.latency a b
    | "mark-ordered" -> Live.mark_ordered a
    | "mark-shuffled" -> Live.mark_shuffled a
    | _ -> exit 3
  in
  Common.print_result checksum
