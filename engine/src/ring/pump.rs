//! The loop of a thread: run what can run, let the ring turn, again.
//!
//! ```text
//!   tasks run -> ring turns: submits, waits if nothing can run, hands on completions -> tasks run ...
//!      ^                        |
//!      |   GUEST_EVERY, or idle v
//!      +------------------ tokio turns: its timers, the resolver's sockets, connects
//! ```
//! While there is work, the thread waits in the ring alone, one system call for all that is queued and all that has come. tokio gets
//! its turn each [`GUEST_EVERY`]. A thread without work for so long waits in tokio's poll, where the ring is one descriptor
//! among others; so timers are as exact as tokio's own, which is a millisecond.

use std::future::Future;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use tokio::io::unix::AsyncFd;

use super::RingError;
use super::driver::Driver;
use crate::limits::{GUEST_EVERY, RUNS_PER_TURN_MAX};

/// Where the thread is, for those who wake it.
mod place {
    /// It runs and will look.
    pub(super) const RUNNING: u8 = 0;
    /// It waits in the ring.
    pub(super) const RING: u8 = 1;
    /// It waits in tokio's poll.
    pub(super) const TOKIO: u8 = 2;
}

/// Wakes the thread for tasks that can go on.
struct Alarm {
    rung: AtomicBool,
    place: AtomicU8,
    bell: std::fs::File,
    tokio: Mutex<Option<Waker>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, SeqCst) {
            return;
        }
        match self.place.load(SeqCst) {
            // A full counter rings as well.
            place::RING => _ = (&self.bell).write(&1_u64.to_ne_bytes()),
            place::TOKIO => self.wake_tokio(),
            _ => {}
        }
    }
}

impl Alarm {
    fn wake_tokio(&self) {
        let waker = self.tokio.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }

    fn take(&self) -> bool {
        self.rung.swap(false, SeqCst)
    }

    /// Says where the thread goes to wait; false, and it stays, when it was rung meanwhile.
    fn leave_for(&self, place: u8) -> bool {
        self.place.store(place, SeqCst);
        let leaves = !self.rung.load(SeqCst);
        if !leaves {
            self.place.store(place::RUNNING, SeqCst);
        }
        leaves
    }
}

/// Drives `tasks`, a future that runs what can run each time that it is polled, until it ends.
pub(super) struct Pump<F> {
    driver: Rc<Driver>,
    tasks: Pin<Box<F>>,
    alarm: Arc<Alarm>,
    waker: Waker,
    ready: AsyncFd<OwnedFd>,
}

impl<F: Future> Pump<F> {
    /// To be made and awaited inside of the runtime.
    pub(super) fn new(driver: Rc<Driver>, tasks: F) -> Result<Self, RingError> {
        let alarm = Arc::new(Alarm {
            rung: AtomicBool::new(true),
            place: AtomicU8::new(place::RUNNING),
            bell: driver.bell().map_err(RingError::from_setup)?.into(),
            tokio: Mutex::default(),
        });
        let ready = driver.ready().map_err(RingError::from_setup)?;
        Ok(Self { driver, tasks: Box::pin(tasks), waker: Waker::from(Arc::clone(&alarm)), alarm, ready })
    }

    /// Runs tasks until none can go on, or it is the ring's turn.
    fn run(&mut self) -> Poll<F::Output> {
        let mut context = Context::from_waker(&self.waker);
        for _ in 0..RUNS_PER_TURN_MAX {
            if !self.alarm.take() {
                break;
            }
            if let Poll::Ready(output) = self.tasks.as_mut().poll(&mut context) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    /// Lets the ring turn, and wait if it may; how many operations have completed.
    fn turn(&self, may_wait: bool) -> usize {
        let waits = may_wait && self.alarm.leave_for(place::RING);
        let turned = self.driver.turn(waits);
        self.alarm.place.store(place::RUNNING, SeqCst);
        turned.expect("the kernel drives the ring that it has set up")
    }

    /// Leaves the thread to tokio until the ring or a task has something to do. False if that is already so.
    fn leave(&self, context: &Context<'_>) -> bool {
        let mut context = Context::from_waker(context.waker());
        if let Poll::Ready(ready) = self.ready.poll_read_ready(&mut context) {
            // It may be an old one, so look before going.
            if let Ok(mut ready) = ready {
                ready.clear_ready();
            }
            return false;
        }
        *self.alarm.tokio.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        self.alarm.leave_for(place::TOKIO)
    }
}

impl<F: Future> Future for Pump<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        this.alarm.place.store(place::RUNNING, SeqCst);
        let mut until = Instant::now() + GUEST_EVERY;
        loop {
            if let Poll::Ready(output) = this.run() {
                return Poll::Ready(output);
            }
            if Instant::now() >= until {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let completed = this.turn(!this.driver.has_guests());
            if completed > 0 || this.alarm.rung.load(SeqCst) {
                continue;
            }
            if this.leave(context) {
                return Poll::Pending;
            }
            // What made it stay gets a whole turn.
            until = Instant::now() + GUEST_EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::mpsc::unbounded_channel;

    use crate::ring::{run, spawn};

    /// Two rings play with a ball: each waits while the other has it, in the ring at first and in tokio after a pause.
    #[test]
    fn another_thread_wakes_a_ring_wherever_it_waits() {
        const ROUNDS: u32 = 300;
        let ((to_one, mut one), (to_two, mut two)) = (unbounded_channel(), unbounded_channel());
        let other = std::thread::spawn(move || {
            run(async move {
                while let Some(ball) = two.recv().await {
                    if ball % 30 == 0 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    to_one.send(ball + 1).unwrap();
                }
            })
            .unwrap();
        });
        let last = run(async move {
            let mut ball = 0;
            for _ in 0..ROUNDS {
                to_two.send(ball).unwrap();
                ball = one.recv().await.unwrap();
            }
            ball
        });
        other.join().unwrap();
        assert_eq!(last.unwrap(), ROUNDS);
    }

    #[test]
    fn timers_come_on_a_thread_that_is_never_idle() {
        run(async {
            let busy = spawn(async {
                loop {
                    // Ready again at once, and lets others run.
                    std::future::poll_fn({
                        let mut again = true;
                        move |context| {
                            context.waker().wake_by_ref();
                            if std::mem::take(&mut again) {
                                std::task::Poll::Pending
                            } else {
                                std::task::Poll::Ready(())
                            }
                        }
                    })
                    .await;
                }
            });
            let began = Instant::now();
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(began.elapsed() >= Duration::from_millis(20));
            busy.abort();
        })
        .unwrap();
    }
}
