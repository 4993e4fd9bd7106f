//! The image of the pause container: one static program that sleeps for ever, written here as the machine code that it
//! is, so that no registry, compiler or binary in the repository is needed. It holds a task's namespaces; it reaps
//! nothing, so a task that shares its processes gets Docker's init before it.

use super::{DockerRuntime, image};
use drydock_engine::RuntimeError;

pub(crate) const REPOSITORY: &str = "drydock/pause";
pub(crate) const TAG: &str = "1";
pub(crate) const PROGRAM: &str = "/pause";

/// Where the program is loaded, and where its code begins: after the two headers.
const LOAD_ADDRESS: u64 = 0x40_0000;
const HEADERS_BYTES: u64 = 64 + 56;

/// pause(2) for ever: `mov eax, 34; syscall; jmp` to the start.
const X86_64: &[u8] = &[0xb8, 0x22, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xf7];
/// ppoll(2) of nothing, without a timeout, for ever: `mov x0..x4, #0; mov x8, #73; svc #0; b` to the start.
const AARCH64: &[u8] = &[
    0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2, 0x04, 0x00, 0x80,
    0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xf9, 0xff, 0xff, 0x17,
];

/// Makes the image where it isn't there yet.
pub(crate) async fn ensure(runtime: &DockerRuntime) -> Result<String, RuntimeError> {
    let name = format!("{REPOSITORY}:{TAG}");
    if runtime.docker.inspect_image(&name).await.is_ok() {
        return Ok(name);
    }
    let info = runtime.docker.info().await.map_err(|cause| super::error(&cause))?;
    let program = match info.architecture.as_deref() {
        Some("x86_64" | "amd64") | None => elf(0x3e, X86_64),
        Some("aarch64" | "arm64") => elf(0xb7, AARCH64),
        Some(other) => return Err(super::failed(format!("there's no pause image for {other}"))),
    };
    image::import(&runtime.docker, REPOSITORY, TAG, tarball(PROGRAM.trim_start_matches('/'), &program)).await?;
    Ok(name)
}

/// A static ELF file with one segment, all of it.
fn elf(machine: u16, code: &[u8]) -> Vec<u8> {
    let bytes = HEADERS_BYTES + u64::try_from(code.len()).unwrap_or_default();
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend([2, 0]); // an executable
    out.extend(machine.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out.extend((LOAD_ADDRESS + HEADERS_BYTES).to_le_bytes()); // entry
    out.extend(64_u64.to_le_bytes()); // the program header follows
    out.extend(0_u64.to_le_bytes()); // no sections
    out.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    out.extend(1_u32.to_le_bytes()); // a segment to load
    out.extend(5_u32.to_le_bytes()); // readable, executable
    for word in [0, LOAD_ADDRESS, LOAD_ADDRESS, bytes, bytes, 0x1000] {
        out.extend(word.to_le_bytes());
    }
    out.extend(code);
    out
}

/// A tarball (ustar) of one executable file.
#[must_use]
pub(crate) fn tarball(path: &str, content: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, path.as_bytes());
    put(100, b"0000755\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = header.to_vec();
    out.extend(content);
    out.resize(out.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::{X86_64, elf, tarball};

    #[test]
    fn headers_add_up() {
        let program = elf(0x3e, X86_64);
        assert_eq!(program.len(), 120 + X86_64.len());
        let tar = tarball("pause", &program);
        assert_eq!(tar.len() % 512, 0);
        assert_eq!(&tar[257..262], b"ustar");
    }
}
