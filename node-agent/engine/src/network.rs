//! How a task's network of its own is shown: the ElasticNetworkInterface attachment of DescribeTasks (ecs-semantics
//! §2.5). The controllers give it its id; others derive from the task's ARN, so that a restarted agent shows the same.

use drydock_proto::ecs::{Attachment, KeyValuePair, NetworkInterface};

use crate::io::ProvidedNetwork;
use crate::spec::TaskSpec;

/// The attachment of a task that has this address.
#[must_use]
pub fn elastic_network_interface(task: &TaskSpec, ipv4_address: &str, mac_address: &str) -> ProvidedNetwork {
    let told = task.assigned.attachments.first().and_then(|attachment| attachment.id.clone());
    let id = told.unwrap_or_else(|| attachment_id(task.task_arn()));
    let awsvpc = task.assigned.network_configuration.as_ref().and_then(|all| all.awsvpc_configuration.as_ref());
    let subnet = awsvpc.and_then(|awsvpc| awsvpc.subnets.first()).cloned().unwrap_or_default();
    let interface = format!("eni-{:017x}", hash(&[task.task_arn(), "eni"]) & 0xF_FFFF_FFFF_FFFF_FFFF);
    let dns = format!("ip-{}.internal", ipv4_address.replace('.', "-"));
    let details = [
        ("subnetId", subnet.as_str()),
        ("networkInterfaceId", interface.as_str()),
        ("macAddress", mac_address),
        ("privateDnsName", dns.as_str()),
        ("privateIPv4Address", ipv4_address),
    ];
    let details = details.iter().filter(|(_, value)| !value.is_empty());
    let attachment = Attachment {
        id: Some(id.clone()),
        r#type: Some("ElasticNetworkInterface".into()),
        status: Some("ATTACHED".into()),
        details: details
            .map(|(name, value)| KeyValuePair { name: Some((*name).into()), value: Some((*value).into()) })
            .collect(),
    };
    let interfaces = vec![NetworkInterface {
        attachment_id: Some(id),
        private_ipv4_address: Some(ipv4_address.to_owned()),
        ipv6_address: None,
    }];
    ProvidedNetwork { attachment, interfaces }
}

fn attachment_id(task_arn: &str) -> String {
    let hex = format!("{:032x}", hash(&[task_arn, "attachment"]));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// FNV-1a of 128 bits over parts, NUL between them, mixed so that every bit counts: stable for ever, and no secret.
#[must_use]
pub(crate) fn hash(parts: &[&str]) -> u128 {
    const OFFSET: u128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013B;
    const MIX: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain(std::iter::once(0)));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    (0..3).fold(hash, |hash, _| (hash ^ (hash >> 61)).wrapping_mul(MIX))
}
