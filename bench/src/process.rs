//! Programs under measurement: started as children on a port of their own, looked at through /proc, and
//! stopped by their id.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::Result;

const START_PATIENCE: Duration = Duration::from_secs(60);
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// How often a process that starts or stops is looked at. It adds to the start-up that is measured.
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// Where ports begin that systems hand out by themselves; ours are below.
const EPHEMERAL: u16 = 32_768;

pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// From its start to its first good answer.
    pub start_up: Duration,
}

impl Process {
    /// The server, on this data folder. Its log, at the default level, goes to `server.log` in `logs`.
    pub fn server(program: &Path, data: &Path, logs: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(program);
        for (setting, _) in std::env::vars_os() {
            if setting.to_string_lossy().starts_with("ENTRENOUS_") {
                command.env_remove(setting);
            }
        }
        command.arg("serve").arg("--data").arg(data).args(["--listen", &address.to_string()]);
        // The limits are there for strangers; the load comes from one address, and from few sockets.
        for limit in ["--frames-per-second", "--attempts-per-address", "--attempts-per-handle"] {
            command.args([limit, "1000000000"]);
        }
        Self::start(command, address, &logs.join("server.log"))
    }

    /// The bare relay: this program in its other role.
    pub fn relay(logs: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["relay", &address.to_string()]);
        Self::start(command, address, &logs.join("relay.log"))
    }

    fn start(mut command: Command, address: SocketAddr, log_path: &Path) -> Result<Self> {
        let log = File::create(log_path)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let child = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        running().push(child.id());
        let mut process = Self { child, address, start_up: Duration::ZERO };
        while !matches!(get(address, "/readyz", None), Ok((200, _))) {
            if process.child.try_wait()?.is_some() || began.elapsed() > START_PATIENCE {
                let program = command.get_program();
                return Err(format!("{program:?} does not answer; see {}", log_path.display()).into());
            }
            sleep(LOOK_EVERY);
        }
        process.start_up = began.elapsed();
        Ok(process)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let asked = Instant::now();
        running().retain(|id| *id != self.id());
        ask_to_stop(self.id());
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > STOP_PATIENCE {
                let _ = self.child.kill();
            }
            sleep(LOOK_EVERY);
        }
    }
}

/// The children, for when this program is told to stop in the middle.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask_to_stop(process: u32) {
    // It may have ended already.
    let _ = kill(Pid::from_raw(process.cast_signed()), Signal::SIGTERM);
}

/// From now on this program takes its children with it when it is interrupted or terminated.
pub fn stop_together() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        let told = runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            io::Result::Ok(())
        });
        if told.is_ok() {
            running().iter().copied().for_each(ask_to_stop);
            exit(1);
        }
    });
    Ok(())
}

/// On a free port, below those that connections get by themselves: ten thousand of these are about to be opened.
pub fn listen() -> Result<TcpListener> {
    let first = 20_000 + (std::process::id() % 8_000) as u16;
    let free = (first..EPHEMERAL).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    free.ok_or_else(|| "no port is free".into())
}

/// For a child, that will listen there in a moment.
fn free_address() -> Result<SocketAddr> {
    Ok(listen()?.local_addr()?)
}

/// A GET on a connection of its own: status and body.
pub fn get(address: SocketAddr, path: &str, token: Option<&str>) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{bearer}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "an answer was cut off");
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or_else(cut)?;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    Ok((status.ok_or_else(cut)?, answer.split_off(head + 4)))
}

/// How many files this process and its children may have open from now on: as many as wanted, if the system
/// grants it.
pub fn raise_file_limit(wanted: u64) -> Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Only root may raise the hard limit. Refused, it stays as it is, and the answer says so.
    if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Seconds of processor time that a process has had so far, its threads together.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the program's name in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/…/stat has another form")?;
    let mut ticks = 0;
    for time in fields.split_whitespace().skip(11).take(2) {
        ticks += time.parse::<u64>()?;
    }
    let per_second = sysconf(SysconfVar::CLK_TCK)?.ok_or("no clock ticks")?;
    Ok(ticks as f64 / per_second as f64)
}

/// Memory that a process holds, in bytes.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: u64 = line.ok_or("no VmRSS in /proc")?.trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}
