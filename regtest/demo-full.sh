# shellcheck shell=bash
# What `regtest/demo --full` tells after the three chapters: the whole life of a task, from a wish to the last satoshi, and
# what else money in escrow can do. Sourced by it alone.
# shellcheck disable=SC2004,SC2034,SC2154  # names of the scripts around it; keys of associative arrays

full() {
  chapter_4
  chapter_5
  chapter_6
  chapter_7
  chapter_8
  chapter_9
}

# ---- what the chapters share

# agreed NUMBER ACCOUNT TERMS...: a charter, from a fresh account of each of the three signers, written down, attested
# and open. Its id is then in `task`; pledges are those of this task. From here on commands find the account there.
agreed() {
  local number=$1 account=$2 role
  shift 2
  pledge=()
  for role in developer representative arbiter; do
    quietly key show --key "keys/$role" --network regtest --account "$account"
    signer[$role]=$(of .signer_key)
  done
  act charter new --out "charter$number.json" --developer "${signer[developer]}" \
    --representative "${signer[representative]}" --arbiter "${signer[arbiter]}" --review 5m --ruling 5m --depth 1 "$@"
  quietly task create --charter "charter$number.json" --text "$(of .text)" --identity keys/mia
  task=$(of .task)
  for role in developer representative arbiter; do
    quietly charter attest --task "$task" --role "$role" --key "keys/$role" --send
  done
  eventually "the task opens" stage_is "$task" open
  fact "attested by all three" "$task"
}

