//! Export and import: a state as chunks of bytes, sorted by key, so that equal states give equal bytes. Export works on
//! an O(1) clone, on another thread, while entries are applied. Import derives the indices anew and checks the digest.

use std::sync::Arc;

use drydock_model::arn::Scope;
use drydock_proto::state as wire;
use prost::Message as _;
use wire::chunk::Chunk as Part;

use crate::codec::{Bad, FromWire as _, Launches, WireRow as _, from_names, from_settings, names, settings};
use crate::key::ScopeId;
use crate::row::{
    AccountSettingRow, CapacityProviderRow, ClusterRow, CostRow, Counters, DefinitionRow, DeploymentRow, FamilyRow,
    InstanceRow, Names, RevisionRow, ScalingRow, ServiceEventsRow, ServiceRow, SubnetRow, TaskSetRow, TokenRow,
};
use crate::state::State;
use crate::table::digest_of;

/// The format that this build writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// A chunk ends with the row that takes it to this many bytes; it is larger by at most one row.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Domain of the digest of settings, counters and scopes.
const HEADER: u8 = 127;

/// A snapshot that can't be taken for a state. Nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// A chunk isn't one.
    #[error("chunk {chunk} of the snapshot can't be read: {reason}")]
    Unreadable {
        /// Its place, from 0.
        chunk: usize,
        /// In words.
        reason: String,
    },
    /// Another build's format.
    #[error("the snapshot has format {found}, and this build knows only {FORMAT}")]
    Format {
        /// What it has.
        found: u32,
    },
    /// It doesn't begin with its header, or doesn't end with its trailer.
    #[error("the snapshot is incomplete: {0}")]
    Incomplete(&'static str),
    /// What was read isn't what was written.
    #[error("the snapshot has {rows} rows of digest {found:016x}; its trailer says {expected_rows} of {expected:016x}")]
    Digest {
        /// Rows read.
        rows: u64,
        /// Their digest.
        found: u64,
        /// Rows written.
        expected_rows: u64,
        /// Their digest then.
        expected: u64,
    },
}

