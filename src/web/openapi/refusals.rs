//! Which codes each operation may answer with, and the error responses that follow for the document. The codes
//! themselves are explained in `problem/codes.rs`. Every error that the tests provoke is looked up here, so that a
//! code nobody listed fails them.

use crate::web::problem::{Entry, MEDIA_TYPE, entry, retry_after_secs};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type Codes = &'static [&'static str];

/// Whatever is asked; of the signature (NIP-98), if the request has one.
const ANY: Codes = &[
    "bad_request",
    "auth_malformed",
    "auth_signature",
    "auth_clock",
    "auth_url",
    "auth_method",
    "auth_payload",
    "auth_replayed",
    "auth_unavailable",
    "timed_out",
    "internal",
    "busy",
    "too_many_requests",
];
/// Wherever a path names something.
const NAMED: Codes = &["not_found", "unknown_task"];
/// Whatever is changed.
const WRITE: Codes =
    &["too_long", "disk_full", "journal_failed", "cross_site", "idempotency_key", "idempotency_key_reused"];
/// Where an identity must sign the request.
const AUTH: Codes = &["auth_required"];
/// A statement that another task's or nobody's key made.
const SAID: Codes = &["chain_unknown", "other_task", "bad_signature"];
/// An address that stands for money.
const ADDRESS: Codes = &["charter_address", "charter_address_network"];
const CHARTER: Codes = &[
    "charter_too_long",
    "charter_not_json",
    "charter_duplicate_key",
    "charter_unknown_key",
    "charter_shape",
    "charter_not_canonical",
    "charter_version",
    "charter_text",
    "charter_duplicate_signer",
    "charter_public_key",
    "charter_off_grid",
    "charter_not_a_time",
    "charter_time_too_late",
    "charter_window_too_short",
    "charter_out_of_order",
    "charter_depth",
    "charter_dust_minimum",
    "charter_too_much",
    "charter_amount_order",
    "charter_share_sum",
    "charter_share",
    "charter_count",
    "charter_rate",
    "charter_early_submissions",
    "charter_feerate_cap",
    "key_not_an_expression",
    "key_private",
    "key_invalid_xpub",
    "key_wrong_network",
    "key_wrong_purpose",
    "key_wrong_coin_type",
    "key_not_hardened",
    "key_hardened_wildcard",
    "key_wildcard",
    "key_trailing_path",
    "key_depth",
    "key_account",
    "key_nums",
];
const PSBT: Codes = &[
    "bad_psbt",
    "psbt_nothing",
    "psbt_other_transaction",
    "psbt_input_count",
    "psbt_field",
    "psbt_key_path",
    "psbt_wrong_key",
    "psbt_wrong_leaf",
    "psbt_wrong_sighash",
    "psbt_bad_signature",
    "psbt_final_witness",
    "psbt_no_signature",
    "psbt_incomplete",
];
const DRAFT: Codes = &[
    "too_many_tasks",
    "too_many_drafts",
    "not_a_drafter",
    "text_hash",
    "text_too_long",
    "nobody_to_confirm",
    "refund_time_too_far",
    "funding_close_past",
    "descriptor",
    "other_network",
    "other_receipt_key",
];
const PLEDGE: Codes = &[
    "chain_unknown",
    "not_open",
    "funding_closed",
    "index_taken",
    "no_index_left",
    "address_reused",
    "cap_reached",
    "too_many_unpaid",
    "descriptor",
    "bad_signature",
    "refund_to_escrow",
    "below_minimum",
];
const REFUND: Codes = &["chain_unknown", "unknown_outpoint", "gift_has_no_refund", "bad_refund"];
const PREPARE: Codes = &["unknown_pledge", "bad_refund", "unknown_outpoint", "too_many_prepared"];
const MOVE: Codes =
    &["unknown_outpoint", "gift_has_no_refund", "move_target", "move_signed", "not_open", "funding_closed"];
