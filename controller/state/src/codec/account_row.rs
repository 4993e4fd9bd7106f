//! Encoding of rows that are an account's: its settings, what its collected tasks used, and what it has beside ECS.

use std::sync::Arc;

use drydock_model::billing::{Amount, Rate};
use drydock_proto::ecs::SettingName;
use drydock_proto::state as wire;
use wire::cost_row::Key as Whose;

use super::Bad;
use super::parts::{code, from_service_key, need, service_key};
use super::row::{FromWire, WireRow};
use crate::key::{ClusterId, ScopeId, SubnetKey};
use crate::row::{AccountSettingKey, AccountSettingRow, CostKey, CostRow, Names, SubnetRow};

impl WireRow for AccountSettingRow {
    type Wire = wire::AccountSettingRow;
    const TABLE: u8 = 20;

    fn to_wire(&self) -> wire::AccountSettingRow {
        wire::AccountSettingRow {
            scope: self.key.scope.0,
            principal: self.key.principal.to_string(),
            name: self.key.name.into(),
            value: self.value.to_string(),
        }
    }
}

impl FromWire for AccountSettingRow {
    fn from_wire(row: wire::AccountSettingRow) -> Result<Self, Bad> {
        let name = SettingName::try_from(row.name).map_err(|_| Bad::unknown("account setting", row.name))?;
        let key = AccountSettingKey { scope: ScopeId(row.scope), principal: row.principal.into(), name };
        Ok(Self { key, value: row.value.into() })
    }
}

impl WireRow for CostRow {
    type Wire = wire::CostRow;
    const TABLE: u8 = 21;

    fn to_wire(&self) -> wire::CostRow {
        let amount = |(rate, amount): (Rate, Amount)| wire::Amount {
            rate: rate.code(),
            tasks: amount.tasks,
            seconds: amount.seconds,
            cpu_seconds: amount.cpu_seconds,
            mib_seconds: amount.mib_seconds,
            storage_seconds: amount.storage_seconds,
        };
        let key = match self.key {
            CostKey::Cluster(id) => Whose::Cluster(id.0),
            CostKey::Service(key) => Whose::Service(service_key(key)),
        };
        wire::CostRow { key: Some(key), amounts: self.usage.amounts().map(amount).collect() }
    }
}

impl FromWire for CostRow {
    fn from_wire(row: wire::CostRow) -> Result<Self, Bad> {
        let amount = |amount: wire::Amount| {
            let used = Amount {
                tasks: amount.tasks,
                seconds: amount.seconds,
                cpu_seconds: amount.cpu_seconds,
                mib_seconds: amount.mib_seconds,
                storage_seconds: amount.storage_seconds,
            };
            Ok((code("rate", amount.rate, Rate::from_code)?, used))
        };
        let key = match need(row.key, "key of a cost")? {
            Whose::Cluster(id) => CostKey::Cluster(ClusterId(id)),
            Whose::Service(key) => CostKey::Service(from_service_key(&key)),
        };
        Ok(Self { key, usage: row.amounts.into_iter().map(amount).collect::<Result<_, Bad>>()? })
    }
}

impl WireRow for SubnetRow {
    type Wire = wire::SubnetRow;
    const TABLE: u8 = 26;

    fn to_wire(&self) -> wire::SubnetRow {
        wire::SubnetRow {
            scope: self.key.scope.0,
            id: self.key.id.to_string(),
            availability_zone: self.availability_zone.to_string(),
        }
    }
}

impl FromWire for SubnetRow {
    fn from_wire(row: wire::SubnetRow) -> Result<Self, Bad> {
        let key = SubnetKey { scope: ScopeId(row.scope), id: row.id.into() };
        Ok(Self { key, availability_zone: row.availability_zone.into() })
    }
}

pub(crate) fn names(names: &Names) -> wire::Names {
    let subnet =
        |(id, zone): (&Arc<str>, &Arc<str>)| wire::Subnet { id: id.to_string(), availability_zone: zone.to_string() };
    wire::Names {
        strict: names.strict,
        subnets: names.subnets.iter().map(subnet).collect(),
        security_groups: names.security_groups.iter().map(ToString::to_string).collect(),
        roles: names.roles.iter().map(ToString::to_string).collect(),
    }
}

pub(crate) fn from_names(names: wire::Names) -> Names {
    Names {
        strict: names.strict,
        subnets: names.subnets.into_iter().map(|one| (one.id.into(), one.availability_zone.into())).collect(),
        security_groups: names.security_groups.into_iter().map(Into::into).collect(),
        roles: names.roles.into_iter().map(Into::into).collect(),
    }
}
