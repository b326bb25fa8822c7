//! Files that are whole or not there at all, and secrets that nobody else may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Writes a secret, in the place of one that is there.
pub fn write_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    fs::rename(written_beside(path, secret)?, path)?;
    sync_folder_of(path)
}

/// Writes a secret unless there is one.
pub fn make_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let new = written_beside(path, secret)?;
    // A link replaces nothing.
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder_of(path),
    }
}

/// Synced, under a name that nothing else has.
fn written_beside(path: &Path, secret: &[u8]) -> io::Result<PathBuf> {
    let new = beside(path, &format!(".{}.new", Uuid::now_v7().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(secret)?;
    file.sync_all()?;
    Ok(new)
}

/// The same name with something behind it.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What happened to the names in the folder of this file outlives a power cut.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
