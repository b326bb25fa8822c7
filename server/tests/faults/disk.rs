//! A disk of a few MiB that is filled up. It is a tmpfs in a mount namespace of its own, held open by a process
//! that does nothing else; for that the tests need root, or a system that lets anyone make user namespaces.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use client::{Client, Error, Event};
use fastrand::Rng;
use nix::unistd::Uid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::people::{PASSWORD, People, check_database};
use crate::program::{Program, seed};

const BLOCK: usize = 4 << 10;
const ROUNDS: usize = 6;
/// The server tries to fold its log back twice a second: in this time more often than there are rounds.
const LONGER: Duration = Duration::from_secs(5);

struct SmallDisk {
    holder: Child,
    folder: TempDir,
}

impl SmallDisk {
    async fn mount(mebibytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("mount -t tmpfs -o size={mebibytes}m tmpfs \"$0\" && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        command.arg("--mount").args((!Uid::effective().is_root()).then_some("--map-root-user"));
        command.args(["sh", "-c", &script]).arg(folder.path());
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let said = BufReader::new(holder.stdout.take().unwrap()).lines().next_line().await.unwrap();
        assert_eq!(said.as_deref(), Some("mounted"), "a mount of one's own needs root or user namespaces");
        Self { holder, folder }
    }

    /// What puts a command where this disk is.
    fn enter(&self) -> Vec<String> {
        let pid = self.holder.id().unwrap().to_string();
        let user = ["--user", "--preserve-credentials"].into_iter().filter(|_| !Uid::effective().is_root());
        ["nsenter", "--mount"].into_iter().chain(user).chain(["--target", &pid]).map(str::to_owned).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path on it, as seen from here.
    fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id().unwrap()));
        root.join(path.strip_prefix("/").unwrap())
    }

    fn ballast(&self) -> PathBuf {
        self.seen(&self.folder.path().join("ballast"))
    }

    /// Fills it up, but for so many blocks.
    fn fill(&self, leave: usize) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let mut written = 0;
        while let Ok(bytes @ 1..) = ballast.write(&[0; BLOCK]) {
            written += bytes;
        }
        ballast.set_len(written.saturating_sub(leave * BLOCK) as u64).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// A copy of the database as it lies there.
    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for name in ["entrenous.db", "entrenous.db-wal"] {
            let from = self.seen(&self.data().join(name));
            if from.exists() {
                fs::copy(from, copy.path().join(name)).unwrap();
            }
        }
        copy
    }
}

/// The numbers go on by one: an answer for what was not stored would come with the same number again.
fn stored_next(stored: &mut u64, seq: u64) {
    assert_eq!(seq, *stored + 1, "acknowledged, and not stored");
    *stored = seq;
}

/// Writes until there is no room; what was taken before that is counted.
async fn until_refused(writer: &Client, conversation: Uuid, stored: &mut u64) -> Error {
    loop {
        match writer.send(conversation, &"x".repeat(1_000)).await {
            Ok(accepted) => stored_next(stored, accepted.seq),
            Err(error) => return error,
        }
    }
}

