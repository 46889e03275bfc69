//! What the Rust programs of the comparison share: arguments, the random numbers, the clocks, the figures they print.
//!
//! A program is called `PROGRAM WORKLOAD SIZE…` and prints `checksum N` and, for some workloads, more `name value` lines.

use std::process::ExitCode;
use std::time::Instant;

/// What a program was asked to do.
pub struct Request {
    /// The workload's name.
    pub workload: String,
    sizes: Vec<u64>,
}

impl Request {
    /// The workload's `index`th size.
    pub fn size(&self, index: usize) -> u64 {
        *self
            .sizes
            .get(index)
            .unwrap_or_else(|| panic!("{} needs more sizes", self.workload))
    }
}

/// Runs the workload of the command line; `None` says that this program does not have it.
pub fn run(workloads: impl FnOnce(&Request) -> Option<u64>) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let workload = arguments.next().unwrap_or_default();
    let sizes = arguments
        .map(|size| size.parse().expect("sizes are numbers"))
        .collect();
    match workloads(&Request { workload, sizes }) {
        Some(checksum) => {
            print_result(checksum);
            ExitCode::SUCCESS
        }
        None => ExitCode::from(3),
    }
}

fn print_result(checksum: u64) {
    println!("checksum {checksum}");
    if let Some(peak) = peak_kib() {
        println!("peak_rss_kib {peak}");
    }
}

/// The process's peak resident memory, as Linux has it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Prints the result and ends the program, without dropping what it holds.
pub fn print_and_exit(checksum: u64) -> ! {
    print_result(checksum);
    std::process::exit(0)
}

/// Marsaglia's xorshift64: the same numbers in every language.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The generator as every program starts it.
    pub fn new() -> Self {
        Random(0x9e37_79b9_7f4a_7c15)
    }

    /// The next number.
    #[inline(always)]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    #[inline(always)]
    pub fn below(&mut self, limit: u64) -> u64 {
        ((self.next() >> 32) * limit) >> 32
    }

    /// A random order of `0..len`.
    pub fn permutation(&mut self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        for i in (1..len).rev() {
            order.swap(i, self.below(i as u64 + 1) as usize);
        }
        order
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

/// Nanoseconds of processor time that this thread has used.
pub fn thread_nanos() -> u64 {
    nanos(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Nanoseconds of processor time that the process has used, all threads.
pub fn process_nanos() -> u64 {
    nanos(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn nanos(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place to write to.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The time between batches of allocations, by two clocks.
pub struct Latency {
    cpu: Vec<u64>,
    wall: Vec<u64>,
    last: (u64, Instant),
}

impl Latency {
    /// Starts the clocks; `batches` will follow.
    pub fn start(batches: u64) -> Self {
        let mut latency = Latency {
            cpu: Vec::with_capacity(batches as usize),
            wall: Vec::with_capacity(batches as usize),
            last: (0, Instant::now()),
        };
        latency.last = (thread_nanos(), Instant::now());
        latency
    }

    /// A batch is done.
    pub fn lap(&mut self) {
        let now = (thread_nanos(), Instant::now());
        self.cpu.push(now.0 - self.last.0);
        self.wall.push((now.1 - self.last.1).as_nanos() as u64);
        self.last = now;
    }

    /// Batches so far.
    pub fn laps(&self) -> u64 {
        self.cpu.len() as u64
    }

    /// Median, 99th and 99.9th percentile and longest, in µs: by the thread's processor time, and by wall clock.
    pub fn summary(mut self) -> [[f64; 4]; 2] {
        [&mut self.cpu, &mut self.wall].map(|laps| {
            laps.sort_unstable();
            [0.5, 0.99, 0.999, 1.0]
                .map(|part| laps[((laps.len() - 1) as f64 * part) as usize] as f64 / 1e3)
        })
    }

    /// Prints median, 99.9th percentile and longest, in µs.
    pub fn print(mut self) {
        for (clock, laps) in [("cpu", &mut self.cpu), ("wall", &mut self.wall)] {
            laps.sort_unstable();
            let at = |part: f64| laps[((laps.len() - 1) as f64 * part) as usize] as f64 / 1e3;
            println!("{clock}_p50_us {:.2}", at(0.5));
            println!("{clock}_p999_us {:.2}", at(0.999));
            println!("{clock}_max_us {:.2}", at(1.0));
        }
    }
}

/// Iterations of binary-trees and GCBench at each depth, from the smallest tree up: `(depth, trees)`.
pub fn depths(max: u32) -> impl Iterator<Item = (u32, u64)> {
    (4..=max)
        .step_by(2)
        .map(move |depth| (depth, 1 << (max - depth + 4)))
}

/// Folds a tree's count into the checksum, so that order and depth matter.
pub fn mix(checksum: u64, value: u64) -> u64 {
    (checksum.rotate_left(5) ^ value).wrapping_mul(0x100_0000_01b3)
}

/// Writes `number` in decimal digits to `buffer`, from `at` on; returns the end.
pub fn put_decimal(buffer: &mut [u8], at: usize, mut number: u64) -> usize {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let end = at + digits.len() - first;
    buffer[at..end].copy_from_slice(&digits[first..]);
    end
}
