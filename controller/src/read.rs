//! The path of a read: from the replica that was asked, as fresh as the client wishes.

use std::sync::Arc;

use crate::answer;
use crate::api::context::Freshness;
use crate::api::errors::ApiError;
use crate::caller::Caller;
use crate::core::Core;
use crate::limits::MIN_INDEX_WAIT_MAX;
use crate::request::Request;
use crate::view::Version;
use crate::write::Answer;

impl Core {
    /// Answers a read.
    ///
    /// # Errors
    /// ECS's exception; or the state isn't as fresh as asked for within the bounds.
    pub(crate) async fn read(
        &self,
        request: Request,
        caller: &Caller,
        freshness: Freshness,
    ) -> Result<Answer, ApiError> {
        let version = self.version(freshness).await?;
        let response = answer::read(&version.state, &caller.scope, &request, self.aws_url.as_deref())?;
        Ok(Answer { response, index: version.index })
    }

    /// A version of the state, as fresh as asked for.
    ///
    /// # Errors
    /// It isn't had within the bounds.
    pub(crate) async fn version(&self, freshness: Freshness) -> Result<Arc<Version>, ApiError> {
        self.takes_part()?;
        let version = if freshness.strong { self.read_strong().await? } else { self.view.now() };
        if version.index < freshness.min_index {
            return self.read_at_least(freshness.min_index, MIN_INDEX_WAIT_MAX).await;
        }
        Ok(version)
    }
}
