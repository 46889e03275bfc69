//! What the lock of the pool protects: seats, the queue, times, and who sleeps. Nothing here waits or signals.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::{Client, Next, OFFER, STUCK};
use crate::sync::thread::{self, ThreadId};
use crate::sync::twin::{self, Twin};
use crate::sync::{Arc, Weak};

/// Where a seat is, see the header of the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Away,
    Waiting(Instant),
    Queued,
}

/// A heap in the pool.
struct Seat<C> {
    client: Weak<C>,
    /// Threads inside at most.
    limit: usize,
    place: Place,
    /// Somebody has woken the heap since a thread last took the seat.
    poked: bool,
    /// The last handle is gone.
    closed: bool,
    inside: Vec<ThreadId>,
    /// Turns that have ended.
    ended: u64,
}

/// A seat that a thread has taken.
pub(super) struct Taken<C> {
    pub(super) heap: u64,
    pub(super) client: Arc<C>,
    pub(super) ended: u64,
}

/// Who is to look at the queue and the times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sleeper {
    /// Nobody: there is nothing to see, or threads that are awake will see it.
    NotNeeded,
    /// A thread that sleeps.
    Any,
    /// The timekeeper.
    Timekeeper,
    /// All are at work: a new one, if there may be one.
    New,
}

/// See the header of the pool.
pub(super) struct State<C> {
    seats: BTreeMap<u64, Seat<C>>,
    /// The seats that are queued, by heap.
    queue: VecDeque<u64>,
    /// The seats that wait.
    times: BTreeSet<(Instant, u64)>,
    /// How many open seats have each limit.
    limits: BTreeMap<usize, usize>,
    /// Every thread; when it last looked up, if it is inside a heap.
    threads: BTreeMap<usize, Option<Instant>>,
    /// Threads that sleep, without the timekeeper.
    sleeping: usize,
    /// What the timekeeper sleeps until.
    alarm: Option<Instant>,
}

impl<C: Client> State<C> {
    pub(super) const fn new() -> Self {
        State {
            seats: BTreeMap::new(),
            queue: VecDeque::new(),
            times: BTreeSet::new(),
            limits: BTreeMap::new(),
            threads: BTreeMap::new(),
            sleeping: 0,
            alarm: None,
        }
    }

    pub(super) fn add(&mut self, heap: u64, limit: usize, client: Weak<C>) {
        let seat = Seat {
            client,
            limit,
            place: Place::Away,
            poked: false,
            closed: false,
            inside: Vec::new(),
            ended: 0,
        };
        self.seats.insert(heap, seat);
        *self.limits.entry(limit).or_default() += 1;
    }

    /// Moves a seat to another place.
    fn put(&mut self, heap: u64, place: Place) {
        let Some(seat) = self.seats.get_mut(&heap) else {
            return;
        };
        let before = core::mem::replace(&mut seat.place, place);
        if before == place {
            return;
        }
        match before {
            Place::Away => {}
            Place::Waiting(time) => {
                self.times.remove(&(time, heap));
            }
            Place::Queued => self.queue.retain(|other| *other != heap),
        }
        match place {
            Place::Away => {}
            Place::Waiting(time) => {
                self.times.insert((time, heap));
            }
            Place::Queued => self.queue.push_back(heap),
        }
    }

    /// Somebody wakes the heap.
    pub(super) fn poke(&mut self, heap: u64) {
        if let Some(seat) = self.seats.get_mut(&heap)
            && !seat.closed
        {
            seat.poked = true;
            if seat.inside.len() < seat.limit {
                self.put(heap, Place::Queued);
            }
        }
    }