const SUBMIT: Codes = &[
    "milestone_number",
    "milestone_overdue",
    "named_payees",
    "no_leader",
    "not_open",
    "submission_number",
    "submission_block",
    "work_deadline",
    "target_missing",
    "still_voting",
    "submission_link",
    "too_many_submissions",
];
const CONFIRM: Codes = &[
    "unknown_submission",
    "nothing_to_confirm",
    "other_confirmation",
    "already_confirmed",
    "submission_replaced",
    "confirmation_too_late",
    "confirmation_block",
];
const VOTE: Codes = &[
    "unknown_submission",
    "unknown_pledge",
    "voting_not_open",
    "vote_settled",
    "voting_closed",
    "too_many_votes",
];
const ACCEPT: Codes = &["unknown_submission", "already_judged", "already_ruled"];
const EVIDENCE: Codes = &[
    "unknown_submission",
    "unknown_pledge",
    "no_leader",
    "no_dispute",
    "evidence_text",
    "too_many_attachments",
    "unpaid_pledge",
    "too_much_evidence",
    "evidence_counter",
];
const RULE: Codes = &[
    "unknown_submission",
    "voting_not_open",
    "ruling_share",
    "already_ruled",
    "ruling_too_early",
    "ruling_too_late",
    "no_ruling_for_named",
];
const PROPOSE: Codes = &[
    "chain_unknown",
    "not_open",
    "unknown_submission",
    "feerate",
    "feerate_step",
    "no_ruling",
    "nothing_to_settle",
    "nothing_prepared",
    "move_target",
    "settlement_terms",
    "settlement_plan",
    "settlement_under_way",
    "past_cutoff",
    "too_many_proposals",
    "chain_offline",
    "chain_wrong",
];
const SIGN: Codes = &[
    "unknown_settlement",
    "chain_unknown",
    "settlement_signature",
    "proposal_lapsed",
    "no_longer_allowed",
    "unknown_submission",
    "no_ruling",
    "nothing_to_settle",
    "past_cutoff",
    "settlement_under_way",
    "settlement_terms",
    "broadcast_rejected",
    "chain_offline",
];
const PROOF: Codes =
    &["chain_unknown", "chain_offline", "chain_wrong", "proof_not_ready", "disk_full", "journal_failed"];

/// Statements by an identity's key.
const IDENTITY: Codes = &[
    "chain_unknown",
    "other_network",
    "bad_signature",
    "statement_field",
    "counter_used",
    "counter_too_high",
];
const WISH: Codes = &["wish_text", "too_many_wishes"];
const WORD: Codes = &[
    "unknown_wish",
    "other_task",
    "promise_amount",
    "reservation_time",
    "reserved",
    "too_many_words",
    "wish_full",
    "likes_off",
    "not_leader",
    "wish_withdrawn",
];
const WITHDRAW: Codes = &["unknown_wish", "other_task", "not_author"];
const CLAIM: Codes = &["too_many_claims", "charter_text"];

/// Where webhooks are kept.
const WEBHOOKS: Codes = &["webhooks_off"];
const SUBSCRIBE: Codes = &["webhook_target", "webhook_scope", "webhook_type", "too_many_webhooks"];
const ONE_WEBHOOK: Codes = &["unknown_webhook"];
const RESUME: Codes = &["webhook_not_disabled"];

/// Where events are followed.
const FOLLOW: Codes = &["events_forgotten", "too_many_listeners"];

