//! `upfront config`: the service's settings checked, shown, begun. Reads only.

use super::context::Context;
use super::exit::Exit;
use super::text::Rows;
use crate::chain::electrum::Reach;
use crate::chain::oneshot::{OneShot, OneShotConfig};
use crate::config::electrum::ElectrumServer;
use crate::config::read::{Effective, Problem, Source};
use crate::config::{self, Config, Examined, advice};
use clap::{Args, CommandFactory, Subcommand};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Tell what is in force, what is wrong and what is unwise; exit status 1 where something is wrong
    Check(CheckArgs),
    /// Print the settings in force, and where each comes from
    Show(ShowArgs),
    /// Print a commented configuration file to begin with
    Init,
}

#[derive(Args)]
pub struct CheckArgs {
    /// Settings in TOML; UPFRONT_* variables override them
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Also connect to the Electrum server and check its headers
    #[arg(long)]
    online: bool,
}

#[derive(Args)]
pub struct ShowArgs {
    /// Settings in TOML; UPFRONT_* variables override them
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Example {
    toml: &'static str,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.toml)
    }
}

#[derive(Serialize)]
struct Shown {
    settings: Vec<Effective>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        for setting in &self.settings {
            let value = setting.value.as_deref().unwrap_or("(not set)");
            let from = match setting.source {
                Source::File => "file",
                Source::Environment => &setting.variable,
                Source::Default => "default",
            };
            rows.row(setting.key, format!("{value}    [{from}]"));
        }
        write!(f, "{rows}")
    }
}

#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    shown: Shown,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// What each server said; empty without `--online`.
    servers: Vec<ServerChecked>,
}

#[derive(Serialize)]
struct ServerChecked {
    server: String,
    /// Height of its last valid header.
    height: Option<u32>,
    error: Option<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown)?;
        for server in &self.servers {
            match (&server.error, server.height) {
                (Some(error), _) => writeln!(f, "BAD   {}: {error}", server.server)?,
                (None, Some(height)) => {
                    writeln!(f, "ok    {}: headers valid up to block {height}", server.server)?
                }
                (None, None) => writeln!(f, "look  {}: it has no blocks yet", server.server)?,
            }
        }
        for warning in &self.warnings {
            writeln!(f, "look  {warning}")?;
        }
        for problem in &self.problems {
            writeln!(f, "BAD   {problem}")?;
        }
        match self.bad() {
            0 => writeln!(f, "The settings can be used."),
            1 => writeln!(f, "1 problem."),
            bad => writeln!(f, "{bad} problems."),
        }
    }
}

impl Checked {
    fn bad(&self) -> usize {
        self.problems.len() + self.servers.iter().filter(|server| server.error.is_some()).count()
    }
}

pub fn run(context: &Context<'_>, command: &ConfigCommand) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Init => {
            context.report(&Example { toml: config::EXAMPLE })?;
            Ok(Exit::Done)
        }
        ConfigCommand::Show(args) => {
            let examined = Config::examine(args.file.as_deref(), config::environment)?;
            for problem in &examined.problems {
                context.note(format_args!("BAD   {problem}"));
            }
            context.report(&Shown { settings: examined.settings })?;
            Ok(if examined.problems.is_empty() { Exit::Done } else { Exit::Refused })
        }
        ConfigCommand::Check(args) => {
            let examined = Config::examine(args.file.as_deref(), config::environment)?;
            let checked = check(examined, args.online);
            context.report(&checked)?;
            Ok(if checked.bad() == 0 { Exit::Done } else { Exit::Refused })
        }
    }
}

fn check(examined: Examined, online: bool) -> Checked {
    let Examined { config, settings, problems } = examined;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut warnings = config.as_ref().map(|config| advice::warnings(config, now)).unwrap_or_default();
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    warnings.extend(unknown_variables(names, &settings));
    let asked = |config: Config| config.electrum.servers.iter().map(|server| ask(server, &config)).collect();
    let servers = config.filter(|_| online).map(asked).unwrap_or_default();
    Checked { shown: Shown { settings }, problems, warnings, servers }
}

