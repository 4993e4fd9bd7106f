//! ListAttributes: one line for each attribute of each container instance.

use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_model::status::InstanceStatus;
use drydock_proto::ecs;

use super::Query;

impl Query<'_> {
    /// ListAttributes: built-in ones, too, by instance, then by name.
    ///
    /// # Errors
    /// `InvalidParameterException`, `ClusterNotFoundException`.
    pub fn list_attributes(
        &self,
        request: &ecs::ListAttributesRequest,
    ) -> Result<ecs::ListAttributesResponse, EcsError> {
        let page = requests::attributes::list_attributes(request)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let arns = self.arns(cluster);
        let after = page.after.clone().unwrap_or_default();
        let from = after.split('/').next().and_then(|id| u128::from_str_radix(id, 16).ok()).unwrap_or(0);
        let rows = self.state.instances_in(cluster.id, from..=u128::MAX);
        let rows = rows.filter(|row| row.status != InstanceStatus::Inactive);
        let is = |wanted: &Option<String>, text: Option<&str>| wanted.as_deref().is_none_or(|w| text == Some(w));
        let all = rows.flat_map(|row| row.info.attributes.iter().map(move |(name, value)| (row, name, value)));
        let wanted = all.filter(|(_, name, value)| {
            is(&request.attribute_name, Some(name)) && is(&request.attribute_value, value.as_deref())
        });
        let keyed = wanted.map(|(row, name, value)| (format!("{}/{name}", row.key), row, name, value));
        let (found, next_token) = page.cut(keyed.filter(|(key, ..)| *key > after), |(key, ..)| key.clone());
        let attribute = |(_, row, name, value): (String, &std::sync::Arc<crate::row::InstanceRow>, &_, &Option<_>)| {
            let name: &std::sync::Arc<str> = name;
            let value: &Option<std::sync::Arc<str>> = value;
            ecs::Attribute {
                name: Some(name.to_string()),
                value: value.as_ref().map(ToString::to_string),
                target_id: Some(arns.instance(row.key)),
                target_type: None,
            }
        };
        Ok(ecs::ListAttributesResponse { attributes: found.into_iter().map(attribute).collect(), next_token })
    }
}