/// The same over a socket.
async fn until_frame_refused(writer: &Client, conversation: Uuid, stored: &mut u64) -> String {
    let mut live = writer.events().await.unwrap();
    loop {
        live.send(conversation, &"x".repeat(1_000)).await.unwrap();
        match live.next().await.unwrap() {
            Event::Accepted(accepted) => stored_next(stored, accepted.seq),
            Event::Refused { code, .. } => return code,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_loses_nothing_and_is_over_when_there_is_room() {
    let mut rng = Rng::with_seed(seed());
    let disk = SmallDisk::mount(16).await;
    let mut server = Program::new().inside(disk.enter(), Some(disk.data()));
    server.start_again().await;
    let mut people = People::sign_up(&server.url(), 2, &mut rng).await;
    let alice = Client::register(&server.url(), "alice", "Alice", PASSWORD).await.unwrap();
    let bob = Client::register(&server.url(), "bob", "Bob", PASSWORD).await.unwrap();
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let mut stored = alice.send(conversation, "hello").await.unwrap().seq;
    // Whom one meets is noted in the vault; these two have met.
    bob.history(conversation, None, 1).await.unwrap();
    let mut writing = people.write(1);
    for round in 0..ROUNDS {
        writing.more(30).await;
        disk.fill(rng.usize(..20));
        let refused = until_refused(&alice, conversation, &mut stored).await;
        let Error::Refused { status, code, message } = &refused else { panic!("{refused}") };
        assert_eq!((*status, code.as_str()), (503, "unavailable"));
        assert!(message.contains("cannot store"), "{message}");
        assert_eq!(until_frame_refused(&alice, conversation, &mut stored).await, "unavailable");
        // The last small corner may still take a receipt, which is something.
        while !server.get("/readyz").await.contains("nothing can be stored") {
            until_refused(&alice, conversation, &mut stored).await;
        }

        // For a while longer, and by requests of another kind.
        if round == 0 {
            let begun = Instant::now();
            while begun.elapsed() < LONGER {
                until_refused(&alice, conversation, &mut stored).await;
                until_frame_refused(&alice, conversation, &mut stored).await;
                let _ = Client::register(&server.url(), "carol", "Carol", PASSWORD).await.unwrap_err();
            }
        }

        // Whoever is there can read, and nobody new comes.
        for path in ["/session", "/conversations", "/people?q=al", "/keyring", "/vault"] {
            assert_eq!(bob.raw("GET", path, None).await.unwrap().0, 200, "{path}");
        }
        assert_eq!(bob.history(conversation, None, 1).await.unwrap()[0].seq, stored);
        let nobody = Client::register(&server.url(), "carol", "Carol", PASSWORD).await.unwrap_err();
        assert_eq!(nobody.code(), Some("unavailable"));
        let nobody = Client::log_in(&server.url(), "alice", PASSWORD).await.unwrap_err();
        assert_eq!(nobody.code(), Some("unavailable"));

        // Some rounds end with a kill, and a start without room.
        let mut started = Ok(());
        if round % 2 == 1 {
            server.kill().await;
            check_database(disk.copy().path()).await;
            started = server.try_to_start().await;
        }
        disk.make_room();
        if let Err(said) = started {
            assert!(said.contains("is full"), "{said}");
            server.start_again().await;
        }
    }
    writing.more(30).await;
    people.agree(writing.end().await, &server.url()).await;
    assert_eq!(bob.conversation(conversation).await.unwrap().seq, stored);
    assert_eq!(server.get("/readyz").await, "ready\n");
    assert!(server.stop().await.success());
    check_database(disk.copy().path()).await;
    let complaints = server.complaints();
    assert!(complaints[0].contains("disk is full"), "{complaints:#?}");
    // Each once in a life of the server, or when it begins anew: not for each attempt.
    for complaint in ["messages cannot be stored", "database cannot be used", "cannot be folded back"] {
        let count = complaints.iter().filter(|line| line.contains(complaint)).count();
        assert!((1..=ROUNDS).contains(&count), "{count} times: {complaints:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_says_so_and_leaves_nothing_half_made() {
    let disk = SmallDisk::mount(4).await;
    let mut refused = 0;
    for leave in 0.. {
        let mut server = Program::new().inside(disk.enter(), Some(disk.data()));
        disk.fill(leave);
        let first = server.try_to_start().await;
        disk.make_room();
        let Err(said) = first else { break };
        assert!(said.contains("is full"), "{said}");
        refused += 1;
        server.start_again().await;
        server.kill().await;
        fs::remove_dir_all(disk.seen(&disk.data())).unwrap();
    }
    // It needs some pages for each table.
    assert!(refused > 10, "{refused}");
}
