//! The one place where native types meet their encodings (`proto/drydock/state/v1`): envelopes of the log, rows of
//! snapshots. Nothing else in the crate names a wire type.

mod account_row;
mod capacity;
mod command;
mod parts;
mod plan;
mod row;
mod task_row;
mod task_set_row;

use drydock_model::arn::Scope;
use drydock_proto::state as wire;
use prost::Message as _;

pub(crate) use account_row::{from_names, names};
pub(crate) use parts::{from_settings, settings};
pub(crate) use row::{FromWire, WireRow};
pub(crate) use task_row::Launches;

use crate::command::{ENVELOPE_BYTES_MAX, Envelope, SCHEMA};
use crate::outcome::Halt;
use parts::{join, split};

/// What a row or an entry holds can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Bad(pub(crate) String);

impl Bad {
    pub(crate) fn missing(what: &str) -> Self {
        Self(format!("{what} is missing"))
    }

    pub(crate) fn unknown(what: &str, code: impl std::fmt::Display) -> Self {
        Self(format!("{what} has no value {code}"))
    }
}

/// An envelope is larger than [`ENVELOPE_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command of {bytes} bytes is above the limit of {ENVELOPE_BYTES_MAX}")]
pub struct TooLarge {
    /// Its encoded size.
    pub bytes: usize,
}

/// The bytes of a log entry.
///
/// # Errors
/// Where they would be more than [`ENVELOPE_BYTES_MAX`]: the request is refused before it is proposed.
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, TooLarge> {
    let (seed_high, seed_low) = split(envelope.seed);
    let message = wire::Envelope {
        schema: envelope.schema,
        epoch: envelope.epoch,
        now_ms: envelope.now_ms,
        seed_high,
        seed_low,
        region: envelope.scope.region.clone(),
        account: envelope.scope.account.clone(),
        caller: envelope.caller.clone(),
        command: Some(command::to_wire(&envelope.command)),
    };
    let bytes = message.encoded_len();
    if bytes > ENVELOPE_BYTES_MAX {
        return Err(TooLarge { bytes });
    }
    Ok(message.encode_to_vec())
}

/// The envelope behind the bytes of the entry at `index`.
///
/// # Errors
/// [`Halt`] where the bytes aren't an envelope that this build knows whole: an entry is never skipped.
pub fn decode(index: u64, bytes: &[u8]) -> Result<Envelope, Halt> {
    let undecodable = |reason: String| Halt::Undecodable { index, reason };
    let message = wire::Envelope::decode(bytes).map_err(|error| undecodable(error.to_string()))?;
    if message.schema == 0 || message.schema > SCHEMA {
        return Err(Halt::UnknownSchema { index, schema: message.schema, known: SCHEMA });
    }
    let command = message.command.ok_or_else(|| undecodable("it has no command that this build knows".to_owned()))?;
    Ok(Envelope {
        epoch: message.epoch,
        now_ms: message.now_ms,
        seed: join(message.seed_high, message.seed_low),
        schema: message.schema,
        scope: Scope { region: message.region, account: message.account },
        caller: message.caller,
        command: command::from_wire(command).map_err(|bad| undecodable(bad.0))?,
    })
}
