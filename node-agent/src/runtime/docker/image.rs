//! Images: pulled or found, as the pull behaviour says, and made from a tarball.

use std::sync::PoisonError;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use drydock_engine::{ContainerSpec, FailureKind, RuntimeError, repository};
use drydock_proto::ecs::{CpuArchitecture, OsFamily};
use futures_util::StreamExt as _;

use super::{DockerRuntime, error, failed, initialization};
use crate::config::PullBehavior;

/// A pull that says nothing for so long is broken off (`ECS_IMAGE_PULL_INACTIVITY_TIMEOUT`).
const PULL_INACTIVITY: Duration = Duration::from_secs(60);

/// Gets a container's image; returns its digest, "" where no registry has given it one.
pub(crate) async fn get(runtime: &DockerRuntime, spec: &ContainerSpec) -> Result<String, RuntimeError> {
    let definition = spec.definition();
    if definition.repository_credentials.is_some() {
        let what = "unable to pull secrets or registry auth: there's no secret store behind this instance";
        return Err(initialization(what));
    }
    let image = &*spec.image();
    let local = digest(&runtime.docker, image).await?;
    let known = runtime.pulled.lock().unwrap_or_else(PoisonError::into_inner).contains(image);
    match (runtime.settings.image_pull_behavior, local) {
        (PullBehavior::PreferCached, Some(digest)) => return Ok(digest),
        (PullBehavior::Once, Some(digest)) if known => return Ok(digest),
        (PullBehavior::Default, Some(digest)) => {
            if let Err(error) = pull(runtime, spec).await {
                tracing::warn!(image, %error, "the pull failed: the local image is used");
                return Ok(digest);
            }
        }
        _ => pull(runtime, spec).await?,
    }
    runtime.pulled.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to_owned());
    let missing = || failed(format!("{image} was pulled and isn't there"));
    digest(&runtime.docker, image).await?.ok_or_else(missing)
}

/// The digest by which a local image can be pulled from its registry; "" where it came from none, so that another
/// instance could not find it by any. `None` without the image.
async fn digest(docker: &Docker, image: &str) -> Result<Option<String>, RuntimeError> {
    match docker.inspect_image(image).await {
        Ok(seen) => Ok(Some(digest_in(image, &seen.repo_digests.unwrap_or_default()))),
        Err(cause) => match error(&cause) {
            RuntimeError { kind: FailureKind::NotFound, .. } => Ok(None),
            other => Err(other),
        },
    }
}

/// Of an image's `name@digest`s, the digest of this name.
fn digest_in(image: &str, repo_digests: &[String]) -> String {
    let ours = familiar(repository(image));
    let mut named = repo_digests.iter().filter_map(|one| one.split_once('@'));
    named.find(|(name, _)| familiar(name) == ours).map(|(_, digest)| digest.to_owned()).unwrap_or_default()
}

/// A name without what Docker adds to those of its own registry.
fn familiar(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

async fn pull(runtime: &DockerRuntime, spec: &ContainerSpec) -> Result<(), RuntimeError> {
    let image = &*spec.image();
    let mut options = CreateImageOptionsBuilder::default().from_image(image);
    if !has_tag(image) {
        options = options.tag("latest");
    }
    let platform = platform(spec)?;
    if let Some(platform) = platform {
        options = options.platform(platform);
    }
    let mut progress = runtime.docker.create_image(Some(options.build()), None, None);
    loop {
        match tokio::time::timeout(PULL_INACTIVITY, progress.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(cause))) => return Err(classify(error(&cause))),
            Err(_) => {
                let seconds = PULL_INACTIVITY.as_secs();
                let message = format!("inactivity time exceeded timeout of {seconds} s while pulling {image}");
                return Err(RuntimeError { kind: FailureKind::Transient, message });
            }
        }
    }
}

/// A registry's refusal stays one; anything else may pass.
fn classify(error: RuntimeError) -> RuntimeError {
    const FINAL: [&str; 8] = [
        "not found",
        "manifest unknown",
        "denied",
        "unauthorized",
        "no basic auth",
        "invalid reference",
        "no matching manifest",
        "does not exist",
    ];
    let lower = error.message.to_lowercase();
    let is_final = FINAL.iter().any(|text| lower.contains(text));
    let kind = match error.kind {
        FailureKind::Failed | FailureKind::NotFound if is_final => FailureKind::Failed,
        FailureKind::Failed | FailureKind::NotFound => FailureKind::Transient,
        kind => kind,
    };
    RuntimeError { kind, ..error }
}

/// Whether an image reference names a tag or a digest.
fn has_tag(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.contains(':') || last.contains('@')
}

/// Docker's platform of `runtimePlatform`, where it is given.
fn platform(spec: &ContainerSpec) -> Result<Option<&'static str>, RuntimeError> {
    let Some(wanted) = &spec.task.definition.runtime_platform else { return Ok(None) };
    if !matches!(wanted.operating_system_family(), OsFamily::Linux | OsFamily::Unspecified) {
        return Err(failed("this instance runs Linux containers only"));
    }
    Ok(match wanted.cpu_architecture() {
        CpuArchitecture::X8664 => Some("linux/amd64"),
        CpuArchitecture::Arm64 => Some("linux/arm64"),
        CpuArchitecture::Unspecified => None,
    })
}

/// Makes an image `repo:tag` of a tarball of its root folder, through the API.
///
/// # Errors
/// Docker's.
pub async fn import(docker: &Docker, repo: &str, tag: &str, tarball: Vec<u8>) -> Result<(), RuntimeError> {
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(repo).tag(tag).build();
    let body = bollard::body_full(tarball.into());
    let mut progress = docker.create_image(Some(options), Some(body), None);
    while let Some(step) = progress.next().await {
        step.map_err(|cause| error(&cause))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FailureKind, RuntimeError, classify, digest_in, has_tag};

    #[test]
    fn references_without_a_tag_mean_latest() {
        for (image, expected) in [
            ("nginx", false),
            ("nginx:1", true),
            ("r.example:5000/team/web", false),
            ("r.example:5000/team/web:3", true),
            ("web@sha256:ab", true),
        ] {
            assert_eq!(has_tag(image), expected, "{image}");
        }
    }

    // rule: 2.3/version-consistency
    #[test]
    fn the_digest_is_that_of_the_repository_that_the_image_names() {
        let known = ["r.example:5000/team/web@sha256:1", "nginx@sha256:2"].map(str::to_owned);
        for (image, expected) in [
            ("r.example:5000/team/web", "sha256:1"),
            ("r.example:5000/team/web:3", "sha256:1"),
            ("nginx:1", "sha256:2"),
            ("docker.io/library/nginx", "sha256:2"),
            ("other/nginx:1", ""),
        ] {
            assert_eq!(digest_in(image, &known), expected, "{image}");
        }
        assert_eq!(digest_in("nginx", &[]), "", "one that was imported has no digest that a registry knows");
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        for (message, expected) in [
            ("manifest unknown: manifest unknown", FailureKind::Failed),
            ("pull access denied for x, repository does not exist", FailureKind::Failed),
            ("received unexpected HTTP status: 503 Service Unavailable", FailureKind::Transient),
        ] {
            let error = RuntimeError { kind: FailureKind::Failed, message: message.into() };
            assert_eq!(classify(error).kind, expected, "{message}");
        }
    }
}
