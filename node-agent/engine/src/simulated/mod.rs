//! The simulated runtime's core: containers that only pretend, as rows of a table. What a row is doing follows from its
//! knobs, its moments and the time; no row has a timer or a task of its own, so a process may hold very many.
//!
//! Pure, like the engine: the agent's simulated runtime and the simulator run this same code. Knobs come from a table
//! by image and from `dockerLabels`: see [`knobs`].

pub mod knobs;
mod log;
mod row;
mod table;

pub use log::LogLine;
pub use row::Row;
pub use table::{Change, Simulated};
