# shellcheck shell=bash
# What the scripts of this directory share: messages, cache, packages, free ports, waiting.
# Sourced, never run. Nothing here starts a process that outlives it.
#
# Messages go to standard error, because some scripts are called for the path they print on standard output.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck disable=SC2034  # read by the scripts that source this file
REGTEST=$ROOT/regtest
# shellcheck disable=SC2034
WALLET=w

say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Where things that cost time to get are kept: CACHE/bitcoind, CACHE/electrs, CACHE/electrumx,
# CACHE/node.
cache_dir() {
  local dir=${UPFRONT_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/upfront}
  mkdir -p "$dir"
  realpath "$dir"
}

# lock_cache NAME: one caller at a time fills CACHE/NAME, until this process ends; the others wait, then find it full.
lock_cache() {
  exec 9>"$(cache_dir)/.lock-$1"
  flock -n 9 && return
  note "another process is preparing $1, waiting for it"
  flock 9
}

# replace_dir NEW OLD: put a finished directory in place. Nobody ever sees a half-filled OLD.
replace_dir() {
  rm -rf "$2.old"
  [ ! -e "$2" ] || mv "$2" "$2.old"
  mv "$1" "$2"
  rm -rf "$2.old"
}

# ---- Debian packages

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() {
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

# The package lists are there and at most a day old.
apt_lists_fresh() {
  [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -1440 -print -quit 2>/dev/null)" ]
}

# need_packages PACKAGE...: install what is missing, or say exactly what to type.
need_packages() {
  local missing log
  command -v dpkg-query >/dev/null ||
    { warn "this is no Debian: make sure the equivalents of these packages are there: $*"; return 0; }
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  can_be_root || die "Debian packages are missing and this user may not install them. As root:
    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  log=$(mktemp)
  # A second try after `update`, since lists that look fresh may still name packages the mirror has replaced.
  if apt_lists_fresh && install_packages "${missing[@]}" >"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  if ! { as_root apt-get -q update && install_packages "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: ${missing[*]}"
  fi
  rm -f "$log"
}

install_packages() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" </dev/null
}

# ---- Rust

# need_cargo: a cargo that runs. One that is on PATH is used as it is; if that is rustup's and HOME is not the one it
# was installed under (a fresh HOME), it only has to be told where its toolchains are.
need_cargo() {
  local cargo home
  if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  fi
  cargo=$(command -v cargo) || die "cargo is not on PATH: install Rust 1.88 or newer (rustup), then run this again"
  if ! cargo --version >/dev/null 2>&1; then
    home=$(dirname "$(dirname "$(dirname "$cargo")")")
    [ -d "$home/.rustup/toolchains" ] && export RUSTUP_HOME=$home/.rustup
  fi
  # From the repository, so that what is found is what builds it.
  (cd "$ROOT" && cargo --version) >/dev/null || die "$cargo does not run; see the message above"
}

# ---- bitcoind

# bitcoin_cli_of BITCOIND: the bitcoin-cli that belongs to it: beside it, else on PATH.
bitcoin_cli_of() {
  local beside
  beside=$(dirname "$1")/bitcoin-cli
  if [ -x "$beside" ]; then printf '%s\n' "$beside"; else command -v bitcoin-cli; fi
}

# bitcoind_policy BITCOIND: options, one a line, that give any bitcoind the relay policy of Bitcoin Core.
# Knots has rules of its own, which would refuse what the network relays, and an expiry date, which mock time may pass;
# Core does not know the options.
bitcoind_policy() {
  case $("$1" -version 2>/dev/null) in
    *Knots*) printf '%s\n' -corepolicy=1 -mempooltruc=enforce -softwareexpiry=0 ;;
  esac
}

# ---- ports and waiting

# Does any socket of this machine sit on the port? /proc, because a connection attempt misses bound-but-silent sockets.
port_in_use() {
  local hex
  printf -v hex '%04X' "$1"
  awk -v end=":$hex" 'FNR > 1 && substr($2, length($2) - 4) == end { found = 1 } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# free_port [TAKEN...]: a port nobody uses now, other than TAKEN, below the range the kernel hands to clients.
free_port() {
  local port
  for _ in {1..200}; do
    port=$((18000 + (RANDOM * 32768 + RANDOM) % 14000))
    case " $* " in *" $port "*) continue ;; esac
    port_in_use "$port" || { printf '%s\n' "$port"; return 0; }
  done
  die "no free TCP port found"
}

# wait_for SECONDS COMMAND...: until it succeeds, or fail.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# electrum_call HOST PORT METHOD: one request without parameters to an Electrum server; prints the answer's line.
# The version comes first: newer protocols answer nothing before it.
electrum_call() {
  (
    exec 3<>"/dev/tcp/$1/$2" || exit 1
    printf '{"jsonrpc":"2.0","id":0,"method":"server.version","params":["regtest",["1.4","1.6"]]}\n' >&3
    IFS= read -r -t 5 _ <&3 || exit 1
    printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":[]}\n' "$3" >&3
    IFS= read -r -t 5 line <&3 || exit 1
    printf '%s\n' "$line"
    case $line in *'"result"'*) ;; *) exit 1 ;; esac
  ) 2>/dev/null
}

# stop_process PID WORD SECONDS: ask the process to end, insist after SECONDS. Only if its command line holds WORD (its
# data directory), so that a number the kernel has given to somebody else since is left alone.
stop_process() {
  is_process "$1" "$2" || return 0
  kill "$1" 2>/dev/null || return 0
  wait_for "$3" process_is_gone "$1" "$2" || kill -9 "$1" 2>/dev/null || true
}

process_is_gone() { ! is_process "$@"; }

is_process() {
  [ -n "$1" ] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$2"
}

# ---- steps and counts

# step NAME COMMAND...: say what runs, run it, say how long it took. Its exit code is the command's.
# A function run this way goes on after a failing line (bash suspends `set -e` there): it chains its lines with `&&`.
step() {
  local name=$1 start=$SECONDS status=0
  shift
  say "$name"
  "$@" || status=$?
  if [ "$status" = 0 ]; then note "$name: $((SECONDS - start)) s"; else note "$name: FAILED after $((SECONDS - start)) s"; fi
  return "$status"
}
