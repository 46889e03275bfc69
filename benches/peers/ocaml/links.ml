(* Queue churn, graph rewiring, rings, hash tables, strings, arrays. *)

open Common

type item = End | Item of { value : int; mutable next : item }

let churn live operations =
  let new_item value = Item { value; next = End } in
  let oldest = ref (new_item 0) in
  let newest = ref !oldest and sum = ref 0 in
  for value = 1 to live + operations - 1 do
    let last = new_item value in
    (match !newest with Item item -> item.next <- last | End -> ());
    newest := last;
    if value >= live then
      match !oldest with
      | Item { value; next } ->
          sum := !sum + value;
          oldest := next
      | End -> failwith "the queue is empty"
  done;
  Int64.of_int !sum

type vertex =
  | Nowhere
  | Vertex of { id : int; mutable a : vertex; mutable b : vertex; mutable c : vertex; mutable d : vertex }

let id = function Nowhere -> 0 | Vertex { id; _ } -> id

let store from edge target =
  match from with
  | Nowhere -> ()
  | Vertex from -> (
      match edge with
      | 0 -> from.a <- target
      | 1 -> from.b <- target
      | 2 -> from.c <- target
      | _ -> from.d <- target)

let rewiring nodes stores =
  let new_vertex id = Vertex { id; a = Nowhere; b = Nowhere; c = Nowhere; d = Nowhere } in
  let table = Array.init nodes new_vertex and state = random () in
  for finished = 0 to stores - 1 do
    let from = below state nodes in
    if finished mod 10 = 9 then
      match table.(from) with
      | Vertex { id; a; b; c; d } -> table.(from) <- Vertex { id = id + nodes; a; b; c; d }
      | Nowhere -> ()
    else store table.(from) (finished land 3) table.(below state nodes)
  done;
  let add checksum = function
    | Vertex { id = own; a; b; c; d } -> mix checksum (Int64.of_int (own + id a + id b + id c + id d))
    | Nowhere -> checksum
  in
  Array.fold_left add 0L table

type bead = { value : int; mutable next : bead; mutable previous : bead }

let new_ring length value =
  let rec first = { value; next = first; previous = first } in
  let last = ref first in
  for i = 1 to length - 1 do
    let bead = { value = value + i; next = first; previous = !last } in
    !last.next <- bead;
    last := bead
  done;
  first.previous <- !last;
  first

let walk first =
  let sum = ref first.value and bead = ref first.next in
  while !bead != first do
    sum := !sum + !bead.value;
    bead := !bead.next
  done;
  !sum

let rings rings length =
  let sum = ref 0 in
  for ring = 0 to rings - 1 do
    sum := !sum + walk (new_ring length ring)
  done;
  Int64.of_int !sum

type entry = Free | Entry of { key : int; value : int }

(* The product's bits that count are below the 63rd. *)
let hash key = (key * 0x1e3779b97f4a7c15) lsr 20

let find slots key =
  let mask = Array.length slots - 1 in
  let rec probe index =
    match slots.(index) with
    | Entry { key = other; _ } when other <> key -> probe ((index + 1) land mask)
    | _ -> index
  in
  probe (hash key land mask)

let grow old =
  let slots = Array.make (2 * Array.length old) Free in
  let move entry = match entry with Entry { key; _ } -> slots.(find slots key) <- entry | Free -> () in
  Array.iter move old;
  slots

let table entries =
  let slots = ref (Array.make 16 Free) in
  for key = 0 to entries - 1 do
    if (key + 1) * 4 > Array.length !slots * 3 then slots := grow !slots;
    !slots.(find !slots key) <- Entry { key; value = key * 3 }
  done;
  let sum = ref 0 in
  for key = 0 to entries - 1 do
    match !slots.(find !slots key) with Entry { value; _ } -> sum := !sum + value | Free -> ()
  done;
  !sum

let tables entries rounds =
  let sum = ref 0 in
  for _ = 1 to rounds do
    sum := !sum + table entries
  done;
  Int64.of_int !sum

let longest = 96

(* Writes a number's digits to the buffer from [at] on; the end. *)
let put_decimal buffer at number =
  let rec digits number = if number < 10 then 1 else 1 + digits (number / 10) in
  let last = at + digits number in
  let rest = ref number in
  for place = last - 1 downto at do
    Bytes.unsafe_set buffer place (Char.unsafe_chr (48 + (!rest mod 10)));
    rest := !rest / 10
  done;
  last

let strings live operations =
  let table = Array.make live "" and state = random () and buffer = Bytes.create longest in
  for finished = 0 to operations - 1 do
    let place = below state live in
    let old = table.(place) in
    let kept = if String.length old > longest - 20 then 0 else String.length old in
    Bytes.blit_string old 0 buffer 0 kept;
    table.(place) <- Bytes.sub_string buffer 0 (put_decimal buffer kept finished)
  done;
  let add checksum text =
    let sum = ref 0L in
    for i = 0 to String.length text - 1 do
      sum := Int64.add (Int64.mul !sum 31L) (Int64.of_int (Char.code text.[i] mod 31))
    done;
    mix checksum !sum
  in
  Array.fold_left add 0L table

type pair = Nothing | Pair of int * int

let arrays length stores =
  let array = Array.make length Nothing and state = random () in
  for finished = 0 to stores - 1 do
    array.(below state length) <- Pair (finished, 1)
  done;
  let add checksum = function Pair (a, b) -> mix checksum (Int64.of_int (a + b)) | Nothing -> mix checksum 0L in
  Array.fold_left add 0L array
