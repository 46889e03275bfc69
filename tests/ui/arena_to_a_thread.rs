use std::thread;

use tricolor_gc::{Arena, Rootable};

fn main() {
    let mut arena = Arena::<Rootable![u8]>::new(|_| 1);
    thread::spawn(move || arena.collect());
}
