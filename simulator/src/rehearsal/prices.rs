//! What instances of some types have and cost: on demand, Linux, in us-east-1, as written here and not asked of AWS. A
//! scenario says its own prices where these aren't right.

use super::units::Dollars;

/// A type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceType {
    /// EC2's name.
    pub name: &'static str,
    /// CPU units, 1,024 a vCPU.
    pub cpu: u32,
    /// MiB.
    pub memory_mib: u32,
    /// What an hour costs.
    pub an_hour: Dollars,
}

const fn row(name: &'static str, vcpus: u32, gib: u32, tenth_milli_dollars: u64) -> InstanceType {
    InstanceType { name, cpu: vcpus * 1_024, memory_mib: gib * 1_024, an_hour: Dollars(tenth_milli_dollars * 100_000) }
}

/// The types that are known: CPU, memory, ten-thousandths of a dollar an hour.
pub const TYPES: [InstanceType; 20] = [
    row("t3.micro", 2, 1, 104),
    row("t3.small", 2, 2, 208),
    row("t3.medium", 2, 4, 416),
    row("t3.large", 2, 8, 832),
    row("t3.xlarge", 4, 16, 1_664),
    row("m5.large", 2, 8, 960),
    row("m5.xlarge", 4, 16, 1_920),
    row("m5.2xlarge", 8, 32, 3_840),
    row("m5.4xlarge", 16, 64, 7_680),
    row("m6g.large", 2, 8, 770),
    row("m6g.xlarge", 4, 16, 1_540),
    row("c5.large", 2, 4, 850),
    row("c5.xlarge", 4, 8, 1_700),
    row("c5.2xlarge", 8, 16, 3_400),
    row("c5.4xlarge", 16, 32, 6_800),
    row("c6g.large", 2, 4, 680),
    row("c6g.xlarge", 4, 8, 1_360),
    row("r5.large", 2, 16, 1_260),
    row("r5.xlarge", 4, 32, 2_520),
    row("r5.2xlarge", 8, 64, 5_040),
];

/// One by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static InstanceType> {
    TYPES.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn prices_are_found_by_name() {
        let found = super::find("m5.large").map(|row| (row.cpu, row.memory_mib, row.an_hour.to_string()));
        assert_eq!(found, Some((2_048, 8_192, "$0.096".to_owned())));
        assert_eq!(super::find("m5.nano"), None);
    }
}
