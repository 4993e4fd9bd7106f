//! What Fargate sells: task sizes and platform versions (ecs-semantics §2.2).

use drydock_proto::ecs::{LaunchType, OsFamily, TaskDefinition};

use crate::error::{EcsError, ExceptionName};

/// The memory sizes that go with one CPU size, all in MiB.
enum Memory {
    /// From, to, step.
    Steps(u32, u32, u32),
    /// Just these.
    These(&'static [u32]),
}

/// CPU units and the memory that goes with them.
const ROWS: [(u32, Memory); 8] = [
    (256, Memory::These(&[512, 1024, 2048])),
    (512, Memory::Steps(1024, 4096, 1024)),
    (1024, Memory::Steps(2048, 8192, 1024)),
    (2048, Memory::Steps(4096, 16_384, 1024)),
    (4096, Memory::Steps(8192, 30_720, 1024)),
    (8192, Memory::Steps(16_384, 61_440, 4096)),
    (16_384, Memory::Steps(32_768, 122_880, 8192)),
    (32_768, Memory::These(&[61_440, 122_880, 249_856])),
];

/// CPU units of the smallest and largest Windows task.
const WINDOWS_CPU: std::ops::RangeInclusive<u32> = 1024..=4096;

/// CPU units of the largest task that platform version 1.3.0 takes.
const CPU_MAX_1_3_0: u32 = 4096;

/// Every pair of CPU units and MiB that Fargate sells.
pub fn sizes() -> impl Iterator<Item = (u32, u32)> {
    ROWS.iter().flat_map(|(cpu, memory)| memory.sizes().map(|mib| (*cpu, mib)))
}

/// Checks a Fargate task's size, overrides counted.
///
/// # Errors
/// `ClientException` where Fargate doesn't sell it.
pub fn check_size(cpu: u32, memory_mib: u32, windows: bool) -> Result<(), EcsError> {
    if is_size(cpu, memory_mib, windows) {
        return Ok(());
    }
    Err(EcsError::client(format!(
        "No Fargate configuration exists for given values: {cpu} CPU, {memory_mib} memory. See the Amazon ECS \
         documentation for the valid values."
    )))
}

/// Whether a Fargate task may have these CPU units and MiB.
#[must_use]
pub fn is_size(cpu: u32, memory_mib: u32, windows: bool) -> bool {
    (!windows || WINDOWS_CPU.contains(&cpu))
        && ROWS.iter().any(|(row, memory)| *row == cpu && memory.sizes().any(|mib| mib == memory_mib))
}

impl Memory {
    fn sizes(&self) -> impl Iterator<Item = u32> + use<> {
        let (from, to, step, these): (u32, u32, u32, &[u32]) = match self {
            Self::Steps(from, to, step) => (*from, *to, *step, &[]),
            Self::These(sizes) => (1, 0, 1, sizes),
        };
        (from..=to).step_by(step as usize).chain(these.iter().copied())
    }
}

/// A platform version that Fargate runs tasks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Linux 1.3.0: no EFS, no added capabilities, no shared process namespace, no extra ephemeral storage, 4 vCPU.
    Linux1_3_0,
    /// Linux 1.4.0, the newest.
    Linux1_4_0,
    /// Windows 1.0.0, the newest.
    Windows1_0_0,
}

impl Platform {
    /// As the API shows it (`platformVersion`).
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Linux1_3_0 => "1.3.0",
            Self::Linux1_4_0 => "1.4.0",
            Self::Windows1_0_0 => "1.0.0",
        }
    }

    /// As the API shows it (`platformFamily`); `None` for Windows, where the task definition's own family is shown.
    #[must_use]
    pub const fn family(self) -> Option<&'static str> {
        match self {
            Self::Linux1_3_0 | Self::Linux1_4_0 => Some("Linux"),
            Self::Windows1_0_0 => None,
        }
    }
}

/// Whether a task definition is for Windows.
#[must_use]
pub fn is_windows(os: OsFamily) -> bool {
    !matches!(os, OsFamily::Unspecified | OsFamily::Linux)
}

/// The platform version that a task or a service of this launch type gets. `None` where the launch type has none.
///
/// # Errors
/// `InvalidParameterException` for a version given beside another launch type than Fargate, `PlatformUnknownException`
/// for a version that there isn't, `PlatformTaskDefinitionIncompatibilityException` for one that can't run this task
/// definition (ecs-semantics §2.2).
pub fn platform(
    launch_type: LaunchType,
    version: Option<&str>,
    definition: &TaskDefinition,
) -> Result<Option<Platform>, EcsError> {
    check_platform_version(launch_type, version)?;
    if launch_type != LaunchType::Fargate {
        return Ok(None);
    }
    let os = definition.runtime_platform.map(|platform| platform.operating_system_family());
    let platform = match (is_windows(os.unwrap_or(OsFamily::Linux)), version.unwrap_or("LATEST")) {
        (false, "LATEST" | "1.4.0") => Platform::Linux1_4_0,
        (false, "1.3.0") => Platform::Linux1_3_0,
        (true, "LATEST" | "1.0.0") => Platform::Windows1_0_0,
        _ => return Err(unknown_platform()),
    };
    if platform == Platform::Linux1_3_0 && needs_1_4_0(definition) {
        return Err(EcsError::new(
            ExceptionName::PlatformTaskDefinitionIncompatibility,
            "The specified platform version doesn't satisfy the required capabilities of the task definition.",
        ));
    }
    Ok(Some(platform))
}

