//! What `entrenous doctor` finds, and the commands as an administrator types them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use entrenous::clock::Clock;
use entrenous::config::{Config, DatabaseUrl};
use entrenous::doctor::{self, Finding, Level};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{TestApp, empty_place};

async fn findings(config: &Config) -> Vec<Finding> {
    doctor::examine(config, &Clock::default()).await
}

fn failures(of: &[Finding]) -> Vec<&str> {
    of.iter().filter(|finding| finding.level == Level::Fail).map(|finding| finding.what.as_str()).collect()
}

#[tokio::test]
async fn a_healthy_server_is_called_healthy_before_its_first_start_and_while_it_runs() {
    let folder = TempDir::new().unwrap();
    let before = Config { storage: empty_place(&folder).await, ..Config::default() };
    let before = Config { listen: "127.0.0.1:0".parse().unwrap(), ..before };
    let found = findings(&before).await;
    assert_eq!(failures(&found), [""; 0], "{found:#?}");
    assert!(!before.storage.data.exists(), "it makes nothing");

    let app = TestApp::start().await;
    app.person("Alice").await;
    let found = findings(&app.config).await;
    assert!(found.iter().all(|finding| finding.level == Level::Ok), "{found:#?}");
    let said = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for word in ["key file", "data folder", "disk", "tables are those", "may do there", "answers on"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    app.person("Bob").await;
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let mut app = TestApp::start().await;
    app.person("Alice").await;
    let key = app.config.storage.key_file();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let found = findings(&app.config).await;
    let open = found.iter().find(|finding| finding.what.contains("others on this machine")).unwrap();
    assert!(open.level == Level::Warn && open.advice.as_ref().unwrap().starts_with("chmod 600"), "{open:?}");

    app.stop().await;
    let kept = fs::read(&key).unwrap();
    for (content, word) in [(None, "missing"), (Some(b"half a key"), "no key")] {
        match content {
            None => fs::remove_file(&key).unwrap(),
            Some(content) => fs::write(&key, content).unwrap(),
        }
        let found = findings(&app.config).await;
        assert!(failures(&found).iter().any(|what| what.contains(word)), "{word}: {found:#?}");
    }
    let other = TestApp::start().await;
    fs::copy(other.config.storage.key_file(), &key).unwrap();
    let found = findings(&app.config).await;
    assert!(failures(&found).iter().any(|what| what.contains("is not the key")), "{found:#?}");
    fs::write(&key, kept).unwrap();

    let mut config = app.config.clone();
    config.public_url = Some("http://messages.example.org".parse().unwrap());
    config.storage.database = Some(DatabaseUrl::Server("mysql://nobody:secret@127.0.0.1:1/none".to_owned()));
    let found = findings(&config).await;
    let failed = failures(&found).join("\n");
    assert!(failed.contains("plain http") && failed.contains("database mysql://…"), "{found:#?}");
    assert!(!format!("{found:?}").contains("secret"));
}

#[tokio::test]
async fn a_port_that_another_program_has_is_found() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = TempDir::new().unwrap();
    let listen = taken.local_addr().unwrap().to_string().parse().unwrap();
    let config = Config { listen, storage: empty_place(&folder).await, ..Config::default() };
    let found = findings(&config).await;
    assert!(failures(&found).iter().any(|what| what.starts_with("listening")), "{found:#?}");
}

async fn run(app: &Config, words: &[&str], passphrase: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entrenous"));
    command.env_remove("ENTRENOUS_PASSPHRASE").arg(words[0]).arg("--data").arg(&app.storage.data);
    if let Some(DatabaseUrl::Server(url)) = &app.storage.database {
        command.env("ENTRENOUS_DATABASE", url);
    }
    if let Some(passphrase) = passphrase {
        command.env("ENTRENOUS_PASSPHRASE", passphrase);
    }
    command.args(&words[1..]).stdin(std::process::Stdio::null()).output().await.unwrap()
}

#[tokio::test]
async fn the_commands_say_what_they_did_and_end_with_1_when_they_could_not() {
    let app = TestApp::start().await;
    app.person("Alice").await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("backup").display().to_string();
    let ask = run(&app.config, &["backup", "--encrypt", &file], None).await;
    assert!(!ask.status.success(), "there is nobody to ask for a passphrase");
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let made = run(&app.config, &["backup", &file], Some("between us")).await;
    assert!(made.status.success() && said(&made).contains("it is whole"), "{made:?}");
    let verified = run(&app.config, &["restore", "--verify", &file], Some("between us")).await;
    assert!(verified.status.success() && said(&verified).contains("is whole"), "{verified:?}");
    let wrong = run(&app.config, &["restore", "--verify", &file], Some("between them")).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(said(&wrong).contains("passphrase") && !said(&wrong).contains("between"), "{wrong:?}");

    let secret = folder.path().join("passphrase");
    fs::write(&secret, "between us\n").unwrap();
    let place = TempDir::new().unwrap();
    let elsewhere = Config { storage: empty_place(&place).await, ..Config::default() };
    let named = ["restore", "--passphrase-file", &secret.display().to_string(), &file];
    let restored = run(&elsewhere, &named, None).await;
    assert!(restored.status.success() && said(&restored).contains("1 accounts"), "{restored:?}");
    let listen = app.config.listen.to_string();
    let healthy = run(&app.config, &["doctor", "--listen", &listen], None).await;
    assert!(healthy.status.success(), "{healthy:?}");
    fs::remove_file(elsewhere.storage.key_file()).unwrap();
    let ill = run(&elsewhere, &["doctor", "--listen", "127.0.0.1:0"], None).await;
    assert_eq!(ill.status.code(), Some(1));
    assert!(said(&ill).contains("FAIL  key file"), "{ill:?}");
}
