//! How many calls are under way: in all, and to one URL, so that a webhook that hangs takes only half of the places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Places {
    all: Arc<Semaphore>,
    per_url: usize,
    /// Of URLs with calls under way or waiting.
    by_url: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

/// A call's place; given back when dropped.
pub struct Place {
    _of_url: Option<OwnedSemaphorePermit>,
    _of_all: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub fn new(places: usize) -> Self {
        let places = places.clamp(2, Semaphore::MAX_PERMITS);
        Self { all: Arc::new(Semaphore::new(places)), per_url: places / 2, by_url: Mutex::default() }
    }

    /// The next place that is free, in the order of asking. Cancel safe.
    pub async fn take(&self, url: &Arc<str>) -> Place {
        // First that of the URL: whoever waits for it must not hold one that another URL could use. Neither is ever closed.
        let of_url = self.of_url(url).acquire_owned().await.ok();
        let of_all = self.all.clone().acquire_owned().await.ok();
        Place { _of_url: of_url, _of_all: of_all }
    }

    fn of_url(&self, url: &Arc<str>) -> Arc<Semaphore> {
        let mut by_url = self.by_url.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody uses or waits for are forgotten, so that the map stays as small as what is under way.
        by_url.retain(|_, places| Arc::strong_count(places) > 1);
        by_url.entry(url.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.per_url))).clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_url_has_half_of_the_places_and_gives_them_back() {
        let places = Places::new(4);
        let (hangs, works): (Arc<str>, Arc<str>) = ("https://hangs".into(), "https://works".into());
        let held = [places.take(&hangs).now_or_never().unwrap(), places.take(&hangs).now_or_never().unwrap()];
        assert!(places.take(&hangs).now_or_never().is_none());
        let other = places.take(&works).now_or_never();
        assert!(other.is_some());
        drop(held);
        assert!(places.take(&hangs).now_or_never().is_some());
    }

    #[test]
    fn urls_without_calls_are_forgotten() {
        let places = Places::new(4);
        for number in 0..100 {
            let url: Arc<str> = format!("https://hub/{number}").into();
            drop(places.take(&url).now_or_never());
        }
        assert_eq!(places.by_url.lock().unwrap().len(), 1);
    }
}
