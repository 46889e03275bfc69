(* Arguments, checksums, the random numbers, the clocks. Checksums are of 64 bits, an OCaml integer has 63. *)

let mix checksum value =
  let open Int64 in
  let rotated = logor (shift_left checksum 5) (shift_right_logical checksum 59) in
  mul (logxor rotated value) 0x100000001b3L

let rotate_and_add checksum value =
  let open Int64 in
  add (logor (shift_left checksum 1) (shift_right_logical checksum 63)) (of_int value)

(* Marsaglia's xorshift64. The state lies in bytes, where 64 bits need no box. *)
let random () =
  let state = Bytes.create 8 in
  Bytes.set_int64_ne state 0 0x9e3779b97f4a7c15L;
  state

let below state limit =
  let open Int64 in
  let x = Bytes.get_int64_ne state 0 in
  let x = logxor x (shift_left x 13) in
  let x = logxor x (shift_right_logical x 7) in
  let x = logxor x (shift_left x 17) in
  Bytes.set_int64_ne state 0 x;
  (to_int (shift_right_logical x 32) * limit) lsr 32

external nanos : (int[@untagged]) -> (int[@untagged]) = "peers_nanos_boxed" "peers_nanos" [@@noalloc]

let monotonic_clock = 1
let process_clock = 2
let thread_clock = 3

(* The process's peak resident memory, as Linux has it. *)
let print_peak () =
  try
    let status = open_in "/proc/self/status" in
    (try
       while true do
         let line = input_line status in
         if String.length line > 6 && String.sub line 0 6 = "VmHWM:" then
           Scanf.sscanf line "VmHWM: %d" (Printf.printf "peak_rss_kib %d\n")
       done
     with End_of_file -> ());
    close_in status
  with Sys_error _ -> ()

(* The major heap's cycles. *)
let print_result checksum =
  Printf.printf "checksum %Lu\n" checksum;
  print_peak ();
  Printf.printf "cycles %d\n" (Gc.quick_stat ()).Gc.major_collections
