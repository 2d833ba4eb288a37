//! A pool by itself: who gets a transaction, who waits, who is told that there is none.

use super::*;

fn pool(balance: Balance, servers: &[(u32, u32)]) -> Arc<Pool> {
    let servers = servers
        .iter()
        .enumerate()
        .map(|(index, &(weight, slots))| ServerSpec {
            name: format!("s{index}"),
            address: SocketAddr::from(([192, 0, 2, 1], 25)),
            weight,
            slots,
            backup: false,
        })
        .collect();
    Pool::new(spec(balance, servers), None)
}

fn spec(balance: Balance, servers: Vec<ServerSpec>) -> PoolSpec {
    PoolSpec {
        name: "p".into(),
        servers,
        balance,
        check: None,
        retry: 2,
        waiting: 1,
        waiting_for: Duration::from_secs(5),
        reuse_transactions: 100,
        reuse_idle: Duration::from_secs(30),
        client: None,
        usable: Extensions::ALL,
        tls: PoolTls::Off,
        timeouts: Timeouts::default(),
        empty: FixedReply::new(451, (4, 3, 2), "none"),
    }
}

fn counts(pool: &Arc<Pool>, transactions: usize) -> Vec<usize> {
    let mut counts = vec![0; pool.members.len()];
    for _ in 0..transactions {
        counts[pool.try_acquire(&[]).unwrap().member()] += 1;
    }
    counts
}

#[test]
fn idle_servers_get_their_weights_exactly() {
    for balance in [Balance::LeastBusy, Balance::RoundRobin] {
        assert_eq!(counts(&pool(balance, &[(10, 5), (30, 5)]), 4000), [1000, 3000]);
        assert_eq!(counts(&pool(balance, &[(1, 5), (1, 5), (1, 5)]), 300), [100, 100, 100]);
    }
}

#[test]
fn slots_bound_open_transactions_and_come_back() {
    let pool = pool(Balance::LeastBusy, &[(1, 2), (1, 1)]);
    let open: Vec<Ticket> = std::iter::from_fn(|| pool.try_acquire(&[])).collect();
    assert_eq!(open.len(), 3);
    drop(open);
    assert_eq!(pool.members.iter().map(|member| member.server.busy()).sum::<u32>(), 0);
    assert!(pool.try_acquire(&[]).is_some());
}

#[test]
fn a_drained_or_tried_or_down_server_gets_nothing_new() {
    let pool = pool(Balance::LeastBusy, &[(1, 9), (1, 9), (1, 9)]);
    pool.members[0].server.set_admin(Admin::Drain);
    assert!(pool.members[1].server.set_up(false));
    assert!(!pool.members[1].server.set_up(false));
    assert_eq!(counts(&pool, 10), [0, 0, 10]);
    assert!(pool.try_acquire(&[2]).is_none());
}

#[test]
fn a_backup_serves_only_when_no_other_can() {
    let mut servers = pool(Balance::LeastBusy, &[(1, 1), (1, 9)]).spec.servers.clone();
    servers[1].backup = true;
    let pool = Pool::new(spec(Balance::LeastBusy, servers), None);
    let held = pool.try_acquire(&[]).unwrap();
    assert_eq!(held.member(), 0);
    assert_eq!(pool.try_acquire(&[]).unwrap().member(), 1);
}

#[test]
fn state_outlives_a_reload_of_the_same_server_only() {
    let old = pool(Balance::LeastBusy, &[(1, 1), (1, 1)]);
    old.members[0].server.set_admin(Admin::Drain);
    old.members[1].server.set_admin(Admin::Maint);
    let mut spec = old.spec.clone();
    spec.servers[1].address = SocketAddr::from(([192, 0, 2, 9], 25));
    let new = Pool::new(spec, Some(&old));
    assert_eq!(new.members[0].server.admin(), Admin::Drain);
    assert_eq!(new.members[1].server.admin(), Admin::Ready);
}

#[tokio::test(start_paused = true)]
async fn the_waiting_room_is_bounded_and_wakes() {
    let pool = pool(Balance::LeastBusy, &[(1, 1)]);
    let held = pool.try_acquire(&[]).unwrap();
    let mut waiter = std::pin::pin!(pool.acquire(&[]));
    assert!(
        std::future::poll_fn(|context| std::task::Poll::Ready(waiter.as_mut().poll(context).is_pending()))
            .await
    );
    assert_eq!(pool.acquire(&[]).await.unwrap_err(), NoSlot::RoomFull);
    drop(held);
    let held = waiter.await.unwrap();
    assert_eq!(pool.acquire(&[]).await.unwrap_err(), NoSlot::WaitedInVain);
    assert_eq!(pool.waiting(), 0);
    pool.members[0].server.set_up(false);
    drop(held);
    assert_eq!(pool.acquire(&[]).await.unwrap_err(), NoSlot::NoneServes);
}

/// Polls once; whether it still waits.
async fn waits<T>(waiter: &mut std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(waiter.as_mut().poll(context).is_pending())).await
}

/// Each generation had a waiting room of its own, so a slot that came back in one was not seen in the other.
#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_back_is_seen_by_all_generations() {
    let old = pool(Balance::LeastBusy, &[(1, 1)]);
    let new = Pool::new(old.spec.clone(), Some(&old));
    for (holder, other) in [(&old, &new), (&new, &old)] {
        let held = holder.try_acquire(&[]).unwrap();
        let mut waiter = std::pin::pin!(other.acquire(&[]));
        assert!(waits(&mut waiter).await);
        assert_eq!(holder.waiting(), 1);
        let began = Instant::now();
        drop(held);
        assert!(waiter.await.is_ok());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

/// The first in line had been to the server that became free, and kept the wake-up for itself.
#[tokio::test(start_paused = true)]
async fn a_slot_goes_to_the_first_who_can_take_it() {
    let mut spec = pool(Balance::LeastBusy, &[(1, 1), (1, 1)]).spec.clone();
    spec.waiting = 2;
    let pool = Pool::new(spec, None);
    let (held, _other) = (pool.try_acquire(&[1]).unwrap(), pool.try_acquire(&[0]).unwrap());
    let mut first = std::pin::pin!(pool.acquire(&[0]));
    let mut second = std::pin::pin!(pool.acquire(&[]));
    assert!(waits(&mut first).await && waits(&mut second).await);
    let began = Instant::now();
    drop(held);
    assert!(waits(&mut first).await);
    assert_eq!(second.await.unwrap().member(), 0);
    assert_eq!(began.elapsed(), Duration::ZERO);
}
