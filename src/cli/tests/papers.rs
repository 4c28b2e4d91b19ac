//! What is printed for shells and readers: completions, manual pages, exit statuses told everywhere.

use super::*;
use crate::cli::exit;

#[test]
fn each_shell_gets_completions_that_know_the_commands() {
    for (shell, mark) in
        [("bash", "complete -F _upfront"), ("zsh", "#compdef upfront"), ("fish", "complete -c upfront")]
    {
        let ran = upfront(&["completions", shell]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        assert!(ran.out.contains(mark), "{shell}: {}", &ran.out[..200]);
        for command in Cli::command().get_subcommands() {
            assert!(ran.out.contains(command.get_name()), "{shell} does not know {}", command.get_name());
        }
    }
    assert_eq!(upfront(&["completions", "sh"]).status, 2);
}

#[test]
fn bash_itself_takes_the_completions() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "completions");
    std::fs::write(&file, upfront(&["completions", "bash"]).out).unwrap();
    let script = format!(
        "set -e; . {file}; COMP_WORDS=(upfront con); COMP_CWORD=1; _upfront upfront con upfront; echo ${{COMPREPLY[*]}}"
    );
    let ran = std::process::Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout).trim(),
        "config",
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn each_command_has_a_page_with_the_exit_statuses() {
    let dir = tempfile::tempdir().unwrap();
    let made = upfront(&["man", dir.path().to_str().unwrap()]);
    assert_eq!(made.status, 0, "{}", made.err);
    let pages: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(made.out.starts_with(&format!("{} pages", pages.len())), "{}", made.out);
    fn names(command: &clap::Command, name: String, into: &mut Vec<String>) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            names(inner, format!("{name}-{}", inner.get_name()), into);
        }
        into.push(format!("{name}.1"));
    }
    let mut wanted = Vec::new();
    names(&Cli::command(), "upfront".into(), &mut wanted);
    for name in &wanted {
        let page = std::fs::read_to_string(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        for exit in Exit::ALL {
            let told =
                page.lines().any(|line| line.trim_start().starts_with(&format!("{}  ", exit.status())));
            assert!(told, "{name} does not tell status {}", exit.status());
        }
    }
    assert!(upfront(&["man"]).out.contains("upfront"));
}

#[test]
fn every_exit_status_is_told_in_help_and_readme() {
    let readme = include_str!("../../../README.md");
    let help = upfront(&["--help"]).out;
    for exit in Exit::ALL {
        let status = exit.status();
        assert!(exit::HELP.contains(&format!("\n  {status}  ")), "{exit:?}");
        assert!(help.contains(&format!("  {status}  ")), "{exit:?}");
        assert!(readme.contains(&format!("\n| {status} | ")), "{exit:?} in the README");
    }
    let next = Exit::ALL.len();
    assert!(!exit::HELP.contains(&format!("\n  {next}  ")), "a status is told that does not exist");
}