/// What an operation refuses besides [`ANY`], [`NAMED`] and [`WRITE`]. One that is not here refuses nothing else.
fn own(operation: &str) -> &'static [Codes] {
    match operation {
        "createTask" => &[AUTH, CHARTER, ADDRESS, DRAFT],
        "attest" => &[&["bad_signature"]],
        "getProof" => &[PROOF],
        "issuePledge" => &[ADDRESS, PLEDGE],
        "secureRefund" => &[REFUND],
        "prepareRefund" => &[PREPARE],
        "signMove" => &[SAID, ADDRESS, MOVE],
        "signLateMove" => &[SAID, ADDRESS, MOVE, &["bad_refund"]],
        "submitWork" => &[SAID, SUBMIT],
        "vote" => &[SAID, VOTE],
        "confirm" => &[SAID, CONFIRM],
        "accept" => &[SAID, ACCEPT],
        "rule" => &[SAID, RULE],
        "giveEvidence" => &[SAID, EVIDENCE],
        "proposeSettlement" => &[AUTH, PROPOSE],
        "getSettlementPsbts" => &[&["unknown_settlement"]],
        "signSettlement" => &[PSBT, SIGN],
        "writeWish" => &[IDENTITY, WISH],
        "getWish" | "listWords" | "getWishFeed" => &[&["unknown_wish", "not_shown"]],
        "withdrawWish" => &[&["chain_unknown", "other_network", "bad_signature"], WITHDRAW],
        "withdrawProject" => &[IDENTITY, &["no_claim", "other_task", "too_many_claims"]],
        "followWish" => &[FOLLOW, &["unknown_wish", "not_shown"]],
        "sayToWish" => &[IDENTITY, WORD],
        "setProject" => &[IDENTITY, ADDRESS, CLAIM],
        "followEvents" | "followTask" | "followProject" => &[FOLLOW],
        "followPledge" => &[FOLLOW, &["unknown_pledge"]],
        "createWebhook" => &[AUTH, WEBHOOKS, SUBSCRIBE],
        "listWebhooks" => &[AUTH, WEBHOOKS],
        "getWebhook" | "removeWebhook" | "testWebhook" => &[AUTH, WEBHOOKS, ONE_WEBHOOK],
        "resumeWebhook" => &[AUTH, WEBHOOKS, ONE_WEBHOOK, RESUME],
        _ => &[],
    }
}

/// Every code an operation may answer with, by status.
pub(super) fn of(operation: &str, method: &str, path: &str) -> BTreeMap<u16, Vec<&'static Entry>> {
    let mut lists = vec![ANY];
    if path.contains('{') {
        lists.push(NAMED);
    }
    if method != "get" {
        lists.push(WRITE);
    }
    lists.extend(own(operation));
    let mut codes: BTreeMap<u16, Vec<&'static Entry>> = BTreeMap::new();
    for entry in lists.into_iter().flatten().filter_map(|code| entry(code)) {
        let listed = codes.entry(entry.status).or_default();
        if !listed.contains(&entry) {
            listed.push(entry);
        }
    }
    codes
}

/// The responses of a document for these.
pub(super) fn responses(codes: &BTreeMap<u16, Vec<&'static Entry>>) -> Map<String, Value> {
    let response = |(status, entries): (&u16, &Vec<&'static Entry>)| {
        let words: Vec<String> = entries.iter().map(|e| format!("`{}`: {}.", e.code, e.title)).collect();
        let names: Vec<&str> = entries.iter().map(|entry| entry.code).collect();
        let schema = json!({
            "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "status": { "const": status }, "code": { "enum": names } } },
            ],
        });
        let mut response = json!({
            "description": words.join("\n"),
            "content": { MEDIA_TYPE: { "schema": schema } },
        });
        // Whoever is over a rate is told when the next request is due, whatever the code.
        if *status == 429 || names.iter().any(|code| retry_after_secs(code).is_some()) {
            response["headers"] = json!({ "Retry-After": {
                "description": "Seconds to wait before another try.",
                "schema": { "type": "integer", "minimum": 0 },
            }});
        }
        (status.to_string(), response)
    };
    codes.iter().map(response).collect()
}

#[cfg(test)]
pub(in crate::web) fn named() -> std::collections::BTreeSet<&'static str> {
    let all = [
        ANY,
        NAMED,
        WRITE,
        AUTH,
        SAID,
        ADDRESS,
        CHARTER,
        PSBT,
        DRAFT,
        PLEDGE,
        REFUND,
        PREPARE,
        MOVE,
        SUBMIT,
        CONFIRM,
        VOTE,
        ACCEPT,
        RULE,
        EVIDENCE,
        PROPOSE,
        SIGN,
        PROOF,
        FOLLOW,
        IDENTITY,
        WISH,
        WORD,
        WITHDRAW,
        &["no_claim", "not_shown"],
        CLAIM,
        WEBHOOKS,
        SUBSCRIBE,
        ONE_WEBHOOK,
        RESUME,
    ];
    all.into_iter().flatten().copied().collect()
}
