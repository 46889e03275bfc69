(* Half a gigabyte of live objects: latency beside it, and a full major collection of it. *)

open Common

type tree = Leaf | Tree of { mutable left : tree; mutable right : tree; value : int; more : int }

let rec live depth =
  let left = if depth > 1 then live (depth - 1) else Leaf in
  let right = if depth > 1 then live (depth - 1) else Leaf in
  Tree { left; right; value = depth; more = 1 }

let value = function Tree { value; _ } -> value | Leaf -> 0
let more = function Tree { more; _ } -> more | Leaf -> 0

type cons = Nil | Cons of { next : cons; value : int; first : int; second : int }

let rec list batch i head =
  if i = 1000 then head else list batch (i + 1) (Cons { next = head; value = batch + i; first = i; second = 0 })

let print_laps clock laps =
  Array.sort compare laps;
  let last = Array.length laps - 1 in
  let at part = float_of_int laps.(int_of_float (float_of_int last *. part)) /. 1e3 in
  Printf.printf "%s_p50_us %.2f\n%s_p999_us %.2f\n%s_max_us %.2f\n" clock (at 0.5) clock (at 0.999) clock (at 1.)

let latency depth batches =
  let tree = live depth in
  let window = Array.make 64 Nil and sum = ref 0 in
  let cpu = Array.make batches 0 and wall = Array.make batches 0 in
  let cpu_last = ref (nanos thread_clock) and wall_last = ref (nanos monotonic_clock) in
  for batch = 0 to batches - 1 do
    let head = list batch 0 Nil in
    (match head with Cons { value; first; _ } -> sum := !sum + value + first | Nil -> ());
    window.(batch land 63) <- head;
    let cpu_now = nanos thread_clock and wall_now = nanos monotonic_clock in
    cpu.(batch) <- cpu_now - !cpu_last;
    wall.(batch) <- wall_now - !wall_last;
    cpu_last := cpu_now;
    wall_last := wall_now
  done;
  print_laps "cpu" cpu;
  print_laps "wall" wall;
  Int64.of_int (!sum + value tree)

let time_collections objects =
  Gc.major ();
  let cpu = nanos process_clock and wall = nanos monotonic_clock in
  for _ = 1 to 5 do
    Gc.major ()
  done;
  let cpu = float_of_int (nanos process_clock - cpu) /. 5e6 in
  let wall = float_of_int (nanos monotonic_clock - wall) /. 5e6 in
  Printf.printf "collect_wall_ms %.1f\ncollect_cpu_ms %.1f\n" wall cpu;
  Printf.printf "mark_mobjects_per_s %.1f\n" (float_of_int objects /. cpu /. 1e3)

let mark_ordered depth =
  let tree = live depth in
  time_collections ((1 lsl depth) - 1);
  Int64.of_int (value tree + more tree)

let shuffled count =
  let nodes = Array.init count (fun value -> Tree { left = Leaf; right = Leaf; value; more = 1 }) in
  let order = Array.init count Fun.id and state = random () in
  for i = count - 1 downto 1 do
    let j = below state (i + 1) in
    let place = order.(i) in
    order.(i) <- order.(j);
    order.(j) <- place
  done;
  let node index = if index < count then nodes.(order.(index)) else Leaf in
  for i = 0 to count - 1 do
    match node i with
    | Tree tree ->
        tree.left <- node ((2 * i) + 1);
        tree.right <- node ((2 * i) + 2)
    | Leaf -> ()
  done;
  node 0

let mark_shuffled depth =
  let count = (1 lsl depth) - 1 in
  let tree = shuffled count in
  time_collections count;
  Int64.of_int (value tree + more tree)
