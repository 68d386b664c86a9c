//! A network that a test can cut: carries TCP connections to a port on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// What is connected is cut off, and newcomers as well.
    Cut,
    /// What is connected is reset, and newcomers as well.
    Reset,
    /// Connections stand, and nothing passes: half-open for both sides.
    Stalled,
    /// Everything arrives that much later.
    Slow(Duration),
}

impl Line {
    fn is_broken(&self) -> bool {
        matches!(self, Self::Cut | Self::Reset)
    }
}

/// A running proxy; ends when dropped.
pub struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub fn to(port: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let own = listener.local_addr().expect("an address").port();
        let (line, seen) = watch::channel(Line::Whole);
        let (stop, stopped) = oneshot::channel::<()>();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let thread = std::thread::spawn(move || {
            crate::fleet::runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, port, seen, counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port: own, line, connections, stop: Some(stop), thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came, whatever became of them.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    pub fn stall(&self) {
        self.line.send_replace(Line::Stalled);
    }

    /// As a router does that forgot its connections.
    pub fn reset(&self) {
        self.line.send_replace(Line::Reset);
    }

    pub fn delay(&self, by: Duration) {
        self.line.send_replace(Line::Slow(by));
    }

    pub fn mend(&self) {
        self.line.send_replace(Line::Whole);
    }
}

async fn accept(listener: TcpListener, port: u16, line: watch::Receiver<Line>, connections: Arc<AtomicUsize>) {
    while let Ok((near, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(carry(near, port, line.clone()));
    }
}

async fn carry(mut near: TcpStream, port: u16, line: watch::Receiver<Line>) {
    if !line.borrow().is_broken()
        && let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await
    {
        let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
        let both = async { tokio::join!(pump(from_near, to_far, line.clone()), pump(from_far, to_near, line.clone())) };
        let mut watched = line.clone();
        tokio::select! {
            _ = both => {}
            _ = watched.wait_for(Line::is_broken) => {}
        }
        if *line.borrow() == Line::Reset {
            let _ = far.set_zero_linger();
        }
    }
    if *line.borrow() == Line::Reset {
        let _ = near.set_zero_linger();
    }
}

/// Carries one direction to its end.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut line: watch::Receiver<Line>) {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut chunk).await.unwrap_or(0);
        let Ok(now) = line.wait_for(|line| *line != Line::Stalled).await.map(|line| *line) else { return };
        if let Line::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        if count == 0 {
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
