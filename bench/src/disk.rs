//! The disk under the data: what a sync costs there, and how many it does.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::stat::{major, minor};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::Result;

const TRIALS: usize = 200;
const PAGE: [u8; 4096] = [0x5A; 4096];

/// An error if what is written to this folder never reaches a disk: every figure would be too good.
pub fn require_real(folder: &Path) -> Result<()> {
    if statfs(folder)?.filesystem_type() == TMPFS_MAGIC {
        return Err(format!("{} is in memory; give a folder on a disk with --work", folder.display()).into());
    }
    Ok(())
}

/// How long it takes to append one page and have it synced: the middle one of many.
pub fn sync_time(folder: &Path) -> Result<Duration> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(TRIALS);
    for _ in 0..TRIALS {
        let began = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[TRIALS / 2])
}

/// How many times the disk under this folder was told to sync, by anybody. `None` where the system does not
/// say so.
pub fn syncs(folder: &Path) -> Option<u64> {
    let device = fs::metadata(folder).ok()?.dev();
    let stat = fs::read_to_string(format!("/sys/dev/block/{}:{}/stat", major(device), minor(device))).ok()?;
    // Documentation/block/stat.rst of Linux: the 16th is "flush I/Os".
    stat.split_whitespace().nth(15)?.parse().ok()
}