/// What can be said of a platform version before the task definition is known.
///
/// # Errors
/// As [`platform`], without the incompatibility.
pub fn check_platform_version(launch_type: LaunchType, version: Option<&str>) -> Result<(), EcsError> {
    match (launch_type, version) {
        (_, None) => Ok(()),
        (LaunchType::Fargate | LaunchType::Unspecified, Some("LATEST" | "1.4.0" | "1.3.0" | "1.0.0")) => Ok(()),
        (LaunchType::Fargate | LaunchType::Unspecified, Some(_)) => Err(unknown_platform()),
        (other, Some(_)) => Err(EcsError::invalid_parameter(format!(
            "The platform version must be null when specifying an {} launch type.",
            if other == LaunchType::Ec2 { "EC2" } else { "EXTERNAL" }
        ))),
    }
}

fn unknown_platform() -> EcsError {
    EcsError::new(ExceptionName::PlatformUnknown, "The specified platform version doesn't exist.")
}

fn needs_1_4_0(definition: &TaskDefinition) -> bool {
    let cpu: u32 = definition.cpu.as_deref().and_then(|cpu| cpu.parse().ok()).unwrap_or_default();
    let adds_capabilities = definition.container_definitions.iter().any(|container| {
        let linux = container.linux_parameters.as_ref();
        linux.and_then(|linux| linux.capabilities.as_ref()).is_some_and(|capabilities| !capabilities.add.is_empty())
    });
    cpu > CPU_MAX_1_3_0
        || adds_capabilities
        || definition.pid_mode.is_some()
        || definition.ephemeral_storage.is_some()
        || definition.volumes.iter().any(|volume| {
            volume.efs_volume_configuration.is_some()
                || volume.s3files_volume_configuration.is_some()
                || volume.configured_at_launch == Some(true)
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use drydock_proto::ecs::{EphemeralStorage, LaunchType, OsFamily, RuntimePlatform, TaskDefinition};

    use super::{is_size, platform, sizes};

    // rule: 2.2/fargate-pairs, 2.2/fargate-pairs-windows
    #[test]
    fn there_are_77_sizes() {
        let all: Vec<(u32, u32)> = sizes().collect();
        assert_eq!(all.len(), 77);
        let of = |cpu| all.iter().filter(|(c, _)| *c == cpu).count();
        assert_eq!([256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768].map(of), [3, 4, 7, 13, 23, 12, 12, 3]);
        assert!(all.iter().all(|(cpu, memory)| is_size(*cpu, *memory, false)));
        assert_eq!(all.iter().filter(|(cpu, memory)| is_size(*cpu, *memory, true)).count(), 7 + 13 + 23);
    }

    #[test]
    fn what_is_no_size() {
        for (cpu, memory) in [(256, 4096), (4096, 32_768), (1024, 2049), (0, 0), (32_768, 65_536), (128, 512)] {
            assert!(!is_size(cpu, memory, false), "{cpu}/{memory}");
        }
    }

    // rule: 2.2/platform-latest, 2.2/platform-unknown, 2.2/platform-incompatible, 2.2/platform-ec2
    // rule: 2.2/fargate-pairs-large, 2.1/ephemeral-platform
    #[test]
    fn platform_versions() {
        let linux = TaskDefinition::default();
        let mut windows = TaskDefinition::default();
        let family = Some(OsFamily::WindowsServer2022Core as i32);
        windows.runtime_platform = Some(RuntimePlatform { operating_system_family: family, ..Default::default() });
        let stored =
            TaskDefinition { ephemeral_storage: Some(EphemeralStorage { size_in_gi_b: Some(30) }), ..linux.clone() };
        let check = |launch_type, version, definition: &TaskDefinition| match platform(launch_type, version, definition)
        {
            Ok(found) => found.map_or("none".to_owned(), |platform| platform.version().to_owned()),
            Err(error) => error.to_string(),
        };
        use LaunchType::{Ec2, Fargate};
        assert_eq!(check(Fargate, None, &linux), "1.4.0");
        assert_eq!(check(Fargate, Some("LATEST"), &linux), "1.4.0");
        assert_eq!(check(Fargate, Some("1.3.0"), &linux), "1.3.0");
        assert_eq!(check(Fargate, None, &windows), "1.0.0");
        assert_eq!(check(Ec2, None, &linux), "none");
        assert_eq!(
            check(Fargate, Some("9.9.9"), &linux),
            "PlatformUnknownException: The specified platform version doesn't exist."
        );
        assert!(check(Fargate, Some("1.4.0"), &windows).starts_with("PlatformUnknownException"));
        assert!(check(Fargate, Some("1.3.0"), &stored).starts_with("PlatformTaskDefinitionIncompatibilityException"));
        for (cpu, needs_newest) in [("4096", false), ("8192", true), ("16384", true), ("32768", true)] {
            let large = TaskDefinition { cpu: Some(cpu.to_owned()), ..linux.clone() };
            let refused =
                check(Fargate, Some("1.3.0"), &large).starts_with("PlatformTaskDefinitionIncompatibilityException");
            assert_eq!(refused, needs_newest, "{cpu}");
            assert_eq!(check(Fargate, Some("1.4.0"), &large), "1.4.0");
        }
        assert_eq!(
            check(Ec2, Some("LATEST"), &linux),
            "InvalidParameterException: The platform version must be null when specifying an EC2 launch type."
        );
    }
}
