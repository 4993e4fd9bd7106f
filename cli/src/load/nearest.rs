//! The known name that a misspelt one most likely means. Pure.

/// The candidate that `given` most likely means; `None` where none is near enough to be a help.
///
/// Letter case, `_` and `-` don't count (CloudFormation writes `ContainerDefinitions`, Terraform
/// `container_definitions`); beyond that one edit for every three letters is forgiven.
#[must_use]
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(given);
    let bound = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(&wanted, &folded(candidate)), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longer names are cut: the time to compare grows with the square.
const COMPARED_CHARS_MAX: usize = 64;

fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).take(COMPARED_CHARS_MAX).collect()
}

/// Levenshtein distance, with a swap of two neighbours as one edit.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn names_are_found_across_spellings() {
        let known = ["family", "cpu", "containerDefinitions", "executionRoleArn", "memory", "memoryReservation"];
        let cases = [
            ("ContainerDefinitions", Some("containerDefinitions")),
            ("container_definitions", Some("containerDefinitions")),
            ("containerDefinition", Some("containerDefinitions")),
            ("famliy", Some("family")),
            ("executionRole", Some("executionRoleArn")),
            ("memoryLimit", None),
            ("gpus", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }
}
