use super::*;

/// argon2id of "password": 64 MiB.
const HASH: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

const FLOOD: Origin = Origin::V4([192, 0, 2, 1]);
const ELSEWHERE: Origin = Origin::V4([198, 51, 100, 7]);

fn name(name: &str) -> Line {
    Line::Name(name.to_owned())
}

async fn ask(pool: &Arc<Pool>, line: Line, origin: Origin, clear: &str) -> Verdict {
    pool.verify(line, origin, Secret::new(HASH.to_owned()), Secret::new(clear.to_owned())).await
}

fn flood(pool: &Arc<Pool>, line: &Line, guesses: usize) -> Vec<tokio::task::JoinHandle<Verdict>> {
    let guess = |number: usize| {
        let (pool, line) = (Arc::clone(pool), line.clone());
        tokio::spawn(async move { ask(&pool, line, FLOOD, &format!("guess {number}")).await })
    };
    (0..guesses).map(guess).collect()
}

/// Guesses again and again, until aborted.
fn endless_flood(pool: &Arc<Pool>, line: &Line) -> Vec<tokio::task::JoinHandle<()>> {
    let guess = |guesser: usize| {
        let (pool, line) = (Arc::clone(pool), line.clone());
        tokio::spawn(async move {
            for number in 0.. {
                ask(&pool, line.clone(), FLOOD, &format!("guess {guesser} {number}")).await;
            }
        })
    };
    (0..40).map(guess).collect()
}

#[test]
fn an_ipv6_network_is_one_origin_and_a_mapped_address_is_ipv4() {
    let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:2"));
    assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
    assert_eq!(origin("::ffff:192.0.2.1"), FLOOD);
    assert_ne!(origin("192.0.2.2"), FLOOD);
}

#[tokio::test]
async fn a_flood_on_one_account_leaves_room_for_another_and_for_its_owner() {
    let pool = Arc::new(Pool::new(2));
    let flood = endless_flood(&pool, &name("victim"));
    tokio::task::yield_now().await;
    for _ in 0..3 {
        assert_eq!(ask(&pool, name("other"), FLOOD, "password").await, Verdict::Match);
        assert_eq!(ask(&pool, name("victim"), ELSEWHERE, "password").await, Verdict::Match);
    }
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn the_same_question_is_computed_once_for_all_who_ask() {
    let pool = Arc::new(Pool::new(1));
    let asked: Vec<_> = (0..300)
        .map(|number| {
            let clear = if number % 2 == 0 { "password" } else { "wrong" };
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { ask(&pool, name("bob"), FLOOD, clear).await })
        })
        .collect();
    for (number, answer) in asked.into_iter().enumerate() {
        let expected = if number % 2 == 0 { Verdict::Match } else { Verdict::Mismatch };
        assert_eq!(answer.await.unwrap(), expected);
    }
    assert!(pool.flights.lock().is_empty());
    assert_eq!(pool.queue.lock().given(), 2, "checks that ran");
}

#[tokio::test]
async fn a_wrong_password_is_not_computed_again_and_takes_its_time_all_the_same() {
    let pool = Arc::new(Pool::new(1));
    for _ in 0..3 {
        assert_eq!(ask(&pool, name("bob"), FLOOD, "wrong").await, Verdict::Mismatch);
    }
    assert_eq!(pool.queue.lock().given(), 1);
    let begin = Instant::now();
    let usual = pool.queue.lock().expected(&Job { line: name("bob"), origin: FLOOD, memory: 64 });
    assert_eq!(ask(&pool, name("bob"), FLOOD, "wrong").await, Verdict::Mismatch);
    assert!(begin.elapsed() >= usual && !usual.is_zero());
    assert_eq!(ask(&pool, name("bob"), FLOOD, "password").await, Verdict::Match);
}

#[tokio::test]
async fn a_full_line_refuses_late_and_forgets_those_who_left() {
    let pool = Arc::new(Pool::new(1));
    let mut flood = flood(&pool, &name("victim"), 60);
    tokio::task::yield_now().await;
    let begin = Instant::now();
    let refused = flood.pop().unwrap();
    assert_eq!(refused.await.unwrap(), Verdict::Busy);
    assert!(begin.elapsed() > Duration::from_millis(300), "{:?}", begin.elapsed());
    for task in flood {
        task.abort();
        drop(task.await);
    }
    assert_eq!(ask(&pool, name("victim"), FLOOD, "password").await, Verdict::Match);
    assert_eq!(ask(&pool, name("victim"), FLOOD, "other").await, Verdict::Mismatch);
    assert!(pool.flights.lock().is_empty());
}

#[tokio::test]
async fn work_runs_at_low_priority() {
    let pool = Arc::new(Pool::new(1));
    let nice = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
    let before = nice();
    assert_eq!(pool.run(1, nice).await.unwrap(), 5.max(before));
    assert_eq!(nice(), before);
}