impl State {
    /// A digest of all rows, settings and numbers: equal on all replicas at equal index. Where the log stands isn't
    /// part of it, so that an entry that changes nothing doesn't change it. Costs a few hundred nanoseconds.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let header = wire::Header {
            counters: Some(counters(&Counters {
                applied_index: 0,
                applied_term: 0,
                last_now: 0,
                epoch: 0,
                ..self.counters
            })),
            settings: Some(settings(&self.settings)),
            names: self.wire_names(),
            ..wire::Header::default()
        };
        // The number of scopes is in the counters, and a scope never changes.
        [
            digest_of(HEADER, &header.encode_to_vec()),
            self.clusters.digest(),
            self.families.digest(),
            self.definitions.digest(),
            self.instances.digest(),
            self.services.digest(),
            self.service_events.digest(),
            self.deployments.digest(),
            self.task_sets.digest(),
            self.revisions.digest(),
            self.tasks.digest(),
            self.tokens.digest(),
            self.account_settings.digest(),
            self.costs.digest(),
            self.capacity_providers.digest(),
            self.scalings.digest(),
            self.subnets.digest(),
        ]
        .into_iter()
        .fold(0, u64::wrapping_add)
    }

    fn row_count(&self) -> u64 {
        let rows = [
            self.clusters.len(),
            self.families.len(),
            self.definitions.len(),
            self.instances.len(),
            self.services.len(),
            self.service_events.len(),
            self.deployments.len(),
            self.task_sets.len(),
            self.revisions.len(),
            self.tasks.len(),
            self.tokens.len(),
            self.account_settings.len(),
            self.costs.len(),
            self.capacity_providers.len(),
            self.scalings.len(),
            self.subnets.len(),
        ];
        rows.into_iter().fold(0, |sum, rows| sum.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX)))
    }

    /// The state as chunks of about [`CHUNK_BYTES`] each, made one by one as they are asked for.
    pub fn export(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let trailer = wire::Trailer { rows: self.row_count(), digest: self.digest() };
        std::iter::once(encode(Part::Header(self.header())))
            .chain(Chunks { rows: self.rows() }.map(|rows| encode(Part::Rows(rows))))
            .chain(std::iter::once(encode(Part::Trailer(trailer))))
    }

    fn header(&self) -> wire::Header {
        let scope = |(id, scope): (&ScopeId, &Arc<Scope>)| wire::Scope {
            id: id.0,
            region: scope.region.clone(),
            account: scope.account.clone(),
        };
        let checkpoint = |(index, digest): (&u64, &u64)| wire::Checkpoint { index: *index, digest: *digest };
        wire::Header {
            format: FORMAT,
            counters: Some(counters(&self.counters)),
            settings: Some(settings(&self.settings)),
            scopes: self.scopes.iter().map(scope).collect(),
            checkpoints: self.checkpoints.iter().map(checkpoint).collect(),
            names: self.wire_names(),
        }
    }

    fn wire_names(&self) -> Option<wire::Names> {
        (*self.names != Names::default()).then(|| names(&self.names))
    }

    /// All rows, each with its size, in the order in which they must be imported: what a row names comes before it.
    fn rows(&self) -> impl Iterator<Item = RowOut> + '_ {
        macro_rules! table {
            ($table:ident) => {
                self.$table.iter().map(|row| {
                    let message = row.to_wire();
                    (message.encoded_len(), Box::new(move |rows: &mut wire::Rows| rows.$table.push(message)) as Push)
                })
            };
        }
        table!(clusters)
            .chain(table!(families))
            .chain(table!(definitions))
            .chain(table!(instances))
            .chain(table!(services))
            .chain(table!(service_events))
            .chain(table!(deployments))
            .chain(table!(task_sets))
            .chain(table!(revisions))
            .chain(table!(tasks))
            .chain(table!(tokens))
            .chain(table!(account_settings))
            .chain(table!(costs))
            .chain(table!(capacity_providers))
            .chain(table!(scalings))
            .chain(table!(subnets))
    }

    /// The state behind the chunks of [`Self::export`].
    ///
    /// # Errors
    /// [`ImportError`]; then nothing of the chunks may be used.
    pub fn import<C: AsRef<[u8]>>(chunks: impl IntoIterator<Item = C>) -> Result<Self, ImportError> {
        let mut import = Import::default();
        for (at, chunk) in chunks.into_iter().enumerate() {
            let unreadable = |reason: String| ImportError::Unreadable { chunk: at, reason };
            let chunk = wire::Chunk::decode(chunk.as_ref()).map_err(|error| unreadable(error.to_string()))?;
            match chunk.chunk.ok_or_else(|| unreadable("it is empty".to_owned()))? {
                Part::Header(header) if at == 0 => import.header(header)?,
                _ if at == 0 => return Err(ImportError::Incomplete("it doesn't begin with its header")),
                _ if import.trailer.is_some() => return Err(ImportError::Incomplete("it goes on after its trailer")),
                Part::Header(_) => return Err(ImportError::Incomplete("it has two headers")),
                Part::Rows(rows) => import.rows(rows).map_err(|bad| unreadable(bad.0))?,
                Part::Trailer(trailer) => import.trailer = Some(trailer),
            }
        }
        import.finish()
    }
}

type Push = Box<dyn FnOnce(&mut wire::Rows)>;
type RowOut = (usize, Push);

fn encode(chunk: Part) -> Vec<u8> {
    wire::Chunk { chunk: Some(chunk) }.encode_to_vec()
}

fn counters(counters: &Counters) -> wire::Counters {
    wire::Counters {
        applied_index: counters.applied_index,
        applied_term: counters.applied_term,
        last_now: counters.last_now,
        epoch: counters.epoch,
        scopes: counters.scopes,
        clusters: counters.clusters,
        services: counters.services,
        deployments: counters.deployments,
    }
}

/// Gathers rows into chunks.
struct Chunks<I> {
    rows: I,
}

impl<I: Iterator<Item = RowOut>> Iterator for Chunks<I> {
    type Item = wire::Rows;

    fn next(&mut self) -> Option<wire::Rows> {
        let mut chunk = wire::Rows::default();
        let mut bytes = 0;
        for (size, push) in self.rows.by_ref() {
            push(&mut chunk);
            bytes += size;
            if bytes >= CHUNK_BYTES {
                return Some(chunk);
            }
        }
        (bytes > 0).then_some(chunk)
    }
}

/// A state being read.
#[derive(Default)]
struct Import {
    state: State,
    launches: Launches,
    trailer: Option<wire::Trailer>,
}

