//! The workloads on tricolor-gc, as a user of the library would write them: data that does not change is plain fields,
//! data that does is in cells, and loops leave `enter` when the collector asks for it.

mod arrays;
mod churn;
mod graph;
mod live;
mod rings;
mod strings;
mod tables;
mod traversal;
mod trees;

use std::process::ExitCode;

use tricolor_gc::{Barrier, Heap};

fn main() -> ExitCode {
    let heap = heap();
    let code = peers_common::run(|request| {
        let size = |index| request.size(index);
        Some(match request.workload.as_str() {
            "binary-trees" => trees::binary_trees(&heap, size(0) as u32),
            "gcbench" => trees::gcbench(&heap, size(0) as u32),
            "threads" => trees::threads(&heap, size(0) as u32, size(1)),
            "churn" => churn::churn(&heap, size(0), size(1)),
            "graph" => graph::rewiring(&heap, size(0), size(1)),
            "rings" => rings::rings(&heap, size(0), size(1)),
            "traversal" => traversal::traversal(&heap, size(0) as u32, size(1)),
            "traversal-raw" => traversal::beside_raw(&heap, size(0) as u32, size(1)),
            "latency" => live::latency(&heap, size(0) as u32, size(1)),
            "mark-ordered" => live::mark_ordered(&heap, size(0) as u32),
            "mark-shuffled" => live::mark_shuffled(&heap, size(0) as u32),
            "tables" => tables::growing(&heap, size(0), size(1)),
            "strings" => strings::strings(&heap, size(0), size(1)),
            "arrays" => arrays::random_stores(&heap, size(0), size(1)),
            _ => return None,
        })
    });
    print_stats(&heap);
    code
}

/// A heap with the default settings, or as `TRICOLOR_BARRIER`, `TRICOLOR_MARKERS` and `TRICOLOR_GROWTH` say.
fn heap() -> Heap {
    let setting = |name| std::env::var(name).ok();
    let mut builder = Heap::builder();
    if let Some(barrier) = setting("TRICOLOR_BARRIER") {
        builder = builder.barrier(barrier.parse::<Barrier>().expect("a barrier"));
    }
    if let Some(markers) = setting("TRICOLOR_MARKERS") {
        builder = builder.marker_threads(markers.parse().expect("a number of threads"));
    }
    if let Some(percent) = setting("TRICOLOR_GROWTH") {
        builder = builder.growth_percent(percent.parse().expect("a percentage"));
    }
    builder.build().expect("settings in range")
}

fn print_stats(heap: &Heap) {
    let stats = heap.stats();
    println!("cycles {}", stats.cycles);
    println!("stops {}", stats.stops);
    println!(
        "longest_stop_us {:.1}",
        stats.longest_stop.as_secs_f64() * 1e6
    );
    println!(
        "longest_handshake_us {:.1}",
        stats.longest_handshake.as_secs_f64() * 1e6
    );
    println!("marking_ms {:.1}", stats.marking.as_secs_f64() * 1e3);
    println!("sweeping_ms {:.1}", stats.sweeping.as_secs_f64() * 1e3);
}
