//! The file of a backup.
//!
//! ```text
//! file     "entrenous backup", format (u8), protection (u8: 0 none, 1 passphrase)
//!          under a passphrase: salt (16 bytes), nonce (19 bytes), and the records in sealed segments
//! records  'h' what it is (JSON), 'k' the server's key,
//!          for each table: 't' its name and columns (JSON), 'r' a row, …, 'e' how many rows, and their SHA-256
//!          'z' how many rows in all (u64), and the SHA-256 of everything before it
//! ```
//!
//! Numbers are big-endian. Every record but the last is its letter, its length (u32) and its bytes. What a row is
//! made of, [`super::rows`] knows.
//!
//! A passphrase becomes a key by Argon2id (64 MiB, three passes), under which the records are sealed in segments of
//! 64 KiB by STREAM (Hoang, Reyhanitabar, Rogaway and Vizár) over XChaCha20-Poly1305: none can be changed, left out,
//! moved or cut off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::rows::{Sum, Table};
use crate::Failure;
use crate::files::{beside, sync_folder_of};

const MAGIC: &[u8; 16] = b"entrenous backup";
/// Raised when a reader of before would misunderstand the file.
const FORMAT: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 19;
const SEGMENT: usize = 64 << 10;
const TAG: usize = 16;
/// Above anything that a row can hold; a length beyond it is damage.
const LONGEST_RECORD: u32 = 64 << 20;

/// What is said at the beginning of each file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Header {
    /// The version of the program that wrote it.
    pub program: String,
    /// The migrations of the database that it was read from.
    pub schema: Vec<String>,
    pub engine: String,
    /// Milliseconds since 1970.
    pub made_at: i64,
}

/// What the reader comes to, in this order.
pub enum Record {
    Header(Header),
    Key(Zeroizing<Vec<u8>>),
    Table(Table),
    Row(Vec<u8>),
    EndOfTable(Sum),
    /// All rows; the file is whole.
    End(u64),
}

/// What opens a sealed file. Never shown, and overwritten when it is no longer needed.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    pub fn new(text: String) -> Result<Self, Failure> {
        let text = Zeroizing::new(text);
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Err("the passphrase is empty".into());
        }
        Ok(Self(Zeroizing::new(line.as_bytes().to_vec())))
    }

    fn cipher(&self, salt: &[u8]) -> Result<XChaCha20Poly1305, Failure> {
        let failed = |error: argon2::Error| format!("the passphrase cannot be used: {error}");
        let params = Params::new(64 << 10, 3, 1, Some(32)).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&self.0, salt, key.as_mut())
            .map_err(failed)?;
        Ok(XChaCha20Poly1305::new(&Key::from(*key)))
    }
}

/// A file that is being written: under another name until it is whole, and gone if it never is.
pub struct Writer {
    path: PathBuf,
    part: Part,
    out: Out,
    sha: Sha256,
    rows: u64,
}

enum Out {
    Plain(BufWriter<File>),
    Sealed(Sealer),
}

impl Writer {
    pub fn create(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, Failure> {
        refuse_existing(path)?;
        let (part, file) = Part::create(path)?;
        let mut file = BufWriter::new(file);
        let mut prefix = MAGIC.to_vec();
        prefix.extend([FORMAT, u8::from(passphrase.is_some())]);
        let out = if let Some(passphrase) = passphrase {
            let mut random = [0; SALT + NONCE];
            getrandom::fill(&mut random)?;
            prefix.extend(random);
            file.write_all(&prefix)?;
            Out::Sealed(Sealer::new(file, passphrase, &prefix)?)
        } else {
            file.write_all(&prefix)?;
            Out::Plain(file)
        };
        let sha = Sha256::new_with_prefix(&prefix);
        Ok(Self { path: path.to_owned(), part, out, sha, rows: 0 })
    }

    pub fn header(&mut self, header: &Header) -> Result<(), Failure> {
        self.record(b'h', &serde_json::to_vec(header)?)
    }

    pub fn key(&mut self, key: &[u8]) -> Result<(), Failure> {
        self.record(b'k', key)
    }

    pub fn table(&mut self, table: &Table) -> Result<(), Failure> {
        self.record(b't', &serde_json::to_vec(table)?)
    }

    pub fn row(&mut self, row: &[u8]) -> Result<(), Failure> {
        self.rows += 1;
        self.record(b'r', row)
    }

    pub fn end_of_table(&mut self, sum: &Sum) -> Result<(), Failure> {
        let mut bytes = sum.rows.to_be_bytes().to_vec();
        bytes.extend(sum.sha256);
        self.record(b'e', &bytes)
    }

    /// Written and synced to the disk, still under its other name: read it again, then [`Whole::keep`] it.
    pub fn finish(mut self) -> Result<Whole, Failure> {
        let rows = self.rows;
        self.put(b"z")?;
        self.put(&rows.to_be_bytes())?;
        let sha = self.sha.clone().finalize();
        self.put(&sha)?;
        let file = match self.out {
            Out::Plain(file) => file,
            Out::Sealed(sealer) => sealer.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(Whole { path: self.path, part: self.part })
    }

    fn record(&mut self, kind: u8, bytes: &[u8]) -> Result<(), Failure> {
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST_RECORD);
        let length = length.ok_or("a row is too long for a backup")?;
        self.put(&[kind])?;
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.sha.update(bytes);
        match &mut self.out {
            Out::Plain(file) => Ok(file.write_all(bytes)?),
            Out::Sealed(sealer) => sealer.put(bytes),
        }
    }
}

pub struct Whole {
    path: PathBuf,
    part: Part,
}

impl Whole {
    /// Where it lies until it is kept.
    pub fn part(&self) -> &Path {
        &self.part.0
    }

