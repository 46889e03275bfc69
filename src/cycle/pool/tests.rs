//! The pool with clients that are no heaps: turns, limits, threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use super::{Client, Next, Pool, STUCK, Turn};

/// A client whose turns are a function.
struct Worker(Box<dyn Fn(&Turn<Worker>) -> Next + Send + Sync>);

impl Client for Worker {
    fn turn(&self, turn: &Turn<Worker>) -> Next {
        (self.0)(turn)
    }
}

type Threads = &'static Pool<Worker>;

/// A pool of the test's own.
fn pool() -> Threads {
    Box::leak(Box::new(Pool::new()))
}

fn join(
    pool: Threads,
    heap: u64,
    limit: usize,
    turn: impl Fn(&Turn<Worker>) -> Next + Send + Sync + 'static,
) -> Arc<Worker> {
    let worker = Arc::new(Worker(Box::new(turn)));
    pool.join(heap, limit, Arc::downgrade(&worker));
    worker
}

fn threads(pool: Threads) -> usize {
    pool.state.lock().threads()
}

/// The limit is for hangs: on a busy machine a few turns may take seconds.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "not yet: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn who_works_for_long_makes_way_for_others() {
    let pool = pool();
    let turns = Arc::new(Mutex::new(Vec::new()));
    let heaps = [0, 1, 2].map(|heap: usize| {
        let turns = turns.clone();
        join(pool, heap as u64, 1, move |turn| {
            turns.lock().unwrap().push(heap);
            while turn.goes_on() {
                std::hint::spin_loop();
            }
            Next::Again
        })
    });
    (0..3).for_each(|heap| pool.wake(heap));
    // Before the third has come, the first two may have had any number.
    let since_the_third = || {
        let turns = turns.lock().unwrap();
        let third = turns.iter().position(|turn| *turn == 2);
        third.map_or(Vec::new(), |at| turns[at..].to_vec())
    };
    wait_until("many turns", || since_the_third().len() >= 30);
    let turns = since_the_third();
    let counts = [0, 1, 2].map(|heap| turns.iter().filter(|turn| **turn == heap).count());
    let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
    assert!(most - least <= 3, "{turns:?}");
    wait_until("there is one thread, as nobody asks for more", || {
        threads(pool) == 1
    });
    (0..3).for_each(|heap| pool.leave(heap));
    assert!(heaps.iter().all(|heap| Arc::strong_count(heap) == 1));
    wait_until("the thread has ended", || threads(pool) == 0);
}

#[test]
fn no_more_threads_are_inside_than_the_heap_asked_for() {
    let pool = pool();
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let _heap = join(pool, 1, 2, move |turn| {
        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
        seen.fetch_max(now, Ordering::SeqCst);
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1) {
            let _ = turn.goes_on();
        }
        inside.fetch_sub(1, Ordering::SeqCst);
        Next::Again
    });
    let _other = join(pool, 2, 4, |_| Next::Never);
    wait_until("a second thread has come", || {
        pool.wake(1);
        pool.wake(2);
        most.load(Ordering::SeqCst) == 2
    });
    for _ in 0..100 {
        pool.wake(1);
        std::thread::yield_now();
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    pool.leave(1);
    pool.leave(2);
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// Who sleeps until later is told when another, going to sleep, leaves a time before that.
#[test]
fn a_time_before_the_one_slept_for_is_not_missed() {
    let pool = pool();
    let go_on = Arc::new(Barrier::new(2));
    let turns = [0, 1].map(|_| Arc::new(AtomicUsize::new(0)));
    let count = |heap: usize| turns[heap].load(Ordering::SeqCst);
    let (seen, wait) = (turns[0].clone(), go_on.clone());
    let _soon = join(pool, 0, 1, move |_| {
        if seen.fetch_add(1, Ordering::SeqCst) > 0 {
            return Next::Never;
        }
        wait.wait();
        Next::After(Duration::from_millis(1))
    });
    let seen = turns[1].clone();
    let _late = join(pool, 1, 2, move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        Next::After(Duration::from_secs(600))
    });
    pool.wake(0);
    wait_until("the first is inside", || count(0) == 1);
    pool.wake(1);
    wait_until("the second has been looked at", || count(1) > 0);
    // Its thread falls asleep.
    std::thread::sleep(Duration::from_millis(50));
    go_on.wait();
    wait_until("the first is looked at again", || count(0) == 2);
    (0..2).for_each(|heap| pool.leave(heap));
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// Nobody wakes the heap again, and the first thread does not look up: another that sleeps sees the place when its time has come.
#[test]
fn a_second_thread_comes_when_the_first_stays() {
    let pool = pool();
    let (inside, stay) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(true)),
    );
    let (count, stays) = (inside.clone(), stay.clone());
    let _heap = join(pool, 1, 2, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        while stays.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        count.fetch_sub(1, Ordering::SeqCst);
        Next::Never
    });
    let are_inside = |threads| inside.load(Ordering::SeqCst) == threads;
    wait_until("there are two threads", || {
        pool.wake(1);
        are_inside(2)
    });
    stay.store(false, Ordering::SeqCst);
    wait_until("they have come out", || are_inside(0));
    // They fall asleep.
    std::thread::sleep(Duration::from_millis(50));
    stay.store(true, Ordering::SeqCst);
    pool.wake(1);
    wait_until("both are inside", || are_inside(2));
    stay.store(false, Ordering::SeqCst);
    pool.leave(1);
    wait_until("the threads have ended", || threads(pool) == 0);
}

