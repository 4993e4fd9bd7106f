//! A request as the JSON that ECS counts its limits in. Counting it also finds enum numbers that ECS has no word for,
//! which protobuf lets through.

use std::io;

use crate::error::EcsError;

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes of JSON a shape takes.
///
/// # Errors
/// `InvalidParameterException` for an enum number that ECS doesn't have.
pub fn json_len<T: serde::Serialize>(shape: &T) -> Result<usize, EcsError> {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, shape) {
        Ok(()) => Ok(counter.0),
        Err(error) => Err(EcsError::invalid_parameter(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use drydock_proto::ecs::{LaunchType, RunTaskRequest};

    use super::json_len;

    #[test]
    fn it_counts_and_finds_unknown_numbers() {
        let mut request = RunTaskRequest { count: Some(3), ..Default::default() };
        assert_eq!(json_len(&request).unwrap(), r#"{"count":3}"#.len());
        request.launch_type = Some(LaunchType::Ec2 as i32);
        assert_eq!(json_len(&request).unwrap(), r#"{"count":3,"launchType":"EC2"}"#.len());
        for unknown in [0, 99] {
            request.launch_type = Some(unknown);
            assert!(json_len(&request).unwrap_err().to_string().starts_with("InvalidParameterException"));
        }
    }
}
