//! TagResource, UntagResource, ListTagsForResource.

use drydock_proto::ecs::{ListTagsForResourceRequest, TagResourceRequest, UntagResourceRequest};

use super::{listed, required};
use crate::arn::Arn;
use crate::error::EcsError;
use crate::tags;

/// TagResource. Returns the resource.
///
/// # Errors
/// `InvalidParameterException`.
pub fn tag_resource(request: &TagResourceRequest) -> Result<Arn, EcsError> {
    if request.tags.is_empty() {
        return Err(EcsError::invalid_parameter("tags cannot be empty."));
    }
    tags::check(&request.tags)?;
    resource(&request.resource_arn)
}

/// UntagResource. Returns the resource.
///
/// # Errors
/// `InvalidParameterException`.
pub fn untag_resource(request: &UntagResourceRequest) -> Result<Arn, EcsError> {
    listed("tagKeys", &request.tag_keys, 1, tags::TAGS_MAX)?;
    request.tag_keys.iter().try_for_each(|key| tags::check_key(key))?;
    resource(&request.resource_arn)
}

/// ListTagsForResource. Returns the resource.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_tags_for_resource(request: &ListTagsForResourceRequest) -> Result<Arn, EcsError> {
    resource(&request.resource_arn)
}

fn resource(arn: &Option<String>) -> Result<Arn, EcsError> {
    let text = required("resourceArn", arn)?;
    text.parse().map_err(|_| EcsError::invalid_parameter(format!("Invalid resourceArn '{text}'.")))
}