#[test]
fn a_thread_that_is_stuck_does_not_count() {
    let pool = pool();
    let (entered, leave) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let meetings = (entered.clone(), leave.clone());
    let once = AtomicBool::new(true);
    let _stuck = join(pool, 1, 1, move |_| {
        if once.swap(false, Ordering::SeqCst) {
            meetings.0.wait();
            meetings.1.wait();
        }
        Next::Never
    });
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let _other = join(pool, 2, 1, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Next::Never
    });
    pool.wake(1);
    entered.wait();
    pool.wake(2);
    wait_until("the other heap has a turn", || {
        pool.nudge();
        turns.load(Ordering::SeqCst) == 1
    });
    assert!(threads(pool) >= 2);
    leave.wait();
    wait_until("one of them has ended", || {
        pool.wake(1);
        threads(pool) == 1
    });
    pool.leave(1);
    pool.leave(2);
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// Nobody wakes the heap: who waits for it sees that its time has come.
#[test]
fn a_heap_whose_time_comes_while_its_thread_is_stuck_has_its_turn() {
    let pool = pool();
    let leave = Arc::new(Barrier::new(2));
    let (meeting, once) = (leave.clone(), AtomicBool::new(true));
    let _stuck = join(pool, 1, 1, move |_| {
        if once.swap(false, Ordering::SeqCst) {
            meeting.wait();
        }
        Next::Never
    });
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let _other = join(pool, 2, 1, move |turn| {
        if counted.fetch_add(1, Ordering::SeqCst) > 0 {
            return Next::Never;
        }
        turn.pool.wake(1);
        Next::After(Duration::from_millis(10))
    });
    pool.wake(2);
    wait_until("the other heap has its second turn", || {
        pool.nudge();
        turns.load(Ordering::SeqCst) == 2
    });
    leave.wait();
    pool.leave(1);
    pool.leave(2);
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// However long its turn: it looks up, so nobody is needed in its stead.
#[test]
fn a_thread_that_looks_up_counts() {
    let pool = pool();
    let (tell, told) = channel();
    let _client = join(pool, 1, 1, move |turn| {
        let needed = || {
            let mut state = turn.pool.state.lock();
            let number = state.new_thread(Instant::now());
            number.inspect(|&number| state.remove_thread(number));
            number.is_some()
        };
        std::thread::sleep(STUCK);
        let before = needed();
        let _ = turn.goes_on();
        tell.send((before, needed())).unwrap();
        Next::Never
    });
    pool.wake(1);
    assert_eq!(told.recv(), Ok((true, false)));
    pool.leave(1);
    wait_until("the thread has ended", || threads(pool) == 0);
}

#[test]
fn a_turn_comes_when_its_time_has_come() {
    let pool = pool();
    let turns = Arc::new(AtomicUsize::new(0));
    let heaps: Vec<_> = (0..50)
        .map(|heap| {
            let turns = turns.clone();
            join(pool, heap, 3, move |_| {
                turns.fetch_add(1, Ordering::SeqCst);
                Next::After(Duration::from_millis(heap % 7 + 1))
            })
        })
        .collect();
    (0..50).for_each(|heap| pool.wake(heap));
    wait_until("many turns", || turns.load(Ordering::SeqCst) > 2000);
    (0..50).for_each(|heap| pool.leave(heap));
    drop(heaps);
    wait_until("the threads have ended", || threads(pool) == 0);
}

#[test]
fn a_heap_may_leave_in_its_own_turn() {
    let pool = pool();
    let left = Arc::new(AtomicBool::new(false));
    let seen = left.clone();
    let heap = join(pool, 1, 1, move |turn| {
        turn.pool.leave(1);
        assert!(!turn.goes_on());
        seen.store(true, Ordering::SeqCst);
        Next::Again
    });
    pool.wake(1);
    wait_until("it has left", || left.load(Ordering::SeqCst));
    wait_until("nobody refers to it", || Arc::strong_count(&heap) == 1);
    wait_until("the thread has ended", || threads(pool) == 0);
    pool.wake(1);
    assert_eq!(threads(pool), 0);
}

/// Destructors of two heaps drop each the last handle of the other.
#[test]
fn heaps_may_leave_in_each_others_turns() {
    let pool = pool();
    // So that there are two threads.
    let _other = join(pool, 3, 2, |_| Next::Never);
    let (meet, left) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let heaps = [(1, 2), (2, 1)].map(|(heap, other)| {
        let (meet, left) = (meet.clone(), left.clone());
        join(pool, heap, 1, move |turn| {
            meet.wait();
            turn.pool.leave(other);
            left.fetch_add(1, Ordering::SeqCst);
            Next::Never
        })
    });
    pool.wake(1);
    pool.wake(2);
    wait_until("both have left", || left.load(Ordering::SeqCst) == 2);
    wait_until("nobody refers to them", || {
        heaps.iter().all(|heap| Arc::strong_count(heap) == 1)
    });
    pool.leave(3);
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// The other is told to end.
#[test]
fn a_heap_may_leave_in_one_of_two_turns() {
    let pool = pool();
    let (inside, left) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let seen = left.clone();
    let heap = join(pool, 1, 2, move |turn| {
        if inside.fetch_add(1, Ordering::SeqCst) == 0 {
            while inside.load(Ordering::SeqCst) < 2 {
                let _ = turn.goes_on();
            }
            turn.pool.leave(1);
            seen.store(true, Ordering::SeqCst);
        } else {
            // Until the heap has left.
            while turn.goes_on() {
                std::thread::yield_now();
            }
        }
        Next::Again
    });
    pool.wake(1);
    wait_until("it has left", || left.load(Ordering::SeqCst));
    wait_until("nobody refers to it", || Arc::strong_count(&heap) == 1);
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// Its heap has more to do, and the thread that has taken its place sleeps.
#[test]
fn a_thread_that_is_one_too_many_wakes_another_when_it_ends() {
    let pool = pool();
    let meetings = Arc::new([Barrier::new(2), Barrier::new(2)]);
    let turns = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (met, counted) = (meetings.clone(), turns.clone());
    let _stuck = join(pool, 1, 1, move |_| {
        if counted[0].fetch_add(1, Ordering::SeqCst) > 0 {
            return Next::Never;
        }
        for meeting in &*met {
            meeting.wait();
        }
        Next::Again
    });
    let counted = turns.clone();
    let _other = join(pool, 2, 1, move |_| {
        counted[1].fetch_add(1, Ordering::SeqCst);
        Next::Never
    });
    pool.wake(1);
    meetings[0].wait();
    pool.wake(2);
    wait_until("the other heap has a turn", || {
        pool.nudge();
        turns[1].load(Ordering::SeqCst) == 1
    });
    // Let it fall asleep.
    std::thread::sleep(Duration::from_millis(20));
    meetings[1].wait();
    wait_until("the rest is done", || turns[0].load(Ordering::SeqCst) == 2);
    assert_eq!(threads(pool), 1);
    pool.leave(1);
    pool.leave(2);
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// While it works, who has more to do needs another.
#[test]
fn a_thread_that_has_slept_is_not_taken_for_one_that_sleeps() {
    let pool = pool();
    let (turns, stay) = (
        Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]),
        Arc::new(AtomicBool::new(true)),
    );
    let (counted, stays) = (turns.clone(), stay.clone());
    let _first = join(pool, 1, 1, move |_| {
        if counted[0].fetch_add(1, Ordering::SeqCst) > 0 {
            while stays.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Next::Never
    });
    let counted = turns.clone();
    let _other = join(pool, 2, 2, move |_| {
        counted[1].fetch_add(1, Ordering::SeqCst);
        Next::Never
    });
    let had = |heap: usize, count| turns[heap].load(Ordering::SeqCst) == count;
    pool.wake(1);
    wait_until("the first heap has a turn", || had(0, 1));
    // Let it fall asleep.
    std::thread::sleep(Duration::from_millis(20));
    pool.wake(1);
    wait_until("the thread is busy", || had(0, 2));
    pool.wake(2);
    wait_until("the other heap has a turn", || !had(1, 0));
    stay.store(false, Ordering::SeqCst);
    pool.leave(1);
    pool.leave(2);
    wait_until("the threads have ended", || threads(pool) == 0);
}

/// Two threads look at a heap, and the one that looked first, and found nothing to do, is the last to leave.
#[test]
fn a_late_end_does_not_put_off_an_earlier_time() {
    for late in [Next::After(Duration::from_secs(600)), Next::Never] {
        let pool = pool();
        let turns = Arc::new(AtomicUsize::new(0));
        let seen = turns.clone();
        let _heap = join(pool, 1, 2, move |_| {
            match seen.fetch_add(1, Ordering::SeqCst) {
                0 => {
                    while seen.load(Ordering::SeqCst) < 2 {
                        std::thread::yield_now();
                    }
                    std::thread::sleep(Duration::from_millis(50));
                    late
                }
                1 => Next::After(Duration::from_millis(500)),
                _ => Next::Never,
            }
        });
        pool.wake(1);
        let began = Instant::now();
        while turns.load(Ordering::SeqCst) < 3 {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{late:?}: nobody looks again"
            );
            pool.nudge();
            std::thread::sleep(Duration::from_millis(10));
        }
        pool.leave(1);
    }
}
