# shellcheck shell=bash
# What `regtest/demo` leaves to look at: on the service of chapters 1 and 2, tasks in every other stage of their lives.
# Sourced by it alone, after the chapters. Nothing here is left up by `--exit`, so there it is not told.
# shellcheck disable=SC2034,SC2154  # names of the scripts around it

declare -A site=() batch=()

site() {
  local who
  chapter_name=site chapter_from=$EPOCHREALTIME
  printf '\n%sA site to look at%s\n' "$bold" "$plain"
  tell "Tasks in every stage: not yet signed, open, at work, in the vote, waiting for a ruling, half signed; above are one paid and one refunded."
  # Without passphrases: these keys are for trying things by hand.
  for who in site-developer site-representative site-arbiter peggy victor walter sybil; do person "$who"; done
  site_tasks
  site_money
  site_work
  chapter_ends
}

site_tasks() {
  site_task draft 0 "Write down the grammar of the file format" 400000 "An EBNF of every production, with an example for each."
  site_task open 1 "Support IPv6 in the resolver" 2000000 "AAAA records, happy eyeballs (RFC 8305), and tests on a host without IPv4."
  site_task working 2 "Cut the start-up time in half" 500000 "Measured with hyperfine on the example in the README, before and after."
  site_task deciding 3 "A dark theme for the documentation" 600000 "Follows the system's setting, and passes WCAG AA."
  site_task settling 4 "Keyboard shortcuts for the editor" 700000 "All of the menu, shown in the menu, and one place to change them."
  site_task voting 5 "Read and write Parquet" 800000 "Round trip of every type in the specification; no panic on hostile files."
}

# site_task NAME ACCOUNT TITLE TARGET TEXT: agreed by the three, but for the draft, which waits for two of them.
site_task() {
  local name=$1 account=$2 target=$4 role close=8h review=2h
  local -A key=()
  case $name in working) close=5m ;; deciding) review=2m ;; esac
  for role in developer representative arbiter; do
    quietly key show --key "keys/site-$role" --network regtest --account "$account"
    key[$role]=$(of .signer_key)
  done
  printf '# %s\n\n%s\n' "$3" "$5" >"site-$name.md"
  quietly charter new --text "site-$name.md" --out "site-$name.json" --repository "https://example.org/$name" --licence MIT \
    --developer "${key[developer]}" --representative "${key[representative]}" --arbiter "${key[arbiter]}" \
    --refund-in 24h --funding-close-in "$close" --work-deadline-in 18h --review "$review" --ruling 3h --depth 1 \
    --target-sat "$target" --payee "${payee[dora]}:9500" --operator "${payee[otto]}:500"
  quietly task create --charter "site-$name.json" --text "site-$name.md" --identity keys/mia
  site[$name]=$(of .task)
  for role in developer representative arbiter; do
    if [ "$name" = draft ] && [ "$role" != developer ]; then continue; fi
    quietly charter attest --task "${site[$name]}" --role "$role" --key "keys/site-$role" --account "$account" --send
  done
  fact "$name" "$3"
}

# site_pledge TASK WHO SATOSHIS: an address, to be paid with the others.
site_pledge() {
  quietly pledge "${site[$1]}" --amount "$3" --key "keys/$2" --recovery "recovery/$1-$2.json"
  site_address=$(of .address)
  batch[$site_address]=$(btc "$3")
}

site_money() {
  local address outputs='' name who
  site_pledge open peggy 300000
  site_pledge open victor 450000
  site_pledge working peggy 350000
  site_pledge working victor 250000
  for name in deciding settling voting; do
    site_pledge "$name" peggy 350000
    site_pledge "$name" victor 300000
    site_pledge "$name" walter 150000
  done
  for address in "${!batch[@]}"; do outputs+="${outputs:+,}\"$address\":${batch[$address]}"; done
  fact "one batch pays them all" "$(node sendmany '' "{$outputs}")"
  same "blocks that the faucet mines" $(($(node getblockcount) + 1)) "$(faucet mine blocks=1 | jq .height)"
  eventually "the site's payments are credited" site_is_credited
  for name in open working deciding settling voting; do
    for who in peggy victor walter; do
      [ ! -e "recovery/$name-$who.json" ] || quietly pledge secure "${site[$name]}" --key "keys/$who" --recovery "recovery/$name-$who.json"
    done
  done
}
site_is_credited() {
  local name
  for name in open:750000 working:600000 deciding:800000 settling:800000 voting:800000; do
    [ "$(api "tasks/${site[${name%:*}]}" | jq .totals.credited_sat)" = "${name#*:}" ] || return 1
  done
}

site_work() {
  local id now
  site_submits deciding 3
  site_votes deciding peggy yes
  site_votes deciding victor no
  quietly accept "${site[deciding]}" --key keys/site-representative --account 3
  now=$(mtp)
  # Past the review of the one and the funding of the other.
  same "where the faucet moves the clock" $((now + 360)) "$(faucet time "to_secs=$((now + 360))" | jq .mtp_secs)"
  same "the chain's median time past" $((now + 360)) "$(mtp)"
  everybody_knows_the_tip
  site_submits settling 4
  site_submits voting 5
  site_votes settling peggy yes
  site_votes settling victor yes
  site_votes voting peggy yes
  site_votes voting walter no
  quietly settlement propose "${site[settling]}" --kind payout --feerate 2 --identity keys/mia
  id=$(of .id)
  quietly settlement co-sign "${site[settling]}" "$id" --role developer --key keys/site-developer --account 4 --yes
  # Paid and not mined yet, and promised and not paid yet.
  batch=()
  site_pledge open walter 150000
  fact "on its way, not mined" "$(faucet pay "address=$site_address&amount_sat=150000" | jq -r .txid)"
  site_pledge open sybil 100000
  eventually "walter's payment is seen" site_has_seen
  site_stage draft draft
  site_stage open open
  site_stage working working
  site_stage deciding deciding
  site_stage settling settling
  site_stage voting voting
  same "who has signed the settlement" developer "$(api "tasks/${site[settling]}/settlements/$id" | jq -r '.signed_by | join(" ")')"
}
# faucet WHAT FORM: as the pages' buttons do.
faucet() { curl -sSf "$UPFRONT_SERVER/faucet/$1" -d "$2"; }
site_has_seen() { [ "$(api "tasks/${site[open]}" | jq .totals.seen_sat)" = 150000 ]; }
site_stage() { same "the stage of the task $1" "$2" "$(api "tasks/${site[$1]}" | jq -r .stage)"; }

# site_submits TASK ACCOUNT
site_submits() {
  printf 'https://example.org/%s/pull/1\n' "$1" >"site-$1.work"
  quietly submission create "${site[$1]}" --link "https://example.org/$1/pull/1" --content "site-$1.work" \
    --key keys/site-developer --account "$2"
}

# site_votes TASK WHO CHOICE
site_votes() {
  local index
  index=$("$UPFRONT" --json key check "recovery/$1-$2.json" | jq -er .index)
  quietly vote "${site[$1]}" --pledge "$index" --choice "$3" --key "keys/$2" --receipt "receipts/$1-$2.json"
}
