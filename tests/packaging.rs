//! What is shipped beside the program: the systemd unit is one that systemd takes.

use std::path::Path;
use std::process::Command;

fn unit() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/upfront.service")).unwrap()
}

#[test]
fn the_unit_is_hardened_and_of_the_kind_the_program_is() {
    let unit = unit();
    for line in [
        "Type=notify",
        "DynamicUser=yes",
        "StateDirectory=upfront",
        "StateDirectoryMode=0700",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "LimitCORE=0",
    ] {
        assert!(unit.lines().any(|given| given == line), "{line}");
    }
    assert!(unit.contains("MemoryMax=") && unit.contains("LimitNOFILE=") && unit.contains("WatchdogSec="));
}

/// Without systemd nothing here can tell whether the unit is good: that is said, and where everything is to be
/// checked it is a failure.
#[test]
fn systemd_takes_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upfront.service");
    std::fs::write(&path, unit().replace("/usr/local/bin/upfront", env!("CARGO_BIN_EXE_upfront"))).unwrap();
    let verify =
        |path: &Path| Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(path).output();
    match verify(&path) {
        Err(error) => {
            let words = format!("NOT VERIFIED: systemd-analyze cannot be run here ({error})");
            assert!(std::env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{words}");
            eprintln!("{words}");
        }
        Ok(told) => {
            let words = String::from_utf8_lossy(&told.stderr);
            let ours: Vec<&str> = words.lines().filter(|line| line.contains("upfront")).collect();
            assert!(told.status.success() && ours.is_empty(), "{words}");
            // It looks at all: a key that is none is told.
            std::fs::write(&path, unit().replace("ProtectSystem=", "ProtectSistem=")).unwrap();
            let told = verify(&path).unwrap();
            assert!(String::from_utf8_lossy(&told.stderr).contains("ProtectSistem"));
        }
    }
}
