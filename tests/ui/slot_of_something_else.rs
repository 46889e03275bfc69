use tricolor_gc::{GcCell, GcSlot};

fn main() {
    let _ = GcSlot::new(1_usize);
    let _ = GcSlot::new(Some(Box::new(1)));
    let _ = GcCell::new(String::new()).get();
}
