//! DISCONNECT: the client leaves (MQTT 5 section 3.14).

use super::super::codec::{Disconnect, DisconnectReason};
use super::super::session::{End, Role, Session};

impl<R: Role> Session<R> {
    pub(in super::super) async fn on_disconnect(&mut self, disconnect: &Disconnect) -> End {
        if disconnect.reason == DisconnectReason::Normal {
            // [MQTT-3.14.4-3]: the will is gone with a normal disconnection only.
            self.forget_will();
        }
        if disconnect.session_expiry_interval == Some(0) {
            R::forget(self).await;
        }
        End::quiet("the client left")
    }
}
