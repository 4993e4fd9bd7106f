//! Every message that Drydock sends, stores or shows, generated from the .proto files beside this crate.
//!
//! An ECS shape is written once, in `drydock/ecs/v1`. Its protobuf form serves gRPC and the log; its JSON form (member
//! names, enum spellings, times as in ECS) is derived from the same file at build time: see [`json`]. This crate holds
//! no behaviour and may depend on no other crate of ours.

pub mod json;

// The generated modules name each other by their proto packages, so they are nested as these are.
#[allow(missing_docs, unreachable_pub, clippy::large_enum_variant, clippy::doc_markdown, reason = "generated code")]
mod packages {
    pub mod ecs {
        pub mod v1 {
            tonic::include_proto!("drydock.ecs.v1");
        }
    }
    pub mod control {
        pub mod v1 {
            tonic::include_proto!("drydock.control.v1");
        }
    }
    pub mod agent {
        pub mod v1 {
            tonic::include_proto!("drydock.agent.v1");
        }
    }
    pub mod raft {
        pub mod v1 {
            tonic::include_proto!("drydock.raft.v1");
        }
    }
    pub mod state {
        pub mod v1 {
            tonic::include_proto!("drydock.state.v1");
        }
    }
}

/// The session between an agent and the controllers.
pub use packages::agent::v1 as agent;
/// Status and membership of the control plane, events, logs.
pub use packages::control::v1 as control;
/// The ECS API: shapes and operations as AWS names them (API version 2014-11-13).
pub use packages::ecs::v1 as ecs;
/// The controllers among themselves.
pub use packages::raft::v1 as raft;
/// The log's commands and the rows of snapshots.
pub use packages::state::v1 as state;

mod wire_enums {
    include!(concat!(env!("OUT_DIR"), "/wire_enums.rs"));
}

/// The encoded `FileDescriptorSet` of all files, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