# paid_in NAME:SATOSHIS...: these pledge and pay, all in one transaction; their refunds are held.
paid_in() {
  local who name outputs='' sum=0
  for who in "$@"; do
    name=${who%:*}
    [ -e "keys/$name" ] || person "$name"
    pledges "$name" "${who#*:}"
    outputs+="${outputs:+,}\"${address[$name]}\":$(btc "${who#*:}")"
    sum=$((sum + ${who#*:}))
  done
  fact "paid in one transaction" "$(node sendmany '' "{$outputs}")"
  mine 1
  secured "${@%:*}"
  total credited_sat "$sum"
  total secured_sat "$sum"
}

# handed_in NAME ARGUMENTS...: work is submitted; who is to sign is in the arguments.
handed_in() {
  printf 'https://example.org/%s\n' "$1" >"$1.work"
  act submission create "$task" --link "https://example.org/$1" --content "$1.work" "${@:2}"
  submission=$(of .id)
}

# decides NAME CHOICE: with the recovery file, which then holds the refunds of what stays in escrow, too.
decides() {
  act vote "$task" --pledge "${pledge[$1]}" --choice "$2" --recovery "recovery/$1.json" --receipt "receipts/$1-${submission:0:8}.json"
}

review_over() {
  clock_to $(($(api "tasks/$task" | jq '.submissions[-1].window.closes_secs') + 1))
  tell "The review is over: it is $(at "$(mtp)")."
}

# carried_out KIND ROLE ROLE ARGUMENTS...: proposed, signed by two, mined. Its id is then in `id`, what the service says
# of it in `settled`, its transactions in `txids`.
carried_out() {
  local kind=$1 roles=("$2" "$3")
  shift 3
  act settlement propose "$task" --kind "$kind" --identity keys/mia "$@"
  id=$(of .id)
  signed_and_mined "${roles[@]}"
}
signed_and_mined() {
  local role txid
  for role in "$@"; do
    act settlement co-sign "$task" "$id" --role "$role" --key "keys/$role" --yes
  done
  settled=$(api "tasks/$task/settlements/$id")
  mapfile -t txids < <(jq -r '.transactions[].forms[0].txid' <<<"$settled")
  for txid in "${txids[@]}"; do eventually "$txid reaches the mempool" in_mempool "$txid"; done
  mine 1
  eventually "settlement $id is confirmed" settlement_is "$id" confirmed
}

# of_tx FILTER: a number of the transaction in `tx`.
of_tx() { jq "$1" <<<"$tx"; }
tx_in() { of_tx '[.inputs[].sat] | add'; }
# payees_got NAME...: what the transaction in `tx` pays them together.
payees_got() {
  local name sum=0
  for name in "$@"; do sum=$((sum + $(received "${payee[$name]}"))); done
  printf '%s\n' "$sum"
}

# split TXID BPS NAME...: of the one pledge that the transaction spends, the share BPS of all but the fee is paid to these
# names' addresses, the rest lies in escrow. To the satoshi, as the node knows it. The rest is then in `rest`.
split() {
  local net kept who
  who=$(jq -r --arg txid "$1" '.transactions[] | select(.forms[0].txid == $txid) | .inputs[0].pledge' <<<"$settled")
  kept=$(jq -r --arg txid "$1" '.transactions[].forms[] | select(.txid == $txid).outputs[] | select(.kind == "remainder").address' <<<"$settled")
  name_of[$kept]="escrow: the rest of $(pledger "$who")"
  show_payment "$1"
  net=$(($(tx_in) - $(of_tx .fee)))
  rest=$(received "$kept")
  same "the inputs of $1" 1 "$(of_tx '.inputs | length')"
  same "what $1 pays" $((net * $2 / 10000)) "$(payees_got "${@:3}")"
  same "what $1 leaves in escrow" $((net - net * $2 / 10000)) "$rest"
  tally_up "${@:3}"
}

# tally_up NAME...: what the transaction in `tx` pays them, and its fee, for the last table.
tally_up() {
  out_sat=$((out_sat + $(payees_got "$@"))) fees_sat=$((fees_sat + $(of_tx .fee)))
}

# sound NUMBER: anybody may look.
sound() {
  act task proof "$task" --out "proofs/task$1.json"
  act verify "proofs/task$1.json" --electrum "$ELECTRUM_URL"
  same "task $1 is sound" true "$(of .sound)"
}

# ---- a wish

chapter_4() {
  chapter 4 "A wish, and the charter that comes of it"
  sponsors nina kim sam uma leo
  payee[leo]=$(node -rpcwallet=payees getnewaddress)
  name_of[${payee[leo]}]="leo, who leads the project"
  wishes_of_chapter_4
  words_of_chapter_4
  charter_of_chapter_4
  chapter_ends
}

wishes_of_chapter_4() {
  tell "Nina writes a wish for a repository that nobody has set up here. It costs nothing and binds nobody."
  printf '# Keep the calendar in step across time zones\n\nStorage in UTC, a picker for zones, tests at both changes of the clock.\n' >wish1.md
  printf '# Print a month on one page\n\nA4 and Letter, in black and white, with week numbers.\n' >wish2.md
  act wish new --text wish1.md --repository https://example.org/calendar --link https://example.org/calendar/issues/12 --identity keys/nina
  wish=$(of .summary.wish)
  quietly wish new --text wish2.md --repository https://example.org/calendar --identity keys/nina
  wish2=$(of .summary.wish)
}

words_of_chapter_4() {
  local who
  tell "Others like it and promise. A promise is a word: it shows a developer what may come."
  for who in kim sam; do act wish like "$wish" --identity "keys/$who"; done
  for who in kim:300000 sam:250000 uma:200000; do
    act wish promise "$wish" --amount-sat "${who#*:}" --identity "keys/${who%:*}"
  done
  same "who likes it" 2 "$(of .summary.likes)"
  same "what is promised" 750000 "$(of .summary.promised_sat)"
  tell "Leo leads the project: claims it, says what every charter should hold, welcomes the wish and puts it first."
  act project claim https://example.org/calendar --name Calendar --description "A calendar for the command line" --licence MIT \
    --leader-address "${payee[leo]}" --leader-share-bps 500 --arbiter "A judge whom both sides trust" \
    --published https://example.org/calendar/KEYS --identity keys/leo
  act wish lead "$wish" accept --place 1 --identity keys/leo
  act wish lead "$wish2" accept --place 2 --identity keys/leo
  same "the order of wishes" "$wish $wish2" \
    "$("$UPFRONT" --json project show https://example.org/calendar | jq -r '[.wishes[].wish] | join(" ")')"
  tell "A developer reserves it for a week, so that nobody else begins, and takes the seat; somebody speaks for the sponsors."
  act wish offer "$wish" reserve --as developer --until 7d --identity keys/developer
  act wish offer "$wish" accept --as developer --identity keys/developer
  act wish offer "$wish" decline --as representative --identity keys/nina
  act wish offer "$wish" accept --as representative --identity keys/representative
  quietly key identity keys/developer
  same "who reserved it" "$(of .public_key)" "$(api "wishes/$wish" | jq -r .summary.reservation.by)"
  quietly key identity keys/representative
  same "who represents the sponsors" "$(of .public_key)" "$(api "wishes/$wish" | jq -r .representative)"
}

charter_of_chapter_4() {
  tell "The charter is drafted from the wish: text, repository, licence and the leader's share come from there."
  tell "Three milestones: half, three tenths, a fifth. Each is handed in, voted on and paid by itself."
  agreed 4 3 --wish "$wish" --milestone 50%:40m --milestone 30%:80m --milestone 20% --refund-in 5h --funding-close-in 20m \
    --work-deadline-in 2h --target-sat 900000 --payee "${payee[dora]}:9000" --operator "${payee[otto]}:500"
  task4=$task
  same "the charter's text" "$(sha256sum wish1.md | cut -d' ' -f1)" "$(jq -r .text_hash charter4.json)"
  same "the charter's leader" "500 ${payee[leo]}" "$(jq -r '"\(.leader.share_bps) \(.leader.address)"' charter4.json)"
  same "charters of the wish" "$task" "$(api "wishes/$wish" | jq -r '[.charters[].charter] | join(" ")')"
  same "whether the wish leads to where it is funded" 1 "$(leads_to_funding)"
  tell "Who promised pledges now; tina comes along."
  paid_in kim:300000 sam:250000 uma:200000 tina:150000
  out_sat=0 fees_sat=0
}

leads_to_funding() { "$UPFRONT" wish show "$wish" | grep -c '^Fund one that is open' || true; }

# ---- milestones

chapter_5() {
  local txid who
  chapter 5 "The first milestone: paid, and the rest stays"
  handed_in calendar-utc --milestone 1 --key keys/developer
  tell "Kim, sam and uma say yes. Their programs sign the refund of what will stay, for every feerate the payout may get."
  tell "Tina says nothing."
  for who in kim sam uma; do
    decides "$who" yes
    same "the share of $who's pledge that is paid" 5000 "$(of '.kept.splits[0].pay_bps')"
  done
  act accept "$task" --key keys/representative
  review_over
  carried_out milestone developer representative
  same "transactions, one for each yes" 3 "${#txids[@]}"
  for txid in "${txids[@]}"; do split "$txid" 5000 dora leo otto; done
  tell "What stays is credited and has its refund already. Tina's pledge is whole, until the last payout."
  eventually "the rest is credited" sum_is credited_sat $((900000 - out_sat - fees_sat))
  total secured_sat $((900000 - out_sat - fees_sat))
  total settled_sat $((out_sat + fees_sat))
  total raised_sat 900000
  chapter_ends
}

# ---- a dispute

chapter_6() {
  chapter 6 "The second milestone: a dispute, and a ruling"
  dispute_of_chapter_6
  ruling_of_chapter_6
  last_payout_of_chapter_6
  sound 4
  chapter_ends
}

dispute_of_chapter_6() {
  local view
  handed_in calendar-picker --milestone 2 --key keys/developer
  disputed=$submission
  decides kim yes
  decides sam yes
  decides uma no
  tell "Everybody who has a part says so, signed, for all to read. None of it moves money."
  printf 'picker: assertion failed at 2026-03-29T01:00:00\n' >crash.log
  act evidence "$task" --pledge "${pledge[uma]}" --text "It fails at the change of the clock in spring." --attach crash.log --recovery recovery/uma.json
  act evidence "$task" --as developer --dispute --text "The failure is in a library, reported there." --key keys/developer
  act evidence "$task" --as leader --text "I have merged it: it is worth having as it is." --key keys/leo
  act accept "$task" --key keys/representative
  view=$(api "tasks/$task" | jq '.submissions[-1]')
  same "whether it is disputed" true "$(jq .disputed <<<"$view")"
  same "who spoke" "pledge developer leader" \
    "$(jq -r '[.evidence[].statement.by | if type == "object" then "pledge" elif test("pledge") then "pledge" else . end] | join(" ")' <<<"$view")"
  review_over
}

ruling_of_chapter_6() {
  local txid
  tell "Kim's and sam's shares are paid: three fifths of what is left. Uma's pledge waits."
  carried_out milestone developer arbiter
  same "transactions, one for each yes" 2 "${#txids[@]}"
  for txid in "${txids[@]}"; do split "$txid" 6000 dora leo otto; done
  tell "The arbiter weighs both sides: of uma's share in this milestone two fifths are due."
  act ruling "$task" --pay-bps 4000 --key keys/arbiter
  tell "It is carried out when the last milestone is decided, too: until then nobody knows all that is due of uma's pledge."
}

last_payout_of_chapter_6() {
  local net back
  handed_in calendar-tests --milestone 3 --key keys/developer
  for who in kim sam uma; do decides "$who" yes; done
  act accept "$task" --key keys/representative
  review_over
  tell "The last payout takes what is left of the yeses, and tina's whole pledge: she said nothing, and the others carried it."
  carried_out payout developer representative
  show_payment "${txids[0]}"
  same "the payout's inputs: kim, sam, tina" 3 "$(of_tx '.inputs | length')"
  same "what the payees get" $(($(tx_in) - $(of_tx .fee))) "$(payees_got dora leo otto)"
  tally_up dora leo otto
  tell "And the ruling: of uma's rest, three parts at two fifths and two parts in full are 64%; what is over goes back to her."
  carried_out ruling arbiter representative --submission "$disputed"
  show_payment "${txids[0]}"
  net=$(($(tx_in) - $(of_tx .fee))) back=$(received "${refund[uma]}")
  same "what the payees get of uma's" $((net * 6400 / 10000)) "$(payees_got dora leo otto)"
  same "what uma gets back" $((net - net * 6400 / 10000)) "$back"
  tally_up dora leo otto
  eventually "the task is paid" stage_is "$task" paid
  fact "in = out + back + fees" "$(sat 900000) = $(sat "$out_sat") + $(sat "$back") + $(sat "$fees_sat")"
  same "all that went in" 900000 $((out_sat + back + fees_sat))
  total settled_sat 900000
  total credited_sat 0
  same "whether the wish still leads there" 0 "$(leads_to_funding)"
}

# ---- accepted only when merged

chapter_7() {
  chapter 7 "A vote that opens at the merge"
  tell "For the second wish the vote waits for the leader's word that the work is merged."
  agreed 7 4 --wish "$wish2" --vote-opens merged --milestone 60%:40m --milestone 40% --refund-in 5h --funding-close-in 20m \
    --work-deadline-in 2h --target-sat 400000 --payee "${payee[dora]}:9500"
  task7=$task
  paid_in yuri:400000
  handed_in calendar-print --milestone 1 --key keys/developer
  act_ending 1 vote "$task" --pledge "${pledge[yuri]}" --choice yes --recovery recovery/yuri.json
  same "why not" voting_not_open "$(jq -r .error.code "$DIR/stderr")"
  tell "Leo merges it, and says so."
  act submission confirm "$task" --key keys/leo
  decides yuri yes
  carried_out milestone developer representative
  split "${txids[0]}" 6000 dora leo
  chapter_ends
}

# ---- a move

chapter_8() {
  local left=$rest
  chapter 8 "The rest goes elsewhere"
  old=$task
  tell "The second half is not coming. Another task would do with the money: yuri's rest moves there, without coming back first."
  printf '# Week numbers in the margin\n\nISO 8601, off by default.\n' >task8.md
  agreed 8 5 --text task8.md --repository https://example.org/calendar --licence MIT --refund-in 6h --funding-close-in 3h \
    --work-deadline-in 4h --target-sat 500000 --payee "${payee[dora]}:10000"
  task8=$task
  act pledge move "$old" --to "$task8" --recovery recovery/yuri.json --recovery-out recovery/yuri-2.json
  same "refunds prepared, one for each feerate" 3 "$(of .refunds_prepared)"
  moved_to=$(of .to_address) name_of[$moved_to]="yuri's pledge in the other task"
  tell "Two of the old charter's three sign; the developer does not have to."
  task=$old
  carried_out move representative arbiter --to "$task8"
  show_payment "${txids[0]}"
  same "what moves" "$left" "$(tx_in)"
  same "what arrives" $((left - $(of_tx .fee))) "$(received "$moved_to")"
  sound 7
  task=$task8
  eventually "it is credited there" sum_is credited_sat "$(received "$moved_to")"
  total secured_sat "$(received "$moved_to")"
  tell "It is a pledge there like any other, with its refund held from the first moment."
  sound 8
  chapter_ends
}

# ---- a pot

chapter_9() {
  chapter 9 "A pot, its renewal, and a target that was missed"
  grant_of_chapter_9
  renewal_of_chapter_9
  target_of_chapter_9
  chapter_ends
}

grant_of_chapter_9() {
  local txid
  tell "A pot for fixes: a standing task whose milestones are its grants. Who gets them is named when the fix is there."
  printf '# Fixes of the calendar\n\nGrants for bugs that somebody has fixed.\n' >task9.md
  agreed 9 6 --text task9.md --repository https://example.org/calendar --licence MIT --silence hold \
    --milestone 40%:20m --milestone 30%:25m --milestone 30% --refund-in 50m --funding-close-in 20m --work-deadline-in 30m \
    --target-sat 1000000 --payee "${payee[mia]}:9500" --operator "${payee[otto]}:500"
  task9=$task
  paid_in wim:500000 xenia:300000 zoe:200000
  payee[nora]=$(node -rpcwallet=payees getnewaddress)
  name_of[${payee[nora]}]="nora, who fixed a bug unasked"
  tell "Nora has fixed a bug. The representative names her; only those who say yes pay her."
  handed_in calendar-leap --milestone 1 --payee "${payee[nora]}:95%" --as representative --key keys/representative
  decides wim yes
  decides xenia yes
  carried_out milestone developer representative
  same "transactions, one for each yes" 2 "${#txids[@]}"
  out_sat=0 fees_sat=0
  for txid in "${txids[@]}"; do
    split "$txid" 4000 nora otto
    same "otto's share" $(($(payees_got nora otto) * 500 / 10000)) "$(received "${payee[otto]}")"
  done
  same "what mia gets" 0 "$(received "${payee[mia]}")"
  eventually "the rest is credited" sum_is credited_sat $((1000000 - out_sat - fees_sat))
  review_over
}

renewal_of_chapter_9() {
  local refund_time arrived late index zoe=${pledge[zoe]}
  tell "The pot ends at its T. Its next charter is open already: wim moves there now, xenia signs to go at T, zoe does nothing."
  refund_time=$(jq .refund_time charter9.json) old=$task
  agreed 10 7 --text task9.md --repository https://example.org/calendar --licence MIT --silence hold \
    --milestone 50%:4h --milestone 50% --refund-in 8h --funding-close-in 3h --work-deadline-in 6h \
    --target-sat 1000000 --payee "${payee[mia]}:9500" --operator "${payee[otto]}:500"
  task10=$task
  act pledge move "$old" --to "$task10" --recovery recovery/wim.json --recovery-out recovery/wim-2.json
  name_of[$(of .to_address)]="wim's pledge in the next pot"
  act pledge move "$old" --to "$task10" --alone --recovery recovery/xenia.json --recovery-out recovery/xenia-2.json
  late=$(of .to_address) index=$(of .to_pledge) name_of[$late]="xenia's pledge in the next pot"
  # Wim's pledge has another index there than here; xenia's is the last.
  task=$old
  carried_out move developer representative --to "$task10"
  show_payment "${txids[0]}"
  arrived=$(of_tx '.outputs[0].sat')
  task=$task10
  eventually "wim's pledge is there" sum_is credited_sat "$arrived"
  task=$old
  clock_to $((refund_time + 1))
  tell "It is T and a second. Nobody signs anything any more."
  eventually "zoe's and xenia's money is on its way" nothing_lies
  mine 1
  eventually "zoe has been refunded" stage_is "$task" refunded
  zoe_is_back "$zoe"
  late_is_there "$late" "$index" "$arrived"
  task=$old
  sound 9
}
nothing_lies() { [ "$(api "tasks/$task" | jq '[.pledges[].outpoints[] | select(.ended | not)] | length')" = 0 ]; }

# zoe_is_back PLEDGE
zoe_is_back() {
  tx=$(transaction "$(api "tasks/$task/pledges/$1" | jq -er '.outpoints[0].ended.txid')")
  same "what zoe gets back" 200000 "$(received "${refund[zoe]}")"
  fact "zoe gets back" "$(sat 200000): the operator paid the fee"
}

# late_is_there ADDRESS INDEX ALREADY: what xenia signed for T.
late_is_there() {
  local outpoint amount
  task=$task10
  outpoint=$(api "tasks/$task/pledges/$2" | jq -er '.outpoints | if length == 1 then .[0].outpoint else error("several") end')
  show_payment "${outpoint%:*}"
  amount=$(received "$1")
  same "where the transaction pays" "$(tx_in)" $((amount + $(of_tx .fee)))
  eventually "xenia's pledge is there, too" sum_is credited_sat $(($3 + amount))
  total secured_sat $(($3 + amount))
  sound 10
}

target_of_chapter_9() {
  local closes
  tell "A task may be all or nothing: what misses its target goes back as soon as funding has closed."
  printf '# A port to a small machine\n\nAll of it, or none.\n' >task11.md
  agreed 11 8 --text task11.md --repository https://example.org/calendar --licence MIT --funding-rule all-or-nothing \
    --refund-in 5h --funding-close-in 10m --work-deadline-in 2h --target-sat 1000000 --payee "${payee[dora]}:10000"
  closes=$(jq .funding_close charter11.json)
  paid_in quinn:300000
  clock_to $((closes + 1))
  eventually "the service proposes to give it back" proposed_early_return
  fact "proposed by the service" "$id"
  signed_and_mined developer arbiter
  show_payment "${txids[0]}"
  same "what quinn gets back" $((300000 - $(of_tx .fee))) "$(received "${refund[quinn]}")"
  eventually "the task is returned" stage_is "$task" returned
  sound 11
}
proposed_early_return() {
  id=$(api "tasks/$task/settlements" | jq -er '[.. | objects | select(.kind? == "early_return") | .id] | first')
}
