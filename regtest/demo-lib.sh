# shellcheck shell=bash
# What `regtest/demo` is told with: its processes, the clock of the chain, the command line, checks, words.
# Sourced by it alone, after lib.sh. Nothing here knows the story.
# shellcheck disable=SC2034,SC2154  # names of the scripts around it

BASE=/dev/shm
if ! [ -d "$BASE" ] || ! [ -w "$BASE" ]; then BASE=${TMPDIR:-/tmp}; fi

# ---- words

if [ -t 1 ]; then dim=$'\e[2m' bold=$'\e[1m' plain=$'\e[0m'; else dim='' bold='' plain=''; fi

tell() { printf '  %s\n' "$*"; }
# fact WHAT VALUE: one line of a list.
fact() { printf '      %-26s %s\n' "$1" "$2"; }

# sat NUMBER: with separators.
sat() {
  local number=$1 grouped=''
  while [ "${#number}" -gt 3 ]; do
    grouped=,${number: -3}$grouped
    number=${number:0:${#number}-3}
  done
  printf '%s%s sat' "$number" "$grouped"
}

# at SECS: a time of the chain in words.
at() { LC_ALL=C date -u -d "@$1" '+%a %d %b %H:%M:%S UTC'; }

# chapter NUMBER TITLE
chapter() {
  chapter_ends
  chapter_name="chapter $1" chapter_from=$EPOCHREALTIME
  printf '\n%sChapter %s. %s%s\n' "$bold" "$1" "$2" "$plain"
}
chapter_name=''
chapter_ends() {
  [ -n "$chapter_name" ] || return 0
  timings+=("$chapter_name $(elapsed "$chapter_from") s")
  printf '  %s(%s: %s s)%s\n' "$dim" "$chapter_name" "$(elapsed "$chapter_from")" "$plain"
  chapter_name=''
}
timings=()

# elapsed FROM: seconds since that EPOCHREALTIME, with a tenth.
elapsed() {
  local tenths=$(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# ---- checks: what is not so ends the demo

# same WHAT EXPECTED FOUND
same() {
  checks=$((checks + 1))
  [ "$2" = "$3" ] || fail "$1 should be '$2' and is '$3'"
}
# holds WHAT ARITHMETIC
holds() {
  checks=$((checks + 1))
  (($2)) || fail "$1: not so ($2)"
}
checks=0

fail() {
  local frame
  printf '\nerror: %s\n' "$*" >&2
  # The line of the story, not of what it is told with.
  for ((frame = 1; frame < ${#BASH_SOURCE[@]}; frame++)); do
    case ${BASH_SOURCE[frame]} in
      *-chapters.sh | *-full.sh) note "at $(basename "${BASH_SOURCE[frame]}") line ${BASH_LINENO[frame - 1]}, in ${FUNCNAME[frame]}"; break ;;
    esac
  done
  exit 1
}

# eventually WHAT COMMAND...: within a minute, which only a busy machine needs.
eventually() {
  local what=$1
  shift
  wait_for 60 "$@" || fail "this did not happen within 60 s: $what"
}

# ---- the command line

# act ARGUMENTS...: shows and runs `upfront ARGUMENTS`; what it answers is then in `answer`.
act() {
  local status=0
  show "$@"
  upfront_json "$@" || status=$?
  [ "$status" = 0 ] || fail "upfront ended with $status: $(tail -n 3 "$DIR/stderr")"
}
# quietly ARGUMENTS...: the same without showing it.
quietly() { upfront_json "$@" || fail "upfront $* ended with $?: $(tail -n 3 "$DIR/stderr")"; }

# act_ending STATUS ARGUMENTS...: the same, and it must end with that status.
act_ending() {
  local expected=$1 status=0
  shift
  show "$@"
  upfront_json "$@" || status=$?
  same "the exit status of upfront $1" "$expected" "$status"
}

upfront_json() { answer=$("$UPFRONT" --json "$@" </dev/null 2>"$DIR/stderr"); }

# of FILTER [JQ OPTIONS...]: from the last answer.
of() {
  local filter=$1
  shift
  jq -er "$@" "$filter" <<<"$answer" || fail "no $filter in the answer: ${answer:0:600}"
}

# show ARGUMENTS...: the command as one would type it, but with ids and keys cut short.
show() {
  local word line='$ upfront'
  for word in "$@"; do
    if [[ $word =~ ^[0-9a-f]{64}$ ]]; then
      word=${word:0:8}…
    elif [ "${#word}" -gt 44 ]; then
      word=${word:0:22}…${word: -5}
    fi
    case $word in *[[:space:]\'\"\[]*) word="'$word'" ;; esac
    if [[ $word = --* ]] && [ "${#line}" -gt 96 ]; then
      printf '    %s%s \\%s\n' "$dim" "$line" "$plain"
      line='     '
    fi
    line+=" $word"
  done
  printf '    %s%s%s\n' "$dim" "$line" "$plain"
}

# ---- the node and its clock

node() { $BITCOIN_CLI -rpcwallet="$WALLET" "$@"; }

# btc SATOSHIS: as the node writes amounts.
btc() { printf '%d.%08d' $(($1 / 100000000)) $(($1 % 100000000)); }

# transaction TXID: as the node knows it, amounts in satoshis, with what it spends.
transaction() {
  node getrawtransaction "$1" 2 | jq -c '
    def sat: . * 100000000 | round;
    { txid, vsize, confirmations: (.confirmations // 0), block: .blockhash,
      inputs: [.vin[] | { outpoint: "\(.txid):\(.vout)", sat: (.prevout.value | sat) }],
      outputs: [.vout[] | { address: .scriptPubKey.address, sat: (.value | sat) }],
      fee: (.fee | sat) }'
}

mtp() { node getblockchaininfo | jq .mediantime; }

# mine NUMBER: blocks, and every running service knows them.
mine() {
  node -generate "$1" >/dev/null
  everybody_knows_the_tip
}

everybody_knows_the_tip() {
  local name
  height=$(node getblockcount)
  for name in "${!service_url[@]}"; do
    eventually "service $name reads block $height" service_is_at "${service_url[$name]}" "$height"
  done
}
service_is_at() { [ "$(curl -sf "$1/api/v1/status" | jq .tip.height)" = "$2" ]; }

# clock_to SECS: until the chain's time, the median of its last eleven blocks (BIP113), is SECS: six blocks of that time.
clock_to() {
  node setmocktime "$1"
  mine 6
  same "the chain's median time past" "$1" "$(mtp)"
}

in_mempool() { node getmempoolentry "$1"; }

# ---- processes

declare -A service_url=() service_pid=()

# start_service NAME PORT: `upfront serve` with a data directory of its own, DIR/NAME.
start_service() {
  local name=$1 url=http://127.0.0.1:$2
  UPFRONT_NETWORK=regtest UPFRONT_DATA_DIR=$DIR/$name UPFRONT_ELECTRUM=$SERVICE_ELECTRUM UPFRONT_LISTEN=127.0.0.1:$2 \
    UPFRONT_FAUCET_RPC_URL=$RPC_URL UPFRONT_FAUCET_COOKIE_FILE=$COOKIE_FILE UPFRONT_FAUCET_WALLET=$WALLET \
    UPFRONT_PUBLIC_URL=$url setsid "$UPFRONT" serve </dev/null >"$DIR/$name.log" 2>&1 &
  service_pid[$name]=$!
  wait_for 60 service_is_at "$url" "$(node getblockcount)" ||
    fail "the service did not start: $(tail -n 5 "$DIR/$name.log")"
  service_url[$name]=$url
}

# stop_service NAME
stop_service() {
  stop_pid "${service_pid[$1]}" "$DIR"
  unset "service_url[$1]" "service_pid[$1]"
}

# ours PID DIR: was the process started by the demo in DIR? A number may have been given to somebody else since.
ours() {
  tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qxF "UPFRONT_DEMO_DIR=$2"
}
stop_pid() {
  ours "$1" "$2" || return 0
  kill "$1" 2>/dev/null || return 0
  wait_for 10 is_gone "$1" "$2" || kill -9 "$1" 2>/dev/null || true
}
is_gone() { ! ours "$@"; }

# processes_of DIR: all that the demo in DIR started, one a line. The demo itself is not among them: it set the variable
# for others, not for itself.
processes_of() {
  local dir
  for dir in /proc/[0-9]*; do
    if [ -O "$dir" ] && ours "${dir#/proc/}" "$1"; then printf '%s\n' "${dir#/proc/}"; fi
  done
}

# people_running: upfront processes of this demo other than the services, one a line.
people_running() {
  local pid
  for pid in $(processes_of "$DIR"); do
    [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$UPFRONT" ] || continue
    case " ${service_pid[*]} " in *" $pid "*) ;; *) printf '%s\n' "$pid" ;; esac
  done
}

# stop_all DIR: what a demo started, and its directory.
stop_all() {
  local pid
  if [ -f "$1/chain/env" ]; then "$REGTEST/down" "$1/chain" 2>/dev/null || true; fi
  for pid in $(processes_of "$1"); do stop_pid "$pid" "$1"; done
  rm -rf "$1"
}

# sweep [--kept]: stop what earlier demos of this user left behind: those that were cut off, and with --kept also the
# ones left running on purpose. A demo that is still being told is left alone.
sweep() {
  local dir owner found=1
  for dir in "$BASE"/upfront-demo.*; do
    if ! [ -O "$dir" ] || ! [ -f "$dir/owner" ]; then continue; fi
    owner=$(cat "$dir/owner")
    if is_process "$owner" regtest/demo; then continue; fi
    if [ -f "$dir/kept" ] && [ "${1:-}" != --kept ]; then continue; fi
    note "stopping the demo in $dir"
    stop_all "$dir"
    found=0
  done
  return "$found"
}