impl Import {
    fn header(&mut self, header: wire::Header) -> Result<(), ImportError> {
        if header.format != FORMAT {
            return Err(ImportError::Format { found: header.format });
        }
        let counters = header.counters.ok_or(ImportError::Incomplete("its header has no counters"))?;
        let settings = header.settings.ok_or(ImportError::Incomplete("its header has no settings"))?;
        self.state.counters = Counters {
            applied_index: counters.applied_index,
            applied_term: counters.applied_term,
            last_now: counters.last_now,
            epoch: counters.epoch,
            scopes: counters.scopes,
            clusters: counters.clusters,
            services: counters.services,
            deployments: counters.deployments,
        };
        self.state.settings = from_settings(&settings);
        self.state.names = Arc::new(header.names.map(from_names).unwrap_or_default());
        for scope in header.scopes {
            let value = Scope { region: scope.region, account: scope.account };
            self.state.put_scope(ScopeId(scope.id), Arc::new(value));
        }
        self.state.checkpoints = header.checkpoints.iter().map(|point| (point.index, point.digest)).collect();
        Ok(())
    }

    fn rows(&mut self, rows: wire::Rows) -> Result<(), Bad> {
        let state = &mut self.state;
        for row in rows.clusters {
            state.put_cluster(ClusterRow::from_wire(row)?);
        }
        for row in rows.families {
            state.put_family(FamilyRow::from_wire(row)?);
        }
        for row in rows.definitions {
            state.put_definition(DefinitionRow::from_wire(row)?);
        }
        for row in rows.instances {
            state.put_instance(InstanceRow::from_wire(row)?);
        }
        for row in rows.services {
            state.put_service(ServiceRow::from_wire(row)?);
        }
        for row in rows.service_events {
            state.put_service_events(ServiceEventsRow::from_wire(row)?);
        }
        for row in rows.deployments {
            state.put_deployment(DeploymentRow::from_wire(row)?);
        }
        for row in rows.task_sets {
            state.put_task_set(TaskSetRow::from_wire(row)?);
        }
        for row in rows.revisions {
            state.put_revision(RevisionRow::from_wire(row)?);
        }
        for row in rows.tasks {
            let row = self.launches.task(state, row)?;
            state.put_task(row);
        }
        for row in rows.tokens {
            state.put_token(TokenRow::from_wire(row)?);
        }
        for row in rows.account_settings {
            state.account_settings.put(Arc::new(AccountSettingRow::from_wire(row)?));
        }
        for row in rows.costs {
            state.costs.put(Arc::new(CostRow::from_wire(row)?));
        }
        for row in rows.capacity_providers {
            state.put_capacity_provider(CapacityProviderRow::from_wire(row)?);
        }
        for row in rows.scalings {
            state.put_scaling(ScalingRow::from_wire(row)?);
        }
        for row in rows.subnets {
            state.subnets.put(Arc::new(SubnetRow::from_wire(row)?));
        }
        Ok(())
    }

    fn finish(self) -> Result<State, ImportError> {
        let trailer = self.trailer.ok_or(ImportError::Incomplete("it doesn't end with its trailer"))?;
        let (rows, found) = (self.state.row_count(), self.state.digest());
        if (rows, found) != (trailer.rows, trailer.digest) {
            return Err(ImportError::Digest { rows, found, expected_rows: trailer.rows, expected: trailer.digest });
        }
        Ok(self.state)
    }
}

/// Two states are equal where all their rows, numbers and derived indices are.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.counters == other.counters
            && self.settings == other.settings
            && self.scopes == other.scopes
            && self.checkpoints == other.checkpoints
            && self.clusters == other.clusters
            && self.families == other.families
            && self.definitions == other.definitions
            && self.instances == other.instances
            && self.services == other.services
            && self.service_events == other.service_events
            && self.deployments == other.deployments
            && self.task_sets == other.task_sets
            && self.revisions == other.revisions
            && self.tasks == other.tasks
            && self.tokens == other.tokens
            && self.account_settings == other.account_settings
            && self.costs == other.costs
            && self.capacity_providers == other.capacity_providers
            && self.scalings == other.scalings
            && self.subnets == other.subnets
            && self.names == other.names
            && self.index == other.index
    }
}
