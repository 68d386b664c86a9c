//! One connection to a scripted broker.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::answers::answer;
use super::notes::{Notes, What};
use super::tls::Tls;
use super::{Greeting, Order};
use crate::packet::server::{self, Request};
use crate::{Message, Version, packet};

struct Session<'a> {
    stream: TlsStream<TcpStream>,
    number: usize,
    notes: &'a Notes,
    version: Version,
    read: Vec<u8>,
    last_id: u16,
}

/// Why a connection is over.
struct Over;

pub(super) async fn serve(
    mut socket: TcpStream,
    number: usize,
    notes: &Notes,
    tls: &Tls,
    orders: mpsc::Receiver<Order>,
) {
    let greeting = notes.script(|script| script.greetings.take());
    let told = |text: &str| notes.note(number, What::Told(text.to_owned()));
    match &greeting {
        Greeting::HangUp => return told("end of TCP"),
        Greeting::Babble => {
            told("no TLS");
            let _ = socket.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").await;
            return until_end(&mut socket).await;
        }
        Greeting::NoTls => {
            told("nothing");
            return until_end(&mut socket).await;
        }
        _ => {}
    }
    if matches!(greeting, Greeting::Shows(_) | Greeting::Trusts(_)) {
        told("another certificate");
    }
    let stream = match tls.acceptor(&greeting).accept(socket).await {
        Ok(stream) => stream,
        Err(error) => return notes.note(number, What::Unsecured(error.to_string())),
    };
    let certificates = stream.get_ref().1.peer_certificates().expect("a client without one is refused");
    notes.note(number, What::Secured(certificates[0].to_vec()));
    let mut session = Session { stream, number, notes, version: Version::V5, read: Vec::new(), last_id: 0 };
    // The end is noted by whoever accepted the connection.
    let _ = session.run(&greeting, orders).await;
}

/// Takes what comes and says nothing.
async fn until_end(socket: &mut (impl AsyncReadExt + Unpin)) {
    let mut chunk = [0; 4096];
    while socket.read(&mut chunk).await.is_ok_and(|count| count > 0) {}
}

impl Session<'_> {
    async fn run(&mut self, greeting: &Greeting, mut orders: mpsc::Receiver<Order>) -> Result<(), Over> {
        let mut chunk = vec![0; 16 * 1024];
        loop {
            tokio::select! {
                read = self.stream.read(&mut chunk) => {
                    let count = read.map_err(|_| Over)?;
                    if count == 0 {
                        return Err(Over);
                    }
                    self.read.extend(&chunk[..count]);
                    while let Some(request) = server::take(self.version, &mut self.read) {
                        self.notes.note(self.number, What::Got(request.clone()));
                        self.on(request, greeting).await?;
                    }
                }
                // There are no more once another connection came.
                Some(order) = orders.recv() => {
                    if matches!(order, Order::Stall) {
                        self.told("nothing more");
                        match orders.recv().await {
                            Some(end) => self.obey(end).await?,
                            None => std::future::pending().await,
                        }
                    } else {
                        self.obey(order).await?;
                    }
                }
            }
        }
    }

    async fn on(&mut self, request: Request, greeting: &Greeting) -> Result<(), Over> {
        match request {
            Request::Connect(version, _) => {
                self.version = version;
                match greeting {
                    Greeting::NoConnAck => self.told("no CONNACK"),
                    Greeting::Refuse(code, properties) => {
                        self.told(&format!("CONNACK {code:#04x}"));
                        self.send(&server::connack(version, *code, properties)).await?;
                        return self.obey(Order::Close).await;
                    }
                    _ => self.send(&server::connack(version, 0, &[])).await?,
                }
            }
            Request::Subscribe { id, filters } => {
                let code = self.notes.script(|script| script.subscribe.take());
                let codes: Vec<u8> = filters.iter().map(|(_, asked)| code.unwrap_or(1.min(*asked))).collect();
                if code.is_some() {
                    self.told(&format!("SUBACK {codes:?}"));
                }
                self.send(&server::suback(self.version, id, &codes)).await?;
            }
            Request::Unsubscribe { id, filters } => {
                self.send(&server::unsuback(self.version, id, filters.len())).await?;
            }
            Request::Publish(message) => self.publication(message).await?,
            Request::PingReq => self.send(&server::PINGRESP).await?,
            Request::PubAck { .. } => {}
            Request::Disconnect { .. } => return Err(Over),
        }
        Ok(())
    }

    async fn publication(&mut self, message: Message) -> Result<(), Over> {
        let answer = self.notes.script(|script| answer(script, &message));
        // Noted first: the device may be quick.
        if let Some(words) = answer.told {
            self.told(&words);
        }
        if let Some(code) = answer.puback
            && message.qos == 1
        {
            self.send(&server::puback(self.version, message.id, code)).await?;
        }
        if let Some(publication) = answer.publication {
            self.send(&packet::publish(self.version, &publication.qos(0))).await?;
        }
        if answer.ends { self.obey(Order::Close).await } else { Ok(()) }
    }

    async fn obey(&mut self, order: Order) -> Result<(), Over> {
        match order {
            Order::Push(message) => {
                self.last_id += 1;
                let message = message.id(self.last_id);
                return self.send(&packet::publish(self.version, &message)).await;
            }
            Order::Disconnect(code, properties) => {
                self.told(&format!("DISCONNECT {code:#04x}"));
                if self.version == Version::V5 {
                    self.send(&server::disconnect(code, &properties)).await?;
                }
                let _ = self.stream.shutdown().await;
            }
            Order::Close => {
                self.told("end of the connection");
                let _ = self.stream.shutdown().await;
            }
            Order::Reset => {
                self.told("reset of TCP");
                let _ = self.stream.get_ref().0.set_zero_linger();
            }
            Order::Stall => return Ok(()),
        }
        Err(Over)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.stream.write_all(bytes).await.map_err(|_| Over)?;
        self.stream.flush().await.map_err(|_| Over)
    }

    fn told(&self, words: &str) {
        self.notes.note(self.number, What::Told(words.to_owned()));
    }
}
