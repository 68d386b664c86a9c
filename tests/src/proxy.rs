//! A network that a test can cut: carries TCP connections to a port on loopback.

use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// What is connected is cut off, and newcomers as well.
    Cut,
    /// Connections stand, and nothing passes.
    Stalled,
}

/// A running proxy; ends when dropped.
pub struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
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
        let thread = std::thread::spawn(move || {
            crate::fleet::runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, port, seen) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port: own, line, stop: Some(stop), thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    pub fn stall(&self) {
        self.line.send_replace(Line::Stalled);
    }

    pub fn mend(&self) {
        self.line.send_replace(Line::Whole);
    }
}

async fn accept(listener: TcpListener, port: u16, line: watch::Receiver<Line>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(carry(near, port, line.clone()));
    }
}

async fn carry(mut near: TcpStream, port: u16, mut line: watch::Receiver<Line>) {
    if *line.borrow() == Line::Cut {
        return;
    }
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    loop {
        let now = *line.borrow_and_update();
        match now {
            Line::Cut => return,
            Line::Stalled => {
                if line.changed().await.is_err() {
                    return;
                }
            }
            Line::Whole => tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                changed = line.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            },
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
