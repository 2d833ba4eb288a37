//! The tables with a store that a test plays: what it is told, what it answers, what happens when it does not.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::log::Log;

const LIST: fn() -> Greylist =
    || Greylist { name: String::from("grey"), after: 300, within: 7200, keep: 86_400 };

fn tables() -> (Tables, Clock) {
    let clock = Clock::frozen(1_700_000_000_000_000);
    (Tables::new(clock.clone()), clock)
}

fn key(tables: &Tables, text: &str) -> Digest {
    tables.digest(|digester| _ = digester.text(text.as_bytes()))
}

#[test]
fn keys_are_the_same_under_one_secret_and_others_under_another() {
    let ((one, _), (other, _)) = (tables(), tables());
    assert_eq!(key(&one, "A.Example"), key(&one, "a.example"));
    assert_ne!(key(&one, "a.example"), key(&other, "a.example"));
    assert!(other.secret.set(one.secret.get()));
    assert!(!other.secret.set(one.secret.get()));
    assert_eq!(key(&one, "a.example"), key(&other, "a.example"));
    let parts =
        |parts: &[&[u8]]| one.digest(|digester| parts.iter().for_each(|part| _ = digester.part(part)));
    assert_ne!(parts(&[b"ab", b"c"]), parts(&[b"a", b"bc"]));
    let long = "x".repeat(1000);
    assert_eq!(key(&one, &long), key(&one, &long.to_uppercase()));
    assert_ne!(key(&one, &long), key(&one, &long[1..]));
}

#[test]
fn a_window_begins_with_its_first_count() {
    let (tables, clock) = tables();
    let (a, b) = (key(&tables, "a"), key(&tables, "b"));
    assert_eq!((1..=3).map(|_| tables.count(a, 1, 60)).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((tables.count(b, 5, 60), tables.counted(b), tables.counted(key(&tables, "c"))), (5, 5, 0));
    clock.advance(Duration::from_secs(59));
    assert_eq!(tables.count(a, 1, 60), 4);
    clock.advance(Duration::from_secs(1));
    assert_eq!(tables.count(a, 1, 60), 1);
}

#[test]
fn a_greylist_of_one_host_lets_pass_who_comes_again() {
    let (tables, clock) = tables();
    let a = key(&tables, "a");
    assert_eq!(tables.grey(a, &LIST()), Some(Grey::Waiting));
    clock.advance(Duration::from_secs(299));
    assert_eq!(tables.grey(a, &LIST()), Some(Grey::Waiting), "too early, and the wait does not begin anew");
    clock.advance(Duration::from_secs(1));
    assert_eq!(tables.grey(a, &LIST()), Some(Grey::Passed));
    clock.advance(Duration::from_secs(80_000));
    assert_eq!(tables.grey(a, &LIST()), Some(Grey::Passed));
    clock.advance(Duration::from_secs(80_000));
    assert_eq!(tables.grey(a, &LIST()), Some(Grey::Passed), "kept from when he last came");
    clock.advance(Duration::from_hours(24));
    assert_eq!(tables.grey(a, &LIST()), Some(Grey::Waiting));
    clock.advance(Duration::from_hours(2));
    assert_eq!(tables.grey(a, &LIST()), Some(Grey::Waiting), "too late is new");
}

/// A store whose answers a test gives.
struct Played {
    told: Sender<Vec<(Digest, Request)>>,
    answers: Receiver<Result<Vec<Option<Left>>, Broken>>,
}

impl Store for Played {
    fn open(&mut self, ours: u128, _: &mut dyn FnMut(Digest, Left)) -> Result<u128, String> {
        Ok(ours)
    }

    fn exchange(&mut self, requests: &[(Digest, Request)]) -> Result<Vec<Option<Left>>, Broken> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.told.send(requests.to_vec()).map_err(|error| Broken::Before(error.to_string()))?;
        self.answers.recv().map_err(|error| Broken::Before(error.to_string()))?
    }
}

fn broken() -> Broken {
    Broken::After(String::from("it broke"))
}

/// Tables whose store the test plays.
struct Stage {
    tables: Arc<Tables>,
    keeper: Keeper,
    told: Receiver<Vec<(Digest, Request)>>,
    answers: Sender<Result<Vec<Option<Left>>, Broken>>,
}

