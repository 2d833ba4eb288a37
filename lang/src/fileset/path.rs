//! Paths as rule files write them: relative to the file in which they stand.

/// Endings of files that editors and package managers leave behind.
const LEFTOVER_ENDINGS: &[&str] = &["~", ".bak", ".orig", ".rej", ".swp", ".tmp"];

/// A path to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// As the host is asked for it.
    pub(super) written: String,
}

impl Path {
    pub(super) fn root(written: &str) -> Self {
        Self { written: written.to_owned() }
    }

    /// A path that stands in this file.
    pub(super) fn beside(&self, path: &str) -> Self {
        let written = match self.written.rfind('/') {
            Some(slash) if !path.starts_with('/') => {
                format!("{}{path}", self.written.get(..=slash).unwrap_or_default())
            }
            _ => path.to_owned(),
        };
        Self { written }
    }

    /// The same for two spellings of one path. Only for telling files apart: through a symbolic link `a/../b` can be
    /// another file than `b`, so the host is asked for the path as written.
    pub(super) fn identity(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in self.written.split('/') {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|last| *last != "..") => {
                    parts.pop();
                }
                _ => parts.push(part),
            }
        }
        let root = if self.written.starts_with('/') { "/" } else { "" };
        format!("{root}{}", parts.join("/"))
    }
}

/// Whether a path is a pattern of paths.
pub(super) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether a pattern shall not match this file: hidden, a backup, or what dpkg leaves beside a changed file.
pub(super) fn is_leftover(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with('.')
        || name.contains(".dpkg-")
        || LEFTOVER_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_to_the_file() {
        let path = Path::root("/etc/weir/mx.weir");
        assert_eq!(path.beside("lists/a.txt").written, "/etc/weir/lists/a.txt");
        assert_eq!(path.beside("/srv/a.txt").written, "/srv/a.txt");
        assert_eq!(Path::root("mx.weir").beside("a.txt").written, "a.txt");
    }

    #[test]
    fn spellings_of_one_path() {
        for spelling in ["/etc/weir/a", "/etc//weir/./a", "/etc/weir/x/../a"] {
            assert_eq!(Path::root(spelling).identity(), "/etc/weir/a");
        }
        assert_eq!(Path::root("../a").identity(), "../a");
        assert_ne!(Path::root("/a").identity(), Path::root("a").identity());
    }

    #[test]
    fn leftovers() {
        for name in ["d/a.weir~", "d/a.weir.bak", "d/a.weir.dpkg-old", "d/.a.weir"] {
            assert!(is_leftover(name), "{name}");
        }
        assert!(!is_leftover("d.bak/a.weir"));
    }
}