    pub fn keep(self) -> Result<(), Failure> {
        refuse_existing(&self.path)?;
        fs::rename(&self.part.0, &self.path)?;
        Ok(sync_folder_of(&self.path)?)
    }
}

/// Removed unless it was given another name.
struct Part(PathBuf);

impl Part {
    fn create(path: &Path) -> Result<(Self, File), Failure> {
        let path = beside(path, ".part");
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let mut options = OpenOptions::new();
        // What a backup left behind that was killed may be overwritten, but not what another one is writing.
        let file =
            options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(format!("{}: another backup is being written here", path.display()).into());
        }
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        Ok((Self(path), file))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After the rename there is nothing of this name.
        let _ = fs::remove_file(&self.0);
    }
}

pub fn refuse_existing(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
        Ok(_) => Err(format!("{} exists, and is not overwritten: name another file", path.display()).into()),
    }
}

struct Sealer {
    file: BufWriter<File>,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    /// What the segments are bound to.
    prefix: Vec<u8>,
    segment: Zeroizing<Vec<u8>>,
}

impl Sealer {
    fn new(file: BufWriter<File>, passphrase: &Passphrase, prefix: &[u8]) -> Result<Self, Failure> {
        let (salt, nonce) = salt_and_nonce(prefix)?;
        let stream = EncryptorBE32::from_aead(passphrase.cipher(salt)?, &nonce.into());
        let segment = Zeroizing::new(Vec::with_capacity(SEGMENT));
        Ok(Self { file, stream, prefix: prefix.to_vec(), segment })
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            // A full one waits until it is clear that it is not the last.
            if self.segment.len() == SEGMENT {
                let payload = Payload { msg: &self.segment, aad: &self.prefix };
                let sealed =
                    self.stream.encrypt_next(payload).map_err(|_| "the backup is too long to seal")?;
                self.file.write_all(&sealed)?;
                self.segment.clear();
            }
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT - self.segment.len()));
            self.segment.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<BufWriter<File>, Failure> {
        let payload = Payload { msg: &self.segment, aad: &self.prefix };
        let sealed = self.stream.encrypt_last(payload).map_err(|_| "the backup is too long to seal")?;
        self.file.write_all(&sealed)?;
        Ok(self.file)
    }
}

fn salt_and_nonce(prefix: &[u8]) -> Result<(&[u8], [u8; NONCE]), Failure> {
    let (salt, nonce) = prefix[MAGIC.len() + 2..].split_at(SALT);
    Ok((salt, nonce.try_into()?))
}

/// Whether a passphrase is needed to read it.
pub fn is_sealed(path: &Path) -> Result<bool, Failure> {
    let mut file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(prefix(&mut file)?.len() > MAGIC.len() + 2)
}

fn prefix(file: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let mut prefix = vec![0; MAGIC.len() + 2];
    file.read_exact(&mut prefix).map_err(cut_short)?;
    if !prefix.starts_with(MAGIC) {
        return Err("this is no backup of Entre Nous".into());
    }
    match prefix[MAGIC.len()..] {
        [FORMAT, 0] => {}
        [FORMAT, 1] => {
            prefix.resize(prefix.len() + SALT + NONCE, 0);
            file.read_exact(&mut prefix[MAGIC.len() + 2..]).map_err(cut_short)?;
        }
        [format, _] if format > FORMAT => {
            return Err(
                "this backup was written by a newer version of entrenous: read it with that one".into()
            );
        }
        _ => return Err("the backup is damaged at its beginning".into()),
    }
    Ok(prefix)
}

fn cut_short(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::UnexpectedEof => "the backup is cut short".into(),
        _ => error.into(),
    }
}

