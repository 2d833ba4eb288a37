//! A session's seat at its listener, and a message's turn to be judged: the counts that all shards share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::facts::net_of;
use crate::generation::{Listener, SessionKey, Slots};

/// Cells in which sessions of one client or network are counted. Two that share a cell are counted together, which is rare and
/// errs by the few sessions of the other.
const CELLS: usize = 1 << 18;

/// The open sessions of one listener, kept over reloads.
#[derive(Debug)]
struct Seats {
    sessions: AtomicUsize,
    by_key: Box<[AtomicU32]>,
    hasher: RandomState,
}

/// The counts of one listener.
#[derive(Debug)]
pub struct Room {
    seats: Arc<Seats>,
    judging: Arc<Semaphore>,
    slots: Option<Slots>,
    waiting: AtomicUsize,
}

impl Room {
    /// The room of a listener. `older` is the room that it had in the generation before: it is kept when its slots are the same;
    /// its sessions stay counted in any case.
    pub fn new(slots: Option<Slots>, older: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(older) = older.filter(|older| older.slots == slots) {
            return Arc::clone(older);
        }
        let at_once = slots.map_or(Semaphore::MAX_PERMITS, |slots| slots.at_once);
        Arc::new(Self {
            seats: older.map(|older| Arc::clone(&older.seats)).unwrap_or_default(),
            judging: Arc::new(Semaphore::new(at_once)),
            slots,
            waiting: AtomicUsize::new(0),
        })
    }

    /// Open sessions.
    pub fn sessions(&self) -> usize {
        self.seats.sessions.load(Relaxed)
    }

    /// A turn to judge a message; `None` when there is no room to wait or the wait was in vain.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(turn) = Arc::clone(&self.judging).try_acquire_owned() {
            return Some(turn);
        }
        let slots = self.slots?;
        let _place = Waiting::enter(&self.waiting, slots.waiting)?;
        tokio::time::timeout(slots.waiting_for, Arc::clone(&self.judging).acquire_owned()).await.ok()?.ok()
    }
}

impl Default for Seats {
    fn default() -> Self {
        Self {
            sessions: AtomicUsize::new(0),
            by_key: (0..CELLS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Seats {
    fn cell(&self, key: IpAddr) -> Option<&AtomicU32> {
        let hash = self.hasher.hash_one(key) & (CELLS as u64 - 1);
        self.by_key.get(usize::try_from(hash).ok()?)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        waiting
            .fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1))
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A place at a listener; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    room: Arc<Room>,
    key: Option<IpAddr>,
    /// The listener is stressed.
    pub stressed: bool,
}

impl Seat {
    /// Takes a seat; `None` when the listener is full.
    pub fn take(listener: &Listener, room: &Arc<Room>) -> Option<Self> {
        let most = listener.sessions;
        let before = room
            .seats
            .sessions
            .fetch_update(Relaxed, Relaxed, |sessions| (sessions < most).then_some(sessions + 1))
            .ok()?;
        Some(Self { room: Arc::clone(room), key: None, stressed: before >= listener.stressed_above })
    }

    /// Counts the seat as this client's, and no longer as that of another; false when the client's share of the listener is taken.
    pub fn admit(&mut self, listener: &Listener, client: IpAddr) -> bool {
        let Some((most, key)) = listener.sessions_per else { return true };
        self.leave();
        let key = if key == SessionKey::Ip { client } else { net_of(client) };
        let Some(cell) = self.room.seats.cell(key) else { return false };
        let count = cell.fetch_add(1, Relaxed);
        self.key = Some(key);
        u64::from(count) < most
    }

    fn leave(&mut self) {
        if let Some(cell) = self.key.take().and_then(|key| self.room.seats.cell(key)) {
            cell.fetch_sub(1, Relaxed);
        }
    }

    /// The counts that this seat is of.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.seats.sessions.fetch_sub(1, Relaxed);
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn take(listener: &Listener, room: &Arc<Room>, client: IpAddr) -> Option<Seat> {
        Seat::take(listener, room).and_then(|mut seat| seat.admit(listener, client).then_some(seat))
    }

    fn listener(sessions: usize, per: Option<(u64, SessionKey)>) -> Listener {
        let mut listener = crate::config::test_listener();
        listener.sessions = sessions;
        listener.stressed_above = sessions / 2;
        listener.sessions_per = per;
        listener
    }

    #[test]
    fn seats_are_bounded_and_come_back() {
        let room = Room::new(None, None);
        let listener = listener(2, None);
        let client = IpAddr::from([192, 0, 2, 1]);
        let first = take(&listener, &room, client).unwrap();
        let second = take(&listener, &room, client).unwrap();
        assert!(!first.stressed && second.stressed);
        assert!(take(&listener, &room, client).is_none());
        drop(first);
        assert!(take(&listener, &room, client).is_some());
        assert_eq!(room.sessions(), 1);
    }

    /// Other slots made another room, in which none of the open sessions was counted.
    #[test]
    fn sessions_stay_counted_when_slots_change() {
        let room = Room::new(None, None);
        let listener = listener(1, None);
        let client = IpAddr::from([192, 0, 2, 1]);
        let held = take(&listener, &room, client).unwrap();
        let slots = Slots { at_once: 1, waiting: 1, waiting_for: Duration::from_secs(5) };
        let other = Room::new(Some(slots), Some(&room));
        assert!(take(&listener, &other, client).is_none());
        drop(held);
        assert!(take(&listener, &other, client).is_some());
    }

    #[test]
    fn one_network_does_not_take_all() {
        let room = Room::new(None, None);
        let listener = listener(100, Some((1, SessionKey::Net)));
        let _held = take(&listener, &room, IpAddr::from([192, 0, 2, 1])).unwrap();
        assert!(take(&listener, &room, IpAddr::from([192, 0, 2, 2])).is_none());
        assert!(take(&listener, &room, IpAddr::from([198, 51, 100, 2])).is_some());
        assert_eq!(room.sessions(), 1);
    }

    #[test]
    fn a_seat_is_counted_as_the_client_of_whom_it_is() {
        let room = Room::new(None, None);
        let listener = listener(100, Some((1, SessionKey::Net)));
        let (first, second) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 1]));
        let mut seat = take(&listener, &room, first).unwrap();
        assert!(seat.admit(&listener, second));
        assert!(take(&listener, &room, first).is_some());
        assert!(take(&listener, &room, second).is_none());
        drop(seat);
        assert!(take(&listener, &room, second).is_some());
        assert_eq!(room.sessions(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_bounded_and_wait() {
        let slots = Slots { at_once: 1, waiting: 1, waiting_for: Duration::from_secs(5) };
        let room = Room::new(Some(slots), None);
        let held = room.turn().await.unwrap();
        let (first, second) = tokio::join!(room.turn(), room.turn());
        assert!(first.is_none() && second.is_none());
        drop(held);
        assert!(room.turn().await.is_some());
        assert!(Arc::ptr_eq(&Room::new(Some(slots), Some(&room)), &room));
        assert!(!Arc::ptr_eq(&Room::new(None, Some(&room)), &room));
    }
}
