//! The lying Electrum server of the tests as a program, for `regtest/demo --servers`. For regtest only.
//!
//! ```text
//! liar HOST:PORT      between whoever connects and that real server
//! ```
//!
//! Prints two ports of 127.0.0.1: the one he serves at, and the one he takes orders at, a line each: `honest`,
//! `stale`, `silence`, `fake ADDRESS SATOSHIS`, `mined ADDRESS SATOSHIS HEIGHT`, `omit ADDRESS`. Each is answered
//! by `ok` or `what?`.

#![allow(clippy::unwrap_used, reason = "a tool of the tests: a panic is its report")]

#[allow(dead_code, reason = "the tests order more lies than the demo")]
#[path = "../tests/harness/liar.rs"]
mod liar;

use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Network, ScriptBuf};
use liar::{Liar, Lie};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

fn main() {
    let upstream = std::env::args().nth(1).expect("usage: liar HOST:PORT");
    let orders = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let liar = Liar::start(upstream);
    let port = orders.local_addr().unwrap().port();
    println!("{} {port}", liar.url().rsplit(':').next().unwrap());
    for stream in orders.incoming() {
        let Ok(mut stream) = stream else { continue };
        let reader = BufReader::new(stream.try_clone().unwrap());
        for order in reader.lines().map_while(Result::ok) {
            let answer = if obey(&liar, &order).is_some() { "ok\n" } else { "what?\n" };
            if stream.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    }
}

fn obey(liar: &Liar, order: &str) -> Option<()> {
    let words: Vec<&str> = order.split_whitespace().collect();
    match words[..] {
        ["honest"] => liar.honest(),
        ["stale"] => liar.lie(Lie::Stale),
        ["silence"] => liar.lie(Lie::Silence { answers_pings: false }),
        ["omit", address] => liar.lie(Lie::Omission { script: script(address)? }),
        ["fake", address, amount] => {
            let (script, amount_sat) = (script(address)?, amount.parse().ok()?);
            liar.lie(Lie::FakeUnconfirmed { script, amount_sat });
        }
        ["mined", address, amount, height] => {
            let (script, amount_sat, height) = (script(address)?, amount.parse().ok()?, height.parse().ok()?);
            liar.lie(Lie::FakeConfirmed { script, amount_sat, height });
        }
        _ => return None,
    }
    Some(())
}

fn script(address: &str) -> Option<ScriptBuf> {
    let address: Address<NetworkUnchecked> = address.parse().ok()?;
    Some(address.require_network(Network::Regtest).ok()?.script_pubkey())
}
