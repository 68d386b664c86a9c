//! What the device is asked for by its owner.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Driver;
use crate::SetupError;
use crate::device::DeviceConfig;
use crate::device::attempt::Means;
use crate::device::config::asked_with;
use crate::device::handle::{ReportRefused, Request};
use crate::device::identity::Identity;
use crate::device::update::Answer;
use crate::flow::{Event, Trigger};

impl Driver {
    pub(super) fn asked(&mut self, request: Request) {
        // What the owner said first is taken first, although it comes another way.
        self.take_answers();
        if let Some(on_hub) = &mut self.on_hub {
            on_hub.forwarding.arrived();
        }
        match request {
            Request::Published => {}
            Request::Report(patch, done) => match self.twin.report(patch) {
                Ok(()) => {
                    self.keeping.kept_then(done);
                    self.changed = true;
                }
                Err(error) => drop(done.send(Err(ReportRefused::Report(error)))),
            },
            Request::RegisterAgain { reset } => self.tell(Event::Asked(Trigger::Person { reset })),
            Request::Configure(config, done) => self.configure(*config, done),
            Request::WantMessages(want) => {
                self.messages_wanted = want;
                if let (true, Some(on_hub)) = (want, &mut self.on_hub) {
                    on_hub.offer_again();
                }
            }
            // Taken by the loop.
            Request::Stop => {}
        }
    }

    fn configure(&mut self, mut config: DeviceConfig, done: oneshot::Sender<Result<(), SetupError>>) {
        // Few files, at a person's request.
        let same_device = |loaded: Identity| self.means.identity.same_device(loaded.credentials()).map(|_| loaded);
        let identity = match Identity::load(config.credentials.clone()).and_then(same_device) {
            Ok(identity) => Arc::new(identity),
            Err(error) => return drop(done.send(Err(error))),
        };
        config.state = self.means.config.state.clone();
        self.disk.set_limits(config.outbox);
        self.machine.set_policy(config.policy.clone());
        let asked_with = asked_with(&config, &identity.credentials());
        self.means = Arc::new(Means { config, identity, asked_with: asked_with.clone() });
        self.look_at_certificate = Instant::now();
        self.tell(Event::Changed { asked_with });
        let _ = done.send(Ok(()));
    }

    /// Takes every answer that is there.
    pub(super) fn take_answers(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.answered(answer);
        }
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        let Some(on_hub) = &mut self.on_hub else { return };
        match answer {
            Answer::Method { connection, rid, status, payload } if connection == on_hub.number => {
                on_hub.answer_method(&rid, status, payload);
            }
            Answer::Message { call, accepted } if call.connection == on_hub.number => {
                on_hub.message_answered(call.packet_id, accepted);
            }
            _ => tracing::debug!("an answer to what an earlier connection brought"),
        }
    }
}
