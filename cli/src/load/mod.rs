//! Reads an ECS request from a file that people wrote, JSON or YAML, and says where it is wrong.
//!
//! The file is first read into a tree whose every value knows its line and column ([`tree`], by [`json`] or [`yaml`]),
//! then unwrapped and freed of read-only members ([`request`]), then read into the generated type by a serde
//! [`deserialize`]r over the tree. Nothing here talks to a controller: what fails here has changed nothing.

pub mod blame;
pub mod complaint;
pub mod deserialize;
pub mod json;
pub mod nearest;
pub mod place;
pub mod request;
pub mod tree;
pub mod yaml;

pub use blame::{Rules, Source};
pub use complaint::{Complaint, LoadError};
pub use request::{Loaded, Shape, load};

/// Bytes of a file that is still read. AWS takes 64 KiB for a task definition; the API's own limit is 4 MiB a message.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Lists and objects inside each other before the file is refused. ECS's shapes need 8.
pub const DEPTH_MAX: usize = 64;
