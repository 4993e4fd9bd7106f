//! How many files and sockets this process may have open, which bounds how many connections it takes. Reads and raises the
//! process's own limit; touches nothing else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::FILES_WANTED;

/// Raises the soft limit towards [`FILES_WANTED`], as far as the hard one lets. Shells start programs with a soft limit of
/// 1,024, which is for programs that use `select`.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(FILES_WANTED, |hard| hard.min(FILES_WANTED));
    if current.is_none_or(|soft| soft >= wanted) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        tracing::warn!(%error, soft = current, wanted, "the limit on open files can't be raised");
    }
}

/// Files that this process may have open.
pub(crate) fn limit() -> usize {
    let soft = getrlimit(Resource::Nofile).current.unwrap_or(FILES_WANTED);
    usize::try_from(soft.min(FILES_WANTED)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::{limit, raise};
    use crate::limits::FILES_WANTED;

    #[test]
    fn the_soft_limit_is_raised_towards_the_hard_one() {
        raise();
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(FILES_WANTED).min(FILES_WANTED);
        assert_eq!(u64::try_from(limit()).unwrap(), hard);
    }
}
