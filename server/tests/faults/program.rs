//! The server as an administrator runs it: the binary, with a folder and a port of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_entrenous");

pub struct Program {
    pub address: SocketAddr,
    /// Where the program finds its data; with `inside` perhaps not where we do.
    pub data: PathBuf,
    /// A command that runs the program somewhere else, or with other limits: `nsenter …`.
    inside: Vec<String>,
    /// Further settings.
    options: Vec<String>,
    running: Option<Running>,
    folder: TempDir,
}

struct Running {
    child: Child,
    /// Kept open: the program may say something.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub async fn start() -> Self {
        let mut program = Self::new();
        program.start_again().await;
        program
    }

    /// Not yet running.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let data = folder.path().join("data");
        Self { address, data, inside: Vec::new(), options: Vec::new(), running: None, folder }
    }

    /// To be run by this command, and perhaps on a folder that is seen from there.
    pub fn inside(self, command: Vec<String>, data: Option<PathBuf>) -> Self {
        Self { inside: command, data: data.unwrap_or(self.data), ..self }
    }

    /// With these settings, in the place of any before.
    pub fn with(self, options: &[&str]) -> Self {
        Self { options: options.iter().map(|option| (*option).to_owned()).collect(), ..self }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// On the same folder and the same port. Returns when it answers.
    pub async fn start_again(&mut self) {
        if let Err(end) = self.try_to_start().await {
            panic!("it did not start: {end}\n{}", self.log());
        }
    }

    /// Or what it said before it ended.
    pub async fn try_to_start(&mut self) -> Result<(), String> {
        assert!(self.running.is_none(), "it runs");
        let mut child = self.spawn();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) = stdout.next_line().await.unwrap() {
            if line.contains(" is ready: ") {
                self.running = Some(Running { child, _stdout: stdout });
                return Ok(());
            }
            said.push_str(&line);
        }
        let status = child.wait().await.unwrap();
        assert!(!status.success(), "it ended, and calls that success: {said}");
        Err(said)
    }

    /// Start, and kill it at that moment.
    pub async fn start_and_kill(&mut self, moment: impl Future) {
        let mut child = self.spawn();
        moment.await;
        child.kill().await.unwrap();
    }

    /// As `kill -9`.
    pub async fn kill(&mut self) {
        self.running.take().expect("it runs").child.kill().await.unwrap();
    }

    /// As `systemctl stop`.
    pub async fn stop(&mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.running.take().expect("it runs").child.wait().await.unwrap()
    }

    /// What it answers to anybody.
    pub async fn get(&self, path: &str) -> String {
        reqwest::get(format!("{}{path}", self.url())).await.unwrap().text().await.unwrap()
    }

    pub fn pid(&self) -> Pid {
        let id = self.running.as_ref().expect("it runs").child.id().expect("it has not ended");
        Pid::from_raw(id.cast_signed())
    }

    /// The most memory it has had since its start, in MiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// All it has logged, in all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The lines at these levels.
    pub fn complaints(&self) -> Vec<String> {
        let complaint =
            |line: &&str| line.contains(" WARN ") || line.contains("ERROR ") || line.contains("panicked");
        self.log().lines().filter(complaint).map(str::to_owned).collect()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut words = self.inside.iter().map(String::as_str).chain([PROGRAM]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["serve", "--listen", &self.address.to_string(), "--data"])
            .arg(&self.data)
            .args(["--attempts-per-address", "100000", "--attempts-per-handle", "100000"])
            .args(["--frames-per-second", "100000"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        command.spawn().unwrap()
    }
}

/// Let this process have as many files and sockets as it may.
pub fn raise_file_limit(needed: u64) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    assert!(most >= needed, "this test needs {needed} open files, and `ulimit -Hn` says {most}");
}

/// The seed of this run, said aloud.
pub fn seed() -> u64 {
    let seed = std::env::var("ENTRENOUS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    #[allow(clippy::print_stderr, reason = "shown when the test fails")]
    {
        eprintln!("ENTRENOUS_SEED={seed}");
    }
    seed
}

/// Below the ports that the system hands out by itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + (std::process::id() % 7_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// As [`free_port`], taken.
pub async fn listen() -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", free_port())).await {
            return listener;
        }
    }
}