impl Stage {
    fn new(timeout: Duration) -> Self {
        let tables = Arc::new(Tables::new(Clock::system()));
        let (tell, told) = channel();
        let (answers, answer) = channel();
        let played = Mutex::new(Some(Played { told: tell, answers: answer }));
        let keeper = keeper::start_with(
            Arc::clone(&tables),
            Place::Shared(Shared {
                server: Server::Socket("/played".into()),
                timeout,
                prefix: String::new(),
                database: 0,
                password: None,
            }),
            Log::off(),
            Box::new(move |_| Some(Box::new(played.lock().unwrap().take()?))),
        );
        Self { tables, keeper: keeper.unwrap(), told, answers }
    }

    fn told(&self) -> Vec<(Digest, Request)> {
        self.told.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    fn answer(&self, answers: Vec<Option<Left>>) {
        self.answers.send(Ok(answers)).unwrap();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Whatever it still asks is refused, so that it ends.
        let _gone = self.answers.send(Err(broken()));
        self.keeper.stop();
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

const LONG: Duration = Duration::from_secs(10);

fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to pass");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_not_known_here_is_asked_and_then_known() {
    let stage = Stage::new(LONG);
    let a = key(&stage.tables, "a");
    assert_eq!(stage.tables.knows(a), None);
    stage.answer(vec![Some(Left { seconds: 100, count: 1 })]);
    assert_eq!(run(stage.tables.recall(a)), Ok(true));
    assert_eq!(stage.told(), [(a, Request::Read)]);
    assert_eq!(stage.tables.knows(a), Some(true));
    let b = key(&stage.tables, "b");
    stage.answer(vec![None]);
    assert_eq!(run(stage.tables.recall(b)), Ok(false));
    assert_eq!(stage.tables.knows(b), None, "another host may come to know it");
    assert_eq!(stage.tables.report().answered, 2);
}

#[test]
fn what_others_have_counted_comes_on_top() {
    let stage = Stage::new(LONG);
    let a = key(&stage.tables, "a");
    assert_eq!(stage.tables.count(a, 1, 600), 1);
    assert_eq!(stage.told(), [(a, Request::Add { by: 1, window: 600 })]);
    // Counted while the store is asked: told together with the next.
    assert_eq!((stage.tables.count(a, 1, 600), stage.tables.count(a, 2, 600)), (2, 4));
    stage.answer(vec![Some(Left { seconds: 500, count: 41 })]);
    assert_eq!(stage.told(), [(a, Request::Add { by: 3, window: 600 })]);
    assert_eq!(stage.tables.left(a).unwrap().1, 41);
    assert!(stage.tables.left(a).unwrap().0 <= 500, "the window is that of the store");
    stage.answer(vec![Some(Left { seconds: 500, count: 44 })]);
    until(|| stage.tables.left(a).map(|(_, count)| count) == Some(44));
    assert_eq!(stage.tables.count(a, 1, 600), 45);
    stage.told();
}

#[test]
fn a_silent_store_costs_its_timeout_once_and_then_nothing() {
    let stage = Stage::new(Duration::from_millis(50));
    let a = key(&stage.tables, "a");
    assert_eq!(run(stage.tables.recall(a)), Err(Unknown));
    assert_eq!(run(stage.tables.grey_asked(a, &LIST())), Err(Unknown));
    assert_eq!(stage.tables.left(a), None, "nobody is put down");
    stage.answers.send(Err(broken())).unwrap();
    until(|| !stage.tables.report().healthy);
    // Nothing is polled twice: the answer is there without waiting.
    let mut asking = std::pin::pin!(stage.tables.recall(a));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(asking.as_mut().poll(&mut context), std::task::Poll::Ready(Err(Unknown)));
    assert_eq!(stage.tables.report().unanswered, 3);
}

#[test]
fn a_greylist_goes_by_what_the_store_has() {
    let stage = Stage::new(LONG);
    let (a, b) = (key(&stage.tables, "a"), key(&stage.tables, "b"));
    let first = LIST().first(0);
    stage.answer(vec![Some(Left { seconds: first.ends, count: first.count })]);
    assert_eq!(run(stage.tables.grey_asked(a, &LIST())), Ok(Grey::Waiting));
    assert_eq!(stage.told(), [(a, Request::Begin(Left { seconds: 7200, count: first.count }))]);
    assert_eq!(stage.tables.grey(a, &LIST()), Some(Grey::Waiting), "known here now");
    // Another host has seen him 301 seconds ago.
    stage.answer(vec![Some(Left { seconds: 7200 - 301, count: first.count })]);
    assert_eq!(run(stage.tables.grey_asked(b, &LIST())), Ok(Grey::Passed));
    stage.told();
    assert_eq!(stage.told(), [(b, Request::Put(Left { seconds: 86_400, count: greylist::PASSED }))]);
    stage.answer(vec![None]);
}

/// The store has taken the count and its reply did not come: told again, a client was over its limit at half of it.
#[test]
fn a_count_that_the_store_may_have_taken_is_not_told_again() {
    let stage = Stage::new(LONG);
    let (a, b) = (key(&stage.tables, "a"), key(&stage.tables, "b"));
    stage.tables.count(a, 1, 600);
    assert_eq!(stage.told(), [(a, Request::Add { by: 1, window: 600 })]);
    stage.tables.remember(b, 600);
    stage.answers.send(Err(broken())).unwrap();
    let put = [(b, Request::Put(Left { seconds: 600, count: 1 }))];
    assert_eq!(stage.told(), put);
    assert_eq!(stage.tables.report().lost, 1);
    stage.answers.send(Err(broken())).unwrap();
    assert_eq!(stage.told(), put, "this can be told twice");
    stage.answer(vec![None]);
    stage.tables.count(a, 2, 600);
    assert_eq!(stage.told(), [(a, Request::Add { by: 2, window: 600 })]);
    stage.answers.send(Err(Broken::Before(String::from("not connected")))).unwrap();
    assert_eq!(stage.told(), [(a, Request::Add { by: 2, window: 600 })], "it has not taken it");
    stage.answer(vec![Some(Left { seconds: 600, count: 2 })]);
}

/// A file that has one entry, and that is there or not.
struct Filed {
    entry: Digest,
    is_down: Arc<AtomicBool>,
    told: Sender<Vec<(Digest, Request)>>,
}

impl Store for Filed {
    fn open(&mut self, ours: u128, load: &mut dyn FnMut(Digest, Left)) -> Result<u128, String> {
        if self.is_down.load(Relaxed) {
            return Err(String::from("down"));
        }
        load(self.entry, Left { seconds: 1000, count: 7 });
        Ok(ours)
    }

    fn exchange(&mut self, requests: &[(Digest, Request)]) -> Result<Vec<Option<Left>>, Broken> {
        if self.is_down.load(Relaxed) {
            return Err(Broken::Before(String::from("down")));
        }
        let _nobody_listens = self.told.send(requests.to_vec());
        Ok(vec![None; requests.len()])
    }
}

/// What an operator had forgotten while the file was not there came back with it.
#[test]
fn what_is_forgotten_while_the_file_is_down_is_not_loaded() {
    for counted_anew in [None, Some(1)] {
        let tables = Arc::new(Tables::new(Clock::system()));
        let a = key(&tables, "a");
        let (tell, told) = channel();
        let is_down = Arc::new(AtomicBool::new(false));
        let filed = Mutex::new(Some(Filed { entry: a, is_down: Arc::clone(&is_down), told: tell }));
        let mut keeper = keeper::start_with(
            Arc::clone(&tables),
            Place::File("/played".into()),
            Log::off(),
            Box::new(move |_| Some(Box::new(filed.lock().unwrap().take()?))),
        )
        .unwrap();
        assert_eq!(tables.left(a).map(|(_, count)| count), Some(7));
        is_down.store(true, Relaxed);
        until(|| !tables.report().healthy);
        assert!(tables.forget(a));
        if let Some(count) = counted_anew {
            tables.count(a, count, 600);
        }
        is_down.store(false, Relaxed);
        until(|| tables.report().healthy);
        assert_eq!(tables.left(a).map(|(_, count)| count), counted_anew);
        keeper.stop();
        let told: Vec<_> = told.try_iter().flatten().filter(|(key, _)| *key == a).collect();
        let counts = |(_, request): &(Digest, Request)| match request {
            Request::Put(left) => Some(left.count),
            _ => None,
        };
        assert_eq!(told.iter().map(counts).collect::<Vec<_>>(), [counted_anew]);
    }
}

#[test]
fn a_count_behind_a_forget_begins_anew() {
    let stage = Stage::new(LONG);
    let (a, b) = (key(&stage.tables, "a"), key(&stage.tables, "b"));
    stage.tables.remember(b, 600);
    stage.told();
    // The store is busy until it answers.
    stage.tables.forget(a);
    stage.tables.count(a, 1, 600);
    stage.tables.count(a, 2, 600);
    stage.answer(vec![None]);
    assert_eq!(stage.told(), [(a, Request::Put(Left { seconds: 600, count: 3 }))]);
    stage.answer(vec![None]);
}
