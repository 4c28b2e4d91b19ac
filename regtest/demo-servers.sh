# shellcheck shell=bash
# What `regtest/demo --servers` adds to the story: two Electrum servers of different make, of which one lies and the
# other is killed. Sourced by it alone, after the chapters.
# shellcheck disable=SC2034,SC2154  # names of the scripts around it

# start_liar: between the service and ElectrumX; honest until told otherwise.
start_liar() {
  setsid "$LIAR" "127.0.0.1:$ELECTRUMX_PORT" </dev/null >"$DIR/liar.ports" 2>"$DIR/liar.log" &
  eventually "the liar listens" test -s "$DIR/liar.ports"
  read -r liar_port liar_orders <"$DIR/liar.ports"
  LIAR_URL=tcp://127.0.0.1:$liar_port
  SERVICE_ELECTRUM=$ELECTRUM_URL,$LIAR_URL
}

# order WORDS...: to the liar.
order() {
  local answer_line
  exec 4<>"/dev/tcp/127.0.0.1/$liar_orders"
  printf '%s\n' "$*" >&4
  IFS= read -r -t 20 answer_line <&4 || fail "the liar does not answer to: $*"
  exec 4>&-
  [ "$answer_line" = ok ] || fail "the liar does not understand: $*"
}

kill_electrs() {
  kill -9 "$ELECTRS_PID"
  wait_for 10 process_is_gone "$ELECTRS_PID" "$DIR/chain" || fail "electrs does not die"
}

# On the same port and the same data, as an operator would.
restart_electrs() {
  setsid "$ELECTRS_EXE" --skip-default-conf-files --network regtest --log-filters WARN --wait-duration-secs 1 \
    --daemon-dir "$DIR/chain/bitcoind" --daemon-rpc-addr "127.0.0.1:$RPC_PORT" --daemon-p2p-addr "127.0.0.1:$P2P_PORT" \
    --db-dir "$DIR/chain/electrs" --electrum-rpc-addr "127.0.0.1:$ELECTRUM_PORT" \
    --monitoring-addr "127.0.0.1:$(free_port)" </dev/null >"$DIR/electrs-2.log" 2>&1 &
  ELECTRS_PID=$!
  sed -i "s/^ELECTRS_PID=.*/ELECTRS_PID=$ELECTRS_PID/" "$DIR/chain/env"
  eventually "electrs answers again" electrum_call 127.0.0.1 "$ELECTRUM_PORT" blockchain.headers.subscribe
}

server_is() { [ "$(api status | jq -r --arg of "$1" '.servers[] | select(.address == $of) | .state')" = "$2" ]; }
liar_is_named() {
  api status | jq -e --arg liar "$LIAR_URL" '.alarms | any(.alarm == "server_dropped" and .address == $liar)'
}

# The middle of chapter 1: the money is credited and secured.
servers_fail() {
  local height before
  tell "Two Electrum servers tell the service of the chain. One of them begins to lie: erin has paid half a million, in a block."
  eventually "both servers are connected" server_is "$LIAR_URL" connected
  same "the state of electrs" connected "$(api status | jq -r --arg of "$ELECTRUM_URL" '.servers[] | select(.address == $of) | .state')"
  height=$(node getblockcount)
  before=$(api "tasks/$task" | jq -c .totals)
  order mined "${address[erin]}" 500000 "$height"
  eventually "the liar is dropped, and named" liar_is_named
  fact "dropped" "$(api status | jq -r --arg of "$LIAR_URL" '.servers[] | select(.address == $of) | .reason')"
  same "all sums of the task" "$before" "$(api "tasks/$task" | jq -c .totals)"
  tell "Then the honest one is killed: nobody is left but the liar."
  kill_electrs
  eventually "the service knows that electrs is gone" server_is "$ELECTRUM_URL" connecting
  # Long enough for the liar to be asked again, and to lie again.
  for _ in 1 2 3 4 5 6 7 8; do
    sleep 1
    [ "$before" = "$(api "tasks/$task" | jq -c .totals)" ] || fail "a liar alone changed the books"
  done
  same "all sums of the task, with the liar alone" "$before" "$(api "tasks/$task" | jq -c .totals)"
  tell "electrs comes back. The other lies on, until the work is paid; nothing that follows looks any different."
  restart_electrs
  eventually "electrs is connected again" server_is "$ELECTRUM_URL" connected
  mine 1
}

# The end of chapter 1.
liar_repents() {
  tell "The liar is repaired; after a while he is asked again."
  order honest
}
