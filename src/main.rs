//! The `upfront` binary: a shim.

fn main() -> std::process::ExitCode {
    upfront::cli::run()
}
