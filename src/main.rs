//! The `upfront` binary: a shim.

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => upfront::serve::main(None),
        _ => anyhow::bail!("usage: upfront serve, with UPFRONT_* variables"),
    }
}
