//! Asking the webhook of the custom allocation policy (rules B6, C4). It is asked in the registration's own future: whoever hangs keeps
//! nobody else waiting.

use firsthop_protocol::RegisterRequest;

use super::Provisioner;
use super::operator::Exchange;
use crate::domain::allocation::{Choice, Verdict, webhook};
use crate::domain::attestation::Proof;
use crate::domain::ports::AllocationRequest;
use crate::domain::refusal::Refusal;
use crate::domain::registration::Registration;

/// A call that was made: for the decision, and for the operator.
pub(super) struct Asked {
    pub verdict: Result<Verdict, Refusal>,
    pub exchange: Option<Exchange>,
}

impl Provisioner {
    /// Asks the entry's webhook. `request` is `None` where no device asked.
    pub(super) async fn ask_webhook(
        &self,
        proof: &Proof,
        request: Option<&RegisterRequest>,
        stored: Option<&Registration>,
        choice: &Choice<'_>,
    ) -> Asked {
        let Some(hook) = &proof.enrollment.webhook else {
            let refusal = webhook::failed("the enrollment has none").by(&proof.enrollment.name);
            return Asked { verdict: Err(refusal), exchange: None };
        };
        let offered = match choice.candidates() {
            Ok(offered) => offered,
            // Told like the webhook's own faults, since its policy is the one in force.
            Err(error) => {
                let refusal = webhook::failed("no hub could be offered").detail(error.to_string());
                return Asked { verdict: Err(refusal), exchange: None };
            }
        };
        let payload = request.and_then(|request| request.payload.as_ref()).map(|payload| &payload.0);
        let body = webhook::request(proof, stored, choice, &offered, payload);
        let call = AllocationRequest {
            url: hook.url.clone(),
            secret: hook.secret.as_ref().map(|secret| secret.0.clone()),
            body: body.clone(),
        };
        let answer = self.allocator.allocate(call).await;
        let exchange = Exchange::new(&hook.url, &body, &answer);
        let verdict = match &answer {
            Ok(answer) => webhook::judge(&answer.body, &offered).map_err(|fault| fault.refusal()),
            Err(fault) => Err(webhook::no_answer(fault)),
        };
        Asked { verdict, exchange: Some(exchange) }
    }
}
