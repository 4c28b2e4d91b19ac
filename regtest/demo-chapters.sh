# shellcheck shell=bash
# The chapters of `regtest/demo`, in order; each uses what the ones before left. Sourced by it alone.
# shellcheck disable=SC2004,SC2034,SC2154  # names of the scripts around it; keys of associative arrays

# The operator: a service with a fee wallet, funded before anybody comes.
stage_set() {
  printf '\n%sA node, an Electrum server, and the service%s\n' "$bold" "$plain"
  export UPFRONT_NETWORK=regtest
  tell "The operator makes a wallet that pays network fees and has no power over any pledge."
  act wallet new --data-dir "$DIR/service"
  act wallet address --data-dir "$DIR/service"
  fees_txid=$(node sendtoaddress "$(of .address)" "$(btc 100000)")
  mine 1
  fact "fee wallet gets" "$(sat 100000) by $fees_txid"
  local port=8032
  if [ -n "$leave" ] || port_in_use "$port"; then port=$(free_port); fi
  start_service service "$port"
  export UPFRONT_SERVER=${service_url[service]}
  fact service "$UPFRONT_SERVER"
  fact "the chain's time" "$(at "$(mtp)")"
}

chapter_1() {
  chapter 1 "Five sponsors: yes, yes, no, silence, and too little"
  charter_of_chapter_1
  money_of_chapter_1
  votes_of_chapter_1
  payout_of_chapter_1
  ruling_of_chapter_1
  table_of_chapter_1
  [ -z "$servers" ] || liar_repents
  chapter_ends
}

charter_of_chapter_1() {
  tell "Three signers make keys, each on a machine of their own. Two of three move money before T."
  signers 0
  local who
  for who in dora mia otto; do
    payee[$who]=$(node -rpcwallet=payees getnewaddress)
  done
  name_of[${payee[dora]}]="dora, who does the work" name_of[${payee[mia]}]="mia, who maintains the project"
  name_of[${payee[otto]}]="otto, who runs the service"
  tell "The terms: nine tenths for dora, who does the work, a twentieth each for mia, who maintains, and otto, who runs the service."
  printf '# Make the parser survive truncated input\n\nNo panic on any prefix of a valid file; a test for each.\n' >task1.md
  act charter new --text task1.md --out charter1.json --repository https://example.org/parser --licence MIT \
    --developer "${signer[developer]}" --representative "${signer[representative]}" --arbiter "${signer[arbiter]}" \
    --refund-in 12h --funding-close-in 3h --work-deadline-in 6h --review 1h --ruling 1h --depth 1 \
    --target-sat 1000000 --cap-sat 2000000 --minimum-pledge-sat 10000 \
    --payee "${payee[dora]}:9000" --payee "${payee[mia]}:500" --operator "${payee[otto]}:500"
  tell "mia writes the task down in her name: her identity signs the request, and has no power over money."
  person mia
  act key identity keys/mia
  act task create --charter charter1.json --text task1.md --identity keys/mia
  task=$(of .task)
  task1=$task
  tell "Each signer reads the charter and signs its id: agreement, and proof that they hold the key."
  agree 0
  fact "T, when money returns" "$(at "$(jq .refund_time charter1.json)")"
}

