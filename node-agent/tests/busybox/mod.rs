//! An image with a static busybox, made through Docker's API: no registry is needed.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::print_stderr, reason = "shared by test files")]

use bollard::Docker;
use bollard::query_parameters::RemoveImageOptions;
use drydock_node_agent::config::DockerConfig;
use drydock_node_agent::runtime::docker::{DockerRuntime, import};

const REPOSITORY: &str = "drydock-test/busybox";

/// The image of a test, which is the test's own, so that it can remove it.
pub fn image(test: &str) -> String {
    format!("{REPOSITORY}:{}", tag(test))
}

fn tag(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

/// A tarball (ustar) with /bin/busybox and a /bin/sh that is it.
fn tar(busybox: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    entry(&mut out, "bin/busybox", b"0", "", busybox);
    for name in ["sh", "sleep", "echo", "nc", "wget", "cat", "true"] {
        entry(&mut out, &format!("bin/{name}"), b"2", "busybox", b"");
    }
    out.resize(out.len() + 1_024, 0);
    out
}

fn entry(out: &mut Vec<u8>, path: &str, kind: &[u8], link: &str, content: &[u8]) {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, path.as_bytes());
    put(100, b"0000755\x000000000\x000000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0        ");
    put(156, kind);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend(header);
    out.extend(content);
    out.resize(out.len().next_multiple_of(512), 0);
}

/// A runtime with an identity of the test's own and its image, or `None` and a line that says why.
pub async fn runtime(test: &str, instance: &str) -> Option<DockerRuntime> {
    let runtime = match DockerRuntime::connect(DockerConfig::default(), instance).await {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("skipped: no Docker engine reachable ({error}); {test} needs one");
            return None;
        }
    };
    let Ok(busybox) = std::fs::read("/bin/busybox") else {
        eprintln!("skipped: {test} needs a static /bin/busybox to make an image of");
        return None;
    };
    import(&Docker::connect_with_defaults().unwrap(), REPOSITORY, &tag(test), tar(&busybox)).await.unwrap();
    Some(runtime)
}

/// Removes the test's image.
pub async fn remove_image(test: &str) {
    let docker = Docker::connect_with_defaults().unwrap();
    docker.remove_image(&image(test), None::<RemoveImageOptions>, None).await.unwrap();
}
