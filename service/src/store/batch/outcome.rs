//! What becomes of one change of a batch.

use crate::domain::ports::StoreError;
use crate::store::fault::Fault;

/// Why a change is not made.
pub(super) enum Not<E> {
    /// It concerns this change alone, and nothing of it is written.
    Refused(E),
    /// It fails the batch.
    Failed(Fault),
}

impl<E, F: Into<Fault>> From<F> for Not<E> {
    fn from(fault: F) -> Self {
        Self::Failed(fault.into())
    }
}

pub(super) type Outcome<T, E> = Result<T, Not<E>>;

pub(super) fn refused<T, E>(error: E) -> Outcome<T, E> {
    Err(Not::Refused(error))
}

/// What was read before anything was written: a row that makes no sense concerns this change alone.
pub(super) fn read<T, E: From<StoreError>>(read: Result<T, Fault>) -> Outcome<T, E> {
    read.map_err(of_reading)
}

pub(super) fn of_reading<E: From<StoreError>>(fault: Fault) -> Not<E> {
    match fault {
        Fault::Damaged(_) => Not::Refused(StoreError::from(&fault).into()),
        Fault::Io(_) => Not::Failed(fault),
    }
}

/// Leaves the verdict, and says whether something was written.
pub(super) fn settle<T, E>(verdict: &mut Result<T, E>, outcome: Outcome<T, E>) -> Result<bool, Fault> {
    *verdict = match outcome {
        Ok(done) => Ok(done),
        Err(Not::Refused(error)) => Err(error),
        Err(Not::Failed(fault)) => return Err(fault),
    };
    Ok(verdict.is_ok())
}
