//! All that one instance lacks for a task, with the figures: the filters stop at the first thing, people want to know
//! how far off it is. Reads rows.

use drydock_model::resources::{Needs, Ports};
use drydock_state::row::DefinitionRow;
use drydock_state::{DefinitionKey, InstanceKey, State};

/// One thing that an instance hasn't enough of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// CPU, MEMORY, PORTS, PORTS_UDP, GPU as in `remainingResources`; ENI; ATTRIBUTE; AGENT.
    pub name: &'static str,
    /// How much the task needs: CPU units, MiB, a count.
    pub needed: u32,
    /// How much of it the instance has left.
    pub left: u32,
    /// The ports that are taken, or the attributes that are missing.
    pub values: Vec<String>,
}

/// What `instance` lacks for a task of this definition that takes `needs`; nothing where the instance isn't known.
pub(crate) fn lacks(view: &State, instance: InstanceKey, definition: &DefinitionKey, needs: &Needs) -> Vec<Shortage> {
    let Some(row) = view.instance(instance) else { return Vec::new() };
    let left = &row.remaining;
    let free_gpus = count(left.gpus.len());
    let mut found = Vec::new();
    let amounts = [
        ("CPU", needs.cpu, left.cpu),
        ("MEMORY", needs.memory_mib, left.memory_mib),
        ("GPU", needs.gpus, free_gpus),
        ("ENI", needs.interfaces, left.interfaces.unwrap_or(u32::MAX)),
    ];
    for (name, needed, left) in amounts {
        if needed > left {
            found.push(Shortage { name, needed, left, values: Vec::new() });
        }
    }
    for (name, asked, taken) in [("PORTS", &needs.tcp, &left.taken_tcp), ("PORTS_UDP", &needs.udp, &left.taken_udp)] {
        found.extend(ports(name, asked, taken));
    }
    if let Some(definition) = view.definition(definition) {
        found.extend(attributes(row.missing_attributes(&definition.document.requires_attributes), definition));
    }
    if !row.agent_connected {
        found.push(Shortage { name: "AGENT", needed: 1, left: 0, values: Vec::new() });
    }
    found
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn ports(name: &'static str, asked: &Ports, taken: &Ports) -> Option<Shortage> {
    let values: Vec<String> = asked.iter().filter(|port| taken.contains(*port)).map(|port| port.to_string()).collect();
    let needed = count(asked.len());
    (!values.is_empty()).then(|| Shortage { name, needed, left: needed - count(values.len()), values })
}

fn attributes<'a>(
    missing: impl Iterator<Item = &'a drydock_proto::ecs::Attribute>,
    definition: &DefinitionRow,
) -> Option<Shortage> {
    let values: Vec<String> = missing.filter_map(|attribute| attribute.name.clone()).collect();
    let needed = count(definition.document.requires_attributes.len());
    (!values.is_empty()).then(|| Shortage { name: "ATTRIBUTE", needed, left: needed - count(values.len()), values })
}
