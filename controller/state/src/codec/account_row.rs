//! Encoding of rows that are an account's: its settings, and what its collected tasks used.

use drydock_model::billing::{Amount, Rate};
use drydock_proto::ecs::SettingName;
use drydock_proto::state as wire;
use wire::cost_row::Key as Whose;

use super::Bad;
use super::parts::{code, from_service_key, need, service_key};
use super::row::{FromWire, WireRow};
use crate::key::{ClusterId, ScopeId};
use crate::row::{AccountSettingKey, AccountSettingRow, CostKey, CostRow};

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
