//! The bus over rumqttd's router: what its links share, and the router's supervision.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::front::codec::{Publish, text};

use super::filters::{Channel, Filters};
use super::link::RouterLink;
use super::retained::{Retained, expiry};
use super::router::Router;
use super::tap::Tap;
use super::{Bus, BusError, Config, Reach, envelope};

/// Connections to the router that may be made at the same time: each blocks a thread until the router answers.
const CONNECTING: usize = 4;

/// Publish and subscribe through a supervised router, which is started when somebody subscribes first.
pub struct RouterBus {
    shared: Arc<Shared>,
}

impl RouterBus {
    /// Checks the configuration; nothing is running yet.
    pub fn start(config: Config) -> Result<Self, BusError> {
        config.check()?;
        Ok(Self {
            shared: Arc::new(Shared {
                retained: Mutex::new(Retained::new(config.retained, config.retained_size.as_usize())),
                config,
                begin: Instant::now(),
                router: Mutex::new(None),
                starting: Mutex::new(()),
                connecting: Semaphore::new(CONNECTING),
                filters: RwLock::new(Filters::default()),
                names: Arc::new(Mutex::new(Names::default())),
                next_link: AtomicU64::new(0),
                restarts: AtomicU64::new(0),
            }),
        })
    }

    /// How many routers have died.
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    /// Sessions with subscriptions.
    pub fn links(&self) -> usize {
        lock(&self.shared.names).used
    }

    /// Different topic filters in use.
    pub fn filters(&self) -> usize {
        self.shared.filters.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Retained messages.
    pub fn retained(&self) -> usize {
        lock(&self.shared.retained).len()
    }

    #[cfg(test)]
    pub(super) fn router(&self) -> Option<Arc<Router>> {
        lock(&self.shared.router).clone()
    }
}

impl Bus for RouterBus {
    type Link = RouterLink;

    async fn open(&self, label: &str) -> Result<RouterLink, BusError> {
        let id = self.shared.next_link.fetch_add(1, Ordering::Relaxed);
        Ok(RouterLink::new(self.shared.clone(), id, label))
    }
}

/// What all links of a bus share. Only `starting` is held longer than a look or a change takes.
pub(super) struct Shared {
    pub(super) config: Config,
    begin: Instant,
    router: Mutex<Option<Arc<Router>>>,
    /// Held by a blocking thread while it starts a router.
    starting: Mutex<()>,
    connecting: Semaphore,
    filters: RwLock<Filters>,
    retained: Mutex<Retained>,
    names: Arc<Mutex<Names>>,
    next_link: AtomicU64,
    restarts: AtomicU64,
}

impl Shared {
    /// Milliseconds since the bus began; the clock of all expiries.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn enter(&self, filter: &str) -> Result<Channel, BusError> {
        let max = self.config.filters;
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        filters.enter(filter, max).ok_or(BusError::TooManyFilters(max))
    }

    pub(super) fn leave(&self, filter: &str) {
        self.filters.write().unwrap_or_else(PoisonError::into_inner).leave(filter);
    }

    pub(super) fn retained(&self, filter: &str, now: u64) -> Vec<Bytes> {
        lock(&self.retained).matching(filter, now)
    }

    pub(super) async fn publish(&self, message: &Publish, publisher: u64) -> Result<Reach, BusError> {
        text::topic_name(&message.topic).map_err(BusError::Invalid)?;
        if message.topic.starts_with('$') {
            return Err(BusError::Reserved);
        }
        let channels = self.filters.read().unwrap_or_else(PoisonError::into_inner).matching(&message.topic);
        if channels.is_empty() && !message.retain {
            return Ok(Reach::Nobody);
        }
        let now = self.now();
        let expires = expiry(message, now);
        let envelope = envelope::seal(message, publisher, expires).ok_or(BusError::TooLarge)?;
        if message.retain {
            let mut retained = lock(&self.retained);
            if message.payload.is_empty() {
                retained.forget(&message.topic);
            } else {
                retained.keep(&message.topic, envelope.clone(), expires, now)?;
            }
        }
        if channels.is_empty() {
            return Ok(Reach::Nobody);
        }
        let router = lock(&self.router).clone();
        let Some(router) = router else { return Ok(Reach::Nobody) };
        match router.publish(&channels, &envelope).await {
            Ok(()) => Ok(Reach::Subscribers),
            // The publisher did nothing wrong and loses nothing; those who had subscribed are told.
            Err(BusError::RouterLost) => {
                self.replace_if_lost(&router);
                Ok(Reach::Nobody)
            }
            Err(error) => Err(error),
        }
    }

    /// A connection to the router for a link that subscribes, starting the router where none runs.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Tap, BusError> {
        let max = self.config.links;
        let name = Names::take(&self.names, max).ok_or(BusError::TooManyLinks(max))?;
        let place = self.connecting.acquire().await.map_err(|_| BusError::RouterLost)?;
        let shared = self.clone();
        let connected = tokio::task::spawn_blocking(move || Tap::connect(shared.running()?, name)).await;
        drop(place);
        // The blocking task can only have panicked inside rumqttd, on the loss of its router.
        connected.unwrap_or(Err(BusError::RouterLost))
    }

    /// The router that runs, started where there is none. Blocks.
    fn running(&self) -> Result<Arc<Router>, BusError> {
        // One at a time: a second router would run, unused, for the life of the process.
        let _starting = lock(&self.starting);
        let known = lock(&self.router).clone();
        if let Some(router) = known {
            if !router.is_lost() {
                return Ok(router);
            }
            self.replace_if_lost(&router);
        }
        let router = Arc::new(Router::start(&self.config)?);
        *lock(&self.router) = Some(router.clone());
        Ok(router)
    }

    /// Forgets a router that has died, once, so that the next one who needs it starts another.
    pub(super) fn replace_if_lost(&self, router: &Arc<Router>) {
        let mut current = lock(&self.router);
        if router.is_lost() && current.as_ref().is_some_and(|current| Arc::ptr_eq(current, router)) {
            *current = None;
            let restarts = self.restarts.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(restarts, "the message router died; sessions with subscriptions end, a new one is started");
        }
    }
}

/// Nothing panics while a lock is held here, and all values are whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of connections, used again and again: the router keeps something of each name that ever was.
#[derive(Debug, Default)]
struct Names {
    free: Vec<u32>,
    next: u32,
    used: usize,
}

impl Names {
    fn take(names: &Arc<Mutex<Names>>, max: usize) -> Option<Name> {
        let mut held = lock(names);
        if held.used >= max {
            return None;
        }
        held.used += 1;
        let number = held.free.pop().unwrap_or_else(|| {
            held.next += 1;
            held.next
        });
        Some(Name { number, names: names.clone() })
    }
}

/// A connection's name, given back when it is dropped.
pub(super) struct Name {
    number: u32,
    names: Arc<Mutex<Names>>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut names = lock(&self.names);
        names.used -= 1;
        names.free.push(self.number);
    }
}
