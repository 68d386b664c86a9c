use super::*;
use crate::domain::ports::Notice;

fn desired(n: u8) -> HubMail {
    HubMail::Desired(Arc::new([n]))
}

fn notice(reason: &str) -> HubMail {
    HubMail::Notify(Notice { reason: reason.into(), not_before: None, spread: 0 })
}

#[test]
fn messages_come_in_their_order_and_an_empty_post_waits() {
    let post = Post::default();
    assert!(post.leave(desired(1)) && post.leave(notice("a")) && post.leave(desired(2)));
    assert_eq!(mail(&post), [desired(1), notice("a"), desired(2)]);
    assert!(post.next().now_or_never().is_none());
}

#[test]
fn what_says_the_same_is_said_once() {
    let post = Post::default();
    for _ in 0..100 {
        assert!(post.leave(HubMail::Queued) && post.leave(notice("old")));
    }
    assert!(post.leave(notice("new")));
    assert_eq!(mail(&post), [HubMail::Queued, notice("new")]);
}

#[test]
fn a_session_that_does_not_keep_up_is_closed_instead_of_missing_something() {
    let post = Post::default();
    for n in 0..16 {
        assert!(post.leave(desired(n)));
    }
    assert!(!post.leave(desired(16)));
    assert_eq!(mail(&post), [HubMail::Close { moved_to: None }]);
}

#[test]
fn an_end_comes_first_and_nothing_comes_after_it() {
    let post = Post::default();
    for n in 0..16 {
        post.leave(desired(n));
    }
    post.leave(HubMail::TakenOver);
    assert!(!post.leave(desired(17)));
    post.leave(HubMail::Close { moved_to: Some("x:1".into()) });
    assert_eq!(mail(&post), [HubMail::TakenOver]);
}

#[tokio::test]
async fn who_waits_is_woken() {
    let post = Arc::new(Post::default());
    let waiting = tokio::spawn({
        let post = post.clone();
        async move { post.next().await }
    });
    tokio::task::yield_now().await;
    post.leave(HubMail::Queued);
    assert_eq!(waiting.await.unwrap(), HubMail::Queued);
}

#[tokio::test]
async fn a_device_has_one_session_and_the_newcomer_takes_over() {
    let world = World::with(identity("dev-1")).await;
    let (old, first) = world.connect();
    let (new, second) = world.connect();
    assert_eq!(mail(&old), [HubMail::TakenOver]);
    assert_eq!(world.hub.status().await.unwrap().sessions, 1);
    world.hub.leave(&dev_1(), first);
    assert_eq!(world.hub.status().await.unwrap().sessions, 1, "the old one has nothing to end any more");
    world.hub.leave(&dev_1(), second);
    assert_eq!(world.hub.status().await.unwrap().sessions, 0);
    assert!(mail(&new).is_empty());
}