    /// Queues the seats whose time has come.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(&(time, heap)) = self.times.first()
            && time <= now
        {
            self.put(heap, Place::Queued);
        }
    }

    /// Takes the seat that has been in the queue for longest.
    pub(super) fn take(&mut self, thread: usize, now: Instant) -> Option<Taken<C>> {
        let heap = self.queue.pop_front()?;
        let seat = self.seats.get_mut(&heap)?;
        seat.place = Place::Away;
        seat.poked = false;
        // A queued seat is not closed, so there is a handle, or it waits for this lock to close the seat.
        let client = seat.client.upgrade()?;
        seat.inside.push(thread::current().id());
        let ended = seat.ended;
        if seat.inside.len() < seat.limit {
            self.put(heap, Place::Waiting(now + OFFER));
        }
        self.threads.insert(thread, Some(now));
        Some(Taken {
            heap,
            client,
            ended,
        })
    }

    /// A thread leaves a heap, `ended` of whose turns had ended when it came. Whether somebody may wait for that.
    pub(super) fn end_turn(
        &mut self,
        thread: usize,
        heap: u64,
        ended: u64,
        next: Next,
        now: Instant,
    ) -> bool {
        self.threads.insert(thread, None);
        let me = thread::current().id();
        let Some(seat) = self.seats.get_mut(&heap) else {
            return false;
        };
        seat.inside.retain(|other| *other != me);
        let overlapped = seat.ended != ended && !twin::is(Twin::EndNotSeen);
        seat.ended += 1;
        let alone = seat.inside.is_empty();
        if seat.closed {
            if alone {
                self.seats.remove(&heap);
            }
            return true;
        }
        let missed = matches!(next, Next::Missed(_)) && !twin::is(Twin::MissForgotten);
        let again = match next {
            Next::Again => true,
            // Whoever is inside will queue it.
            Next::Missed(_) if missed && !alone => false,
            Next::Missed(_) if missed => overlapped || seat.poked,
            _ => seat.poked && !twin::is(Twin::PokeForgotten),
        };
        seat.poked |= missed;
        if again {
            self.put(heap, Place::Queued);
        } else if seat.place != Place::Queued {
            // Whose turn has ended meanwhile may have looked later than this one.
            let other = match seat.place {
                Place::Waiting(time) if overlapped => Some(time),
                _ => None,
            };
            match next {
                Next::After(time) | Next::Missed(time) => {
                    let until = now + time;
                    self.put(
                        heap,
                        Place::Waiting(other.map_or(until, |other| until.min(other))),
                    );
                }
                Next::Never if other.is_some() => {}
                // The places offered by those inside stay so.
                _ if !alone => {}
                _ => self.put(heap, Place::Away),
            }
        }
        false
    }

    /// Nobody takes the seat any more, and those inside are told.
    pub(super) fn close(&mut self, heap: u64) {
        self.put(heap, Place::Away);
        let Some(seat) = self.seats.get_mut(&heap) else {
            return;
        };
        seat.closed = true;
        let limit = seat.limit;
        if seat.inside.is_empty() {
            self.seats.remove(&heap);
        }
        if let Some(count) = self.limits.get_mut(&limit) {
            *count -= 1;
            if *count == 0 {
                self.limits.remove(&limit);
            }
        }
    }

    pub(super) fn is_open(&self, heap: u64) -> bool {
        self.seats.get(&heap).is_some_and(|seat| !seat.closed)
    }

    /// Whether there is no thread, not even one that is about to start.
    pub(super) fn has_no_thread(&self) -> bool {
        self.threads.is_empty()
    }

    pub(super) fn is_inside(&self, heap: u64) -> bool {
        self.seats
            .get(&heap)
            .is_some_and(|seat| !seat.inside.is_empty())
    }

    /// Whether a thread is inside any heap. Linear in the number of heaps.
    pub(super) fn is_in_turn(&self, thread: ThreadId) -> bool {
        self.seats
            .values()
            .any(|seat| seat.inside.contains(&thread))
    }

    pub(super) fn is_queue_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// A thread at work has looked up.
    pub(super) fn beat(&mut self, thread: usize, now: Instant) {
        self.threads.insert(thread, Some(now));
    }

    /// Threads that count.
    fn working(&self, now: Instant) -> usize {
        let counts = |beat: &&Option<Instant>| beat.is_none_or(|beat| now < beat + STUCK);
        self.threads.values().filter(counts).count()
    }

    /// As many threads as a heap has asked for.
    fn wanted(&self) -> usize {
        self.limits.last_key_value().map_or(0, |(limit, _)| *limit)
    }

    /// Whether there is a thread too many, when one that is not inside a heap asks.
    pub(super) fn is_surplus(&self, now: Instant) -> bool {
        self.threads.len() > self.wanted() && self.working(now) > self.wanted()
    }

    /// The number of a new thread, if there may be one.
    pub(super) fn new_thread(&mut self, now: Instant) -> Option<usize> {
        if self.threads.len() >= self.wanted() && self.working(now) >= self.wanted() {
            return None;
        }
        let number = (0..).find(|number| !self.threads.contains_key(number))?;
        self.threads.insert(number, None);
        Some(number)
    }

    pub(super) fn remove_thread(&mut self, number: usize) {
        self.threads.remove(&number);
    }

    /// Who must be told of what is in the queue, and of the first of the times.
    pub(super) fn sleeper(&self) -> Sleeper {
        let first = self.times.first().map(|(time, _)| *time);
        if !self.queue.is_empty() {
            match (self.sleeping, self.alarm) {
                (1.., _) => Sleeper::Any,
                (0, Some(_)) => Sleeper::Timekeeper,
                (0, None) => Sleeper::New,
            }
        } else if let Some(first) = first {
            match (self.sleeping, self.alarm) {
                (_, Some(alarm)) if alarm <= first => Sleeper::NotNeeded,
                (_, Some(_)) => Sleeper::Timekeeper,
                (1.., None) => Sleeper::Any,
                // All are awake, and look when their turns end.
                (0, None) => Sleeper::NotNeeded,
            }
        } else {
            Sleeper::NotNeeded
        }
    }

    /// A thread found nothing to do: until when it sleeps, if it is the timekeeper.
    pub(super) fn fall_asleep(&mut self) -> Option<Instant> {
        let first = self.times.first().map(|(time, _)| *time);
        if self.alarm.is_none() && first.is_some() {
            self.alarm = first;
            return first;
        }
        self.sleeping += 1;
        None
    }

    pub(super) fn wake_up(&mut self) {
        self.sleeping -= 1;
    }

    pub(super) fn wake_up_timekeeper(&mut self) {
        self.alarm = None;
    }

    /// The number of threads.
    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.threads.len()
    }
}