money_of_chapter_1() {
  local batch single
  tell "Five sponsors ask for an address. Their programs derive it themselves and write the recovery file first."
  sponsors alice bob carol dave erin
  pledges alice 400000
  pledges bob 300000
  pledges carol 200000
  pledges dave 150000
  act pledge "$task" --amount 20000 --key keys/erin --recovery recovery/erin.json
  adopt erin
  fact "erin will pay" "too little, to ${address[erin]}"

  tell "One batch pays for alice and bob; carol and dave pay by themselves."
  batch=$(node sendmany '' "{\"${address[alice]}\":$(btc 400000),\"${address[bob]}\":$(btc 300000)}")
  fact "alice and bob" "$batch"
  for who in carol:200000 dave:150000; do
    single=$(node sendtoaddress "${address[${who%:*}]}" "$(btc "${who#*:}")")
    fact "${who%:*}" "$single"
  done
  eventually "four payments are seen" sum_is seen_sat 1050000
  total credited_sat 0
  tell "Seen within moments, but nothing counts before a block has it."
  mine 1
  eventually "four payments are credited" sum_is credited_sat 1050000
  secured alice bob carol dave
  [ -z "$servers" ] || servers_fail

  tell "Dave pays a second time, erin half of the minimum, and a stranger to the address that is printed everywhere."
  fact "dave, again" "$(node sendtoaddress "${address[dave]}" "$(btc 100000)")"
  fact erin "$(node sendtoaddress "${address[erin]}" "$(btc 5000)")"
  fact "a gift" "$(node sendtoaddress "$(api "tasks/$task" | jq -er .open_address)" "$(btc 50000)")"
  mine 1
  eventually "the second payment is credited" sum_is credited_sat 1150000
  act pledge secure "$task" --key keys/dave --recovery recovery/dave.json
  act pledge secure "$task" --key keys/erin --recovery recovery/erin.json
  show_arrivals
  total credited_sat 1150000
  total gifts_sat 50000
  total below_minimum_sat 5000
  total surplus_sat 0
  total secured_sat 1155000
}
sum_is() { [ "$(api "tasks/$task" | jq ".totals.$1")" = "$2" ]; }

votes_of_chapter_1() {
  local view closes
  tell "The developer hands in the work; it names the tip, and each pledge weighs what was confirmed by then."
  printf 'https://example.org/parser/pull/7 at 5d41402a\n' >work1.txt
  act submission create "$task" --link https://example.org/parser/pull/7 --content work1.txt --key keys/developer
  tell "Alice and bob say yes, carol says no, dave says nothing; erin's 5,000 sat have no vote."
  act vote "$task" --pledge "${pledge[alice]}" --choice yes --key keys/alice --receipt receipts/alice.json
  act vote "$task" --pledge "${pledge[bob]}" --choice yes --key keys/bob --receipt receipts/bob.json
  act vote "$task" --pledge "${pledge[carol]}" --choice no --key keys/carol --receipt receipts/carol.json
  tell "The sponsors' representative has looked at the work and accepts it in person."
  act accept "$task" --key keys/representative
  view=$(api "tasks/$task" | jq '.submissions[0]')
  closes=$(jq .window.closes_secs <<<"$view")
  same "silence pays before the window closes" false "$(jq .silence_pays <<<"$view")"
  tell "The review window passes: the chain's time goes to $(at $((closes + 1)))."
  clock_to $((closes + 1))
  view=$(api "tasks/$task" | jq '.submissions[0]')
  fact "yes / no / electorate" "$(jq -r '.tally | "\(.yes_sat) / \(.no_sat) / \(.electorate_sat) sat"' <<<"$view")"
  same "the weight of yes" 700000 "$(jq .tally.yes_sat <<<"$view")"
  same "the weight of no" 200000 "$(jq .tally.no_sat <<<"$view")"
  same "the electorate" 1150000 "$(jq .tally.electorate_sat <<<"$view")"
  same "silence pays" true "$(jq .silence_pays <<<"$view")"
  fact "78% of what was cast" "above two thirds: dave's silent money follows, and so does the gift"
}

payout_of_chapter_1() {
  local id role dir amount
  tell "A payout is proposed. Developer and representative sign files, on machines that know no service."
  act settlement propose "$task" --kind payout --feerate 2 --identity keys/mia
  id=$(of .id)
  act settlement export "$task" "$id" --dir payout
  for role in developer representative; do
    dir=signed-$role
    show settlement sign --role "$role" --key "keys/$role" --proof payout/proof.json payout/*.psbt --out "$dir" --yes
    # Offline: no such server; the proof document is all that is known of the task.
    UPFRONT_SERVER=http://127.0.0.1:1 quietly settlement sign --role "$role" --key "keys/$role" \
      --proof payout/proof.json payout/*.psbt --out "$dir" --yes
  done
  act settlement submit "$task" "$id" signed-developer/*.psbt
  act settlement submit "$task" "$id" signed-representative/*.psbt
  on_its_way "$id"
  payout_txid=$settlement_txid
  mine 1
  eventually "the payout is confirmed" settlement_is "$id" confirmed
  show_payment "$payout_txid"
  same "what the payout spends" 1005000 "$(jq '[.inputs[].sat] | add' <<<"$tx")"
  same "the payout's inputs: alice, bob, dave twice, erin, the gift" 6 "$(jq '.inputs | length' <<<"$tx")"
  same "what the payout pays to carol" 0 "$(received "${refund[carol]}")"
  amount=$(received "${refund[erin]}")
  holds "erin gets her 5,000 sat back, less a fair fee" "amount > 4000 && amount < 5000"
  paid[erin]=$amount
  pay_shares
}

# Nine tenths, a twentieth and a twentieth, but for rounding: less than a satoshi an input.
pay_shares() {
  local all who name bps share
  all=$(($(received "${payee[dora]}") + $(received "${payee[mia]}") + $(received "${payee[otto]}")))
  for who in dora:9000 mia:500 otto:500; do
    name=${who%:*} bps=${who#*:}
    share=$(received "${payee[$name]}")
    paid[$name]=$share
    holds "$name's share of $all sat" "share * 10000 > all * bps - 60000 && share * 10000 < all * bps + 60000"
  done
}

ruling_of_chapter_1() {
  local id role amount
  tell "Carol's money has not moved. The arbiter hears both sides, and rules that it goes back."
  act ruling "$task" --pay-bps 0 --key keys/arbiter
  act settlement propose "$task" --kind ruling --feerate 2 --identity keys/mia
  id=$(of .id)
  for role in representative arbiter; do
    act settlement co-sign "$task" "$id" --role "$role" --key "keys/$role" --yes
  done
  on_its_way "$id"
  ruling_txid=$settlement_txid
  mine 1
  eventually "the return is confirmed" settlement_is "$id" confirmed
  show_payment "$ruling_txid"
  amount=$(received "${refund[carol]}")
  paid[carol]=$amount
  same "what the ruling spends" 200000 "$(jq '[.inputs[].sat] | add' <<<"$tx")"
  same "who gets it" 1 "$(jq '.outputs | length' <<<"$tx")"
  holds "carol gets her 200,000 sat back, less the fee" "amount > 199000 && amount < 200000"
  eventually "the task is paid" stage_is "$task" paid
}

# Every satoshi of the task: what came in is what went out, and fees.
table_of_chapter_1() {
  local in=0 out=0 fees=0 who txid
  tell "Every satoshi of the task:"
  for who in alice:400000 bob:300000 carol:200000 dave:150000 dave:100000 erin:5000 gift:50000; do
    fact "in from ${who%:*}" "$(printf '%18s' "$(sat "${who#*:}")")"
    in=$((in + ${who#*:}))
  done
  for who in dora mia otto carol erin; do
    fact "out to $who" "$(printf '%18s' "$(sat "${paid[$who]}")")"
    out=$((out + paid[$who]))
  done
  for txid in "$payout_txid" "$ruling_txid"; do
    fees=$((fees + $(transaction "$txid" | jq .fee)))
  done
  fact "network fees" "$(printf '%18s' "$(sat "$fees")")"
  fact "in = out + fees" "$(sat "$in") = $(sat "$out") + $(sat "$fees")"
  same "in" "$in" $((out + fees))
  same "in, as the service counts" "$in" "$(api "tasks/$task" | jq '.totals | .settled_sat')"
}

chapter_2() {
  local refund_time who outpoint batch amount
  local -A given=([frank]=60000 [grace]=80000 [heidi]=120000)
  chapter 2 "Nobody did the work, and everybody has gone home"
  open_task 2 1
  refund_time=$(jq .refund_time charter2.json)
  sponsors frank grace heidi
  for who in frank grace heidi; do pledges "$who" "${given[$who]}"; done
  for who in frank grace heidi; do
    fact "$who pays" "$(node sendtoaddress "${address[$who]}" "$(btc "${given[$who]}")")"
  done
  mine 1
  secured frank grace heidi
  total credited_sat 260000
  total secured_sat 260000

  tell "Nobody submits anything. All sponsors and signers switch their machines off and put their keys away."
  mv keys keys-put-away
  same "programs of sponsors and signers that run" '' "$(people_running)"
  fact "programs that run" "upfront serve, process ${service_pid[service]}, and no other"
  clock_to "$refund_time"
  eventually "the service's time is T" service_time_is "$refund_time"
  # Long enough for the service to do something wrong: it looks every second.
  sleep 1.5
  same "what T itself refunds" 0 "$(api "tasks/$task" | jq '[.pledges[].outpoints[] | select(.ended)] | length')"
  tell "The chain's time is $(at "$refund_time"), exactly T: not yet. One second later the service acts by itself."
  clock_to $((refund_time + 1))
  eventually "one batch spends all three" refunds_are 3
  batch=$(api "tasks/$task" | jq -er '[.pledges[].outpoints[].ended.txid] | unique | if length == 1 then .[0] else error("several") end')
  eventually "the batch reaches the mempool" in_mempool "$batch"
  mine 1
  eventually "the task is refunded" stage_is "$task" refunded
  show_refunds "$batch"
  for who in frank grace heidi; do
    outpoint=$(api "tasks/$task/pledges/${pledge[$who]}" | jq -er '.outpoints | if length == 1 then .[0].outpoint else error("several") end')
    amount=$(jq --arg from "$outpoint" '(.inputs | map(.outpoint) | index($from)) as $i | .outputs[$i].sat' <<<"$tx")
    same "what $who gets back" "${given[$who]}" "$amount"
    same "where $who gets it" "${refund[$who]}" "$(jq -r --arg from "$outpoint" '(.inputs | map(.outpoint) | index($from)) as $i | .outputs[$i].address' <<<"$tx")"
  done
  tell "Each has back what was pledged, to the satoshi; the operator's wallet paid the fee."
  total refunded_sat 260000
  task2=$task
  mv keys-put-away keys
  chapter_ends
}
service_time_is() { [ "$(api status | jq .tip.mtp_secs)" = "$1" ]; }
refunds_are() { [ "$(api "tasks/$task" | jq '[.pledges[].outpoints[] | select(.ended.how == "refunded")] | length')" = "$1" ]; }

# The last input is the operator's, the last output its change.
show_refunds() {
  local change
  change=$(transaction "$1" | jq -r '.outputs[-1].address')
  name_of[$change]="the operator's change"
  show_payment "$1"
  same "the batch's inputs: three pledges and a fee" 4 "$(jq '.inputs | length' <<<"$tx")"
  same "the batch's outputs" 4 "$(jq '.outputs | length' <<<"$tx")"
  same "what the operator's wallet had and has" "$(jq '.inputs[-1].sat' <<<"$tx")" "$(jq '.outputs[-1].sat + .fee' <<<"$tx")"
}

# open_task NUMBER ACCOUNT: a plain task that refunds in two hours, agreed by the same signers' fresh accounts.
open_task() {
  tell "The three signers agree another charter, each with a fresh account of their phrase."
  signers "$2"
  printf '# Task %s of the demo\n\nPort the build to the next compiler.\n' "$1" >"task$1.md"
  act charter new --text "task$1.md" --out "charter$1.json" --repository https://example.org/build --licence Apache-2.0 \
    --developer "${signer[developer]}" --representative "${signer[representative]}" --arbiter "${signer[arbiter]}" \
    --refund-in 2h --funding-close-in 30m --work-deadline-in 1h --review 10m --ruling 10m --depth 1 \
    --target-sat 500000 --payee "${payee[dora]}:10000"
  act task create --charter "charter$1.json" --text "task$1.md" --identity keys/mia
  task=$(of .task)
  agree "$2"
  fact "T, when money returns" "$(at "$(jq .refund_time "charter$1.json")")"
}

chapter_3() {
  local refund_time amount recovery_txid
  chapter 3 "The service is gone for good"
  tell "Another operator, another service, without a fee wallet."
  start_service doomed "$(free_port)"
  UPFRONT_SERVER=${service_url[doomed]}
  fact service "$UPFRONT_SERVER"
  open_task 3 2
  refund_time=$(jq .refund_time charter3.json)
  sponsors ivan
  pledges ivan 250000
  fact "ivan pays" "$(node sendtoaddress "${address[ivan]}" "$(btc 250000)")"
  mine 1
  secured ivan
  total secured_sat 250000
  act task proof "$task" --out proofs/task3.json
  task3=$task

  tell "Then the service stops, and its disk is lost. Ivan has one file and finds an Electrum server."
  stop_service doomed
  rm -rf "${DIR:?}/doomed"
  UPFRONT_SERVER=${service_url[service]}
  mkdir new-machine
  cp recovery/ivan.json new-machine/
  UPFRONT_SERVER=http://127.0.0.1:1 act_ending 3 recover new-machine/ivan.json --electrum "$ELECTRUM_URL" --broadcast
  same "the state of ivan's output" locked "$(of '.outpoints[0].state')"
  fact "too early" "the chain's time is $(at "$(of '.outpoints[0].median_time')"), T $(at "$refund_time")"
  tell "T passes."
  clock_to $((refund_time + 1))
  UPFRONT_SERVER=http://127.0.0.1:1 act recover new-machine/ivan.json --electrum "$ELECTRUM_URL" --broadcast
  same "the state of ivan's output" sent "$(of '.outpoints[0].state')"
  recovery_txid=$(of '.outpoints[0].txid')
  eventually "the recovery reaches the mempool" in_mempool "$recovery_txid"
  mine 1
  show_payment "$recovery_txid"
  amount=$(received "${refund[ivan]}")
  same "the recovery's inputs" 1 "$(jq '.inputs | length' <<<"$tx")"
  same "what it spends" 250000 "$(jq '.inputs[0].sat' <<<"$tx")"
  same "the outputs" 1 "$(jq '.outputs | length' <<<"$tx")"
  holds "ivan has his 250,000 sat back, less the fee" "amount > 240000 && amount < 250000"
  chapter_ends
}

epilogue() {
  local number
  chapter_name=verification chapter_from=$EPOCHREALTIME
  printf '\n%sNothing of this was to be believed%s\n' "$bold" "$plain"
  tell "Anybody recomputes every address, balance and count from the public proof and any Electrum server."
  act task proof "$task1" --out proofs/task1.json
  act task proof "$task2" --out proofs/task2.json
  for number in 1 2 3; do
    act verify "proofs/task$number.json" --electrum "$ELECTRUM_URL"
    same "task $number is sound" true "$(of .sound)"
    fact "task $number" "$(of '.counts | "\(.addresses) addresses, \(.outpoints) outpoints, \(.transactions) transactions, \(.votes) votes: all is so"')"
  done
  tell "A proof with one satoshi more in it, or anything else that is not so, is found out."
  jq -c '.outpoints[0].amount_sat += 1' proofs/task1.json >proofs/altered.json
  act_ending 4 verify proofs/altered.json --electrum "$ELECTRUM_URL"
  same "the altered proof is sound" false "$(jq .sound <<<"$answer")"
  fact "$(of '.findings[0].field')" "$(of '.findings[0].problem')"
  same "the field that is named" true "$(jq '[.findings[].field] | any(test("outpoints/0/amount_sat"))' <<<"$answer")"
  tell "The operator looks as well: the journal, from which everything else follows, and all the service rests on."
  act journal verify service
  act doctor --data-dir service --electrum "$ELECTRUM_URL"
  chapter_ends
  printf '\n%sTold in %s s%s (%s); %s numbers were checked, all as they should be.\n' \
    "$bold" "$(elapsed "$from")" "$plain" "$(printf '%s, ' "${timings[@]}" | sed 's/, $//')" "$checks"
}

# leave_it_up: what is where, for whoever wants to try it by hand.
leave_it_up() {
  # For regtest/try-api, too.
  printf 'server=%q\nprogram=%q\ntask=%q\n' "$UPFRONT_SERVER" "$UPFRONT" "$task1" >"$DIR/kept"
  cat <<WORDS

The service of chapters 1 and 2 is up: $UPFRONT_SERVER
  look around      open it in a browser: tasks in every stage, and a faucet on their pages
${full:+                   $UPFRONT_SERVER/wishes, and the lives of chapters 4 to 9: $UPFRONT_SERVER/tasks/$task4
}                   curl -s $UPFRONT_SERVER/api/v1/tasks | jq
                   $UPFRONT --server $UPFRONT_SERVER task show $task1
  sign by hand     $DIR/keys/site-developer, site-representative, site-arbiter: recovery words of the three
                   who hold the keys of the newer tasks; accounts 0 to 5, in the order above
  sponsor          $DIR/recovery/voting-victor.json: has not voted yet on ${site[voting]:0:8}…
  other files      $DIR
  node, electrs    . $DIR/chain/env; \$BITCOIN_CLI getblockchaininfo
  stop it          ./regtest/demo --stop
WORDS
}
