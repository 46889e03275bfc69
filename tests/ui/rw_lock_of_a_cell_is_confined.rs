use tricolor_gc::{GcCell, GcMutex, GcRwLock};

fn shared<T: Sync>(_: &T) {}

// Two readers would write the cell at once.
fn main() {
    shared(&GcMutex::new(GcCell::new(1)));
    shared(&GcRwLock::new(GcCell::new(1)));
}