pub struct Reader {
    from: From,
    sha: Sha256,
    rows: u64,
}

enum From {
    Plain(BufReader<File>),
    Sealed(Opener),
}

impl Reader {
    pub fn open(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut file = BufReader::with_capacity(SEGMENT + TAG, file);
        let prefix = prefix(&mut file)?;
        let sha = Sha256::new_with_prefix(&prefix);
        let from = if prefix.len() == MAGIC.len() + 2 {
            From::Plain(file)
        } else {
            let passphrase = passphrase.ok_or("the backup is sealed: its passphrase is needed")?;
            From::Sealed(Opener::new(file, passphrase, prefix)?)
        };
        Ok(Self { from, sha, rows: 0 })
    }

    pub fn next(&mut self) -> Result<Record, Failure> {
        let [kind] = self.array()?;
        if kind == b'z' {
            return self.end();
        }
        let length = u32::from_be_bytes(self.array()?);
        if length > LONGEST_RECORD {
            return Err(damaged());
        }
        let mut bytes = Zeroizing::new(vec![0; length as usize]);
        self.fill(&mut bytes)?;
        Ok(match kind {
            b'h' => Record::Header(serde_json::from_slice(&bytes).map_err(|_| damaged())?),
            b'k' => Record::Key(bytes),
            b't' => Record::Table(serde_json::from_slice(&bytes).map_err(|_| damaged())?),
            b'r' => {
                self.rows += 1;
                Record::Row(std::mem::take(&mut *bytes))
            }
            b'e' => {
                let (rows, sha256) = bytes.split_first_chunk().ok_or_else(damaged)?;
                let sha256 = sha256.try_into().map_err(|_| damaged())?;
                Record::EndOfTable(Sum { rows: u64::from_be_bytes(*rows), sha256 })
            }
            _ => return Err(damaged()),
        })
    }

    fn end(&mut self) -> Result<Record, Failure> {
        let rows = u64::from_be_bytes(self.array()?);
        let found = self.sha.clone().finalize();
        let said: [u8; 32] = self.array()?;
        let more = match &mut self.from {
            From::Plain(file) => !file.fill_buf()?.is_empty(),
            From::Sealed(opener) => opener.has_more()?,
        };
        if rows != self.rows || found[..] != said || more {
            return Err(damaged());
        }
        Ok(Record::End(rows))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        match &mut self.from {
            From::Plain(file) => file.read_exact(bytes).map_err(cut_short)?,
            From::Sealed(opener) => opener.fill(bytes)?,
        }
        self.sha.update(bytes);
        Ok(())
    }
}

pub fn damaged() -> Failure {
    "the backup is damaged: what it says of itself does not fit what it holds".into()
}

struct Opener {
    file: BufReader<File>,
    /// None after the last segment.
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    prefix: Vec<u8>,
    segment: Zeroizing<Vec<u8>>,
    /// How much of it was given.
    given: usize,
    opened: bool,
}

impl Opener {
    fn new(file: BufReader<File>, passphrase: &Passphrase, prefix: Vec<u8>) -> Result<Self, Failure> {
        let (salt, nonce) = salt_and_nonce(&prefix)?;
        let stream = Some(DecryptorBE32::from_aead(passphrase.cipher(salt)?, &nonce.into()));
        Ok(Self { file, stream, prefix, segment: Zeroizing::default(), given: 0, opened: false })
    }

    fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            if !self.has_more()? {
                return Err(damaged());
            }
            let there = &self.segment[self.given..];
            let (now, later) = bytes.split_at_mut(bytes.len().min(there.len()));
            now.copy_from_slice(&there[..now.len()]);
            self.given += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Opens the next segment when all of this one was given.
    fn has_more(&mut self) -> Result<bool, Failure> {
        while self.given == self.segment.len() {
            let Some(mut stream) = self.stream.take() else { return Ok(false) };
            let mut sealed = Vec::with_capacity(SEGMENT + TAG);
            (&mut self.file).take((SEGMENT + TAG) as u64).read_to_end(&mut sealed)?;
            let payload = Payload { msg: &sealed, aad: &self.prefix };
            let opened = if self.file.fill_buf()?.is_empty() {
                stream.decrypt_last(payload)
            } else {
                let opened = stream.decrypt_next(payload);
                self.stream = Some(stream);
                opened
            };
            self.segment = Zeroizing::new(opened.map_err(|_| self.does_not_open())?);
            self.given = 0;
            self.opened = true;
        }
        Ok(true)
    }

    fn does_not_open(&self) -> &'static str {
        match self.opened {
            true => "the backup is damaged or cut short",
            false => "the backup does not open: this is not its passphrase, or it is damaged",
        }
    }
}
