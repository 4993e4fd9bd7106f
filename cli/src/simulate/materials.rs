//! The files that a scenario names: task definitions and CreateServices, relative to the scenario's own folder.

use std::collections::BTreeSet;
use std::path::Path;

use drydock_simulator::rehearsal::Materials;
use drydock_simulator::rehearsal::scenario::Scenario;

use crate::load::request::{SERVICE, TASK_DEFINITION};
use crate::load::{LoadError, load};

/// Reads all of them.
///
/// # Errors
/// The first that can't be read or is wrong, with its place.
pub(super) fn read(scenario: &Scenario, file: &Path) -> Result<Materials, LoadError> {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let of_services = scenario.services.iter().map(|service| &service.task_definition);
    let deployed = scenario.events.iter().filter_map(|event| event.deploy.as_ref()?.task_definition.as_ref());
    let definitions: BTreeSet<&String> = of_services.chain(deployed).collect();
    let services: BTreeSet<&String> = scenario.services.iter().filter_map(|service| service.file.as_ref()).collect();
    let mut materials = Materials::default();
    for name in definitions {
        materials.definitions.insert(name.clone(), load(&folder.join(name), TASK_DEFINITION)?.request);
    }
    for name in services {
        materials.services.insert(name.clone(), load(&folder.join(name), SERVICE)?.request);
    }
    Ok(materials)
}