/// Asks a server as the service would: by its pin, through the proxy, on the checkpoint.
fn ask(server: &ElectrumServer, config: &Config) -> ServerChecked {
    let asked = || -> anyhow::Result<Option<u32>> {
        let reach = Reach { server: server.read()?, socks5: config.electrum.socks5.clone() };
        let mut at = OneShotConfig::at(vec![reach], config.network.bitcoin());
        at.checkpoint = config.checkpoint();
        Ok(OneShot::connect(&at)?.tip().map(|tip| tip.height))
    };
    let server = server.address.to_string();
    match asked() {
        Ok(height) => ServerChecked { server, height, error: None },
        Err(error) => ServerChecked { server, height: None, error: Some(format!("{error:#}")) },
    }
}

/// Variables that look like ours and are nobody's: misspelt ones.
fn unknown_variables(names: impl Iterator<Item = String>, settings: &[Effective]) -> Vec<String> {
    let mut known: BTreeSet<String> = settings.iter().map(|setting| setting.variable.clone()).collect();
    // Of tests.
    known.insert("UPFRONT_FAILPOINT".to_owned());
    variables_of(&super::Cli::command(), &mut known);
    let unknown = names.filter(|name| name.starts_with("UPFRONT_") && !known.contains(name));
    unknown.map(|name| format!("{name} is set, and no setting or option is called so")).collect()
}

/// The variables that options of the commands are read from.
fn variables_of(command: &clap::Command, known: &mut BTreeSet<String>) {
    known.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())));
    command.get_subcommands().for_each(|inner| variables_of(inner, known));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(text: &str) -> Examined {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        Config::examine(Some(&path), |_| None).unwrap()
    }

    #[test]
    fn what_is_in_force_is_shown_with_its_source_and_problems_are_counted() {
        let text = "network = 'regtest'\ndata_dir = '/nowhere'\nelectrum = 'tcp://127.0.0.1:1'\n";
        let checked = check(examined(text), false);
        let shown = checked.to_string();
        assert!(shown.contains("regtest    [file]") && shown.contains("[default]"), "{shown}");
        assert!(
            shown.contains("look  data_dir") && shown.ends_with("The settings can be used.\n"),
            "{shown}"
        );
        let bad = check(examined(&format!("{text}colour = 1\n")), true);
        assert_eq!(bad.bad(), 1);
        assert!(bad.servers.is_empty(), "no server is asked for settings that are wrong");
        assert!(bad.to_string().ends_with(
            "BAD   colour: there is no such key: `upfront config init` prints them all\n1 problem.\n"
        ));
    }

    #[test]
    fn online_each_server_is_asked() {
        let text = "network = 'regtest'\ndata_dir = '/nowhere'\nelectrum = 'tcp://127.0.0.1:1'\n";
        let checked = check(examined(text), true);
        assert!(checked.servers[0].error.is_some() && checked.bad() == 1, "nothing listens there");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn online_the_checkpoint_of_the_settings_is_the_one_that_counts() {
        let server = crate::chain::testing::Server::start(12).await;
        let ours = server.model().blocks[5].header.block_hash().to_string();
        for (hash, good) in [(ours, true), ("ab".repeat(32), false)] {
            let (url, pinned) = (server.url(), format!("[checkpoint]\nheight = 5\nhash = '{hash}'\n"));
            let text = format!("network = 'regtest'\ndata_dir = '/nowhere'\nelectrum = '{url}'\n{pinned}");
            let checked = tokio::task::spawn_blocking(move || check(examined(&text), true)).await.unwrap();
            assert_eq!(checked.servers[0].height, good.then_some(12), "{checked}");
            assert_eq!(checked.bad() == 0, good, "{checked}");
        }
    }

    #[test]
    fn misspelt_variables_are_told() {
        let Examined { settings, .. } = examined("");
        let names = ["UPFRONT_LISTN", "UPFRONT_LISTEN", "UPFRONT_SERVER", "UPFRONT_FAILPOINT", "HOME"];
        let told = unknown_variables(names.into_iter().map(str::to_owned), &settings);
        assert!(told.len() == 1 && told[0].contains("UPFRONT_LISTN "), "{told:?}");
    }
}
