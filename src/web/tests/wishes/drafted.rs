//! A charter drafted from a wish on the page: what is filled in, what is refused, and that it is what the command drafts.

use super::*;
use crate::web::tests::fakes::read;
use axum::body::Body;
use axum::http::{Request, header};

async fn preview(world: &World, form: &Value, accept: &str) -> (StatusCode, Value) {
    let request = Request::post("/new/preview")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept)
        .body(Body::from(form.to_string()))
        .unwrap();
    read(world.respond_to(request, "127.0.0.1:50000").await).await
}

/// What the page began with, and what only people can put in.
fn filled(begun: &Value, id: TaskId) -> Value {
    let seat = |person| testing::seat(NET, person).key;
    let mut form = begun.clone();
    let people = json!({
        "wish": id, "target_sat": "500000", "refund_time": "2h", "developer": seat(1), "representative": seat(2),
        "arbiter": seat(3), "payee_1_address": testing::address(NET, 0).to_string(),
    });
    form.as_object_mut().unwrap().extend(people.as_object().unwrap().clone());
    form
}

#[tokio::test]
async fn the_form_is_filled_from_the_wish_and_says_what_comes_from_where() {
    let world = World::new(None, |_| {}).await;
    let id = world.wished(2, TEXT).await;
    world.said(&offer(id, 5, OfferChoice::Accept, None, 1)).await;
    world.set(project(7, 1), 7).await;
    let (html, json) = world.page(&format!("/wishes/{id}")).await;
    assert!(html.contains(&format!("href=\"/new?wish={id}\"")) && json["withdrawn_secs"].is_null(), "{html}");

    let (html, json) = world.page(&format!("/new?wish={id}")).await;
    let values = &json["values"];
    assert_eq!(values["text"], TEXT, "word for word, without a title of its own");
    assert!(!html.contains("name=\"title\""), "{html}");
    assert!(html.contains(&format!("<input type=\"hidden\" name=\"wish\" value=\"{id}\">")), "{html}");
    assert_eq!(values["repository"], REPOSITORY);
    assert_eq!((&values["licence"], &values["minimum_pledge_sat"]), (&json!("Apache-2.0"), &json!("20000")));
    assert_eq!(values["leader_address"], testing::address(NET, 5).to_string());
    assert_eq!(
        (&values["leader_share"], &values["leader_key"]),
        (&json!("2.5"), &json!(crate::nip98::npub(&key(7))))
    );
    for (field, named) in [
        ("developer_nominated_by", crate::nip98::npub(&key(5))),
        ("representative_nominated_by", crate::nip98::npub(&key(2))),
        ("arbiter_nominated_by", "the speech foundation".to_owned()),
    ] {
        assert!(values[field].as_str().unwrap().contains(&named), "{field}: {values}");
        assert!(html.contains(&format!("id=\"{field}-origin\"")), "{field}");
    }
    // No signer's key comes from a word.
    for field in ["developer", "representative", "arbiter", "payee_1_address", "target_sat"] {
        assert!(values.get(field).is_none(), "{field}: {values}");
    }
    let leader = crate::nip98::npub(&key(7));
    let named = format!("{leader}, who leads the project here and named the speech foundation");
    assert_eq!(values["arbiter_nominated_by"], named);
    for part in [
        "as that key has set it: 2.5 % goes to",
        "Drafted from a wish",
        "Offers to do the work",
        "the speech foundation",
        "id=\"licence-origin\"",
        "As the key that leads the project here has set it",
        "&#60;b&#62;Vulcan&#60;/b&#62;",
    ] {
        assert!(html.contains(part), "no {part:?} in {html}");
    }

    let (status, review) = preview(&world, &filled(values, id), "application/json").await;
    assert_eq!(status, StatusCode::OK, "{review}");
    assert_eq!((&review["wish"], &review["same_text"]), (&json!(id), &json!(true)), "{review}");
    let share = json!({ "share": "2.5", "address": values["leader_address"], "from_project": true });
    assert_eq!((&review["leader"], &review["unproven"]), (&share, &json!(true)), "{review}");
    let (_, html) = preview(&world, &filled(values, id), "text/html").await;
    let html = html.as_str().unwrap();
    assert!(html.contains("id=\"leader-share\"") && html.contains("2.5 % goes to"), "{html}");
    assert!(html.contains("id=\"unproven\"") && html.contains("belongs to the npub in the words"), "{html}");
    let mut by_hand = filled(values, id);
    for name in ["developer_nominated_by", "representative_nominated_by", "arbiter_nominated_by"] {
        by_hand[name] = json!("the drafter");
    }
    for name in ["leader_address", "leader_share", "leader_key"] {
        by_hand[name] = json!("");
    }
    let (_, plain) = preview(&world, &by_hand, "application/json").await;
    assert_eq!((&plain["leader"], &plain["unproven"]), (&Value::Null, &json!(false)), "{plain}");
    let canonical = review["canonical"].as_str().unwrap();
    let charter = Charter::parse(canonical.as_bytes()).unwrap();
    let fields = charter.fields();
    assert_eq!((fields.task, fields.text_hash), (id, Digest::of(TEXT.as_bytes())));
    assert_eq!((fields.licence.as_str(), fields.minimum_pledge_sat), ("Apache-2.0", 20_000));
    let leader = fields.leader.as_ref().unwrap();
    assert_eq!((leader.share_bps, &leader.key), (250, &key(7).to_string()));
    assert_eq!(fields.payees[0].share_bps, 9_750);
    let body = json!({ "charter": canonical, "text": review["text"] });
    let (status, created) = world.post("/api/v1/tasks", body).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let (_, view) = world.get(&format!("/api/v1/wishes/{id}")).await;
    assert_eq!(view["charters"][0]["charter"], json!(charter.id()));
    assert_eq!(view["charters"][0]["same_text"], true);
}

#[tokio::test]
async fn another_text_is_told_and_another_repository_refused() {
    let world = World::new(None, |_| {}).await;
    let text = "Lines that end\r\nas some editors end them\rand a last\n";
    let id = world.wished(2, text).await;
    let (_, begun) = world.page(&format!("/new?wish={id}")).await;
    let values = &begun["values"];
    // As browsers send it, whatever the ends of its lines are.
    let mut form = filled(values, id);
    form["text"] = json!("Lines that end\r\nas some editors end them\r\nand a last\r\n");
    let (_, review) = preview(&world, &form, "application/json").await;
    assert_eq!((&review["text"], &review["same_text"]), (&json!(text), &json!(true)), "{review}");
    form["text"] = json!("Something else\r\n");
    let (_, review) = preview(&world, &form, "application/json").await;
    assert_eq!(
        (&review["text"], &review["same_text"]),
        (&json!("Something else\n"), &json!(false)),
        "{review}"
    );
    let (_, html) = preview(&world, &form, "text/html").await;
    assert!(html.as_str().unwrap().contains("The text is not the wish's, word for word"), "{html}");

    let mut elsewhere = filled(values, id);
    elsewhere["repository"] = json!("https://example.org/mine");
    let (_, answer) = preview(&world, &elsewhere, "application/json").await;
    let error = answer["errors"]["repository"].as_str().unwrap();
    assert!(error.contains(REPOSITORY), "{answer}");
    // What was changed does not say any more that it comes from somewhere.
    let mut changed = filled(values, id);
    (changed["licence"], changed["target_sat"]) = (json!("GPL-3.0-only"), json!("no number"));
    changed["title"] = json!("of another form");
    let (status, answer) = preview(&world, &changed, "application/json").await;
    assert_eq!((status, answer["code"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_request")), "{answer}");
    changed.as_object_mut().unwrap().remove("title");
    let (_, html) = preview(&world, &changed, "text/html").await;
    let html = html.as_str().unwrap();
    assert!(html.contains("id=\"repository-origin\"") && !html.contains("id=\"licence-origin\""), "{html}");
}

#[tokio::test]
async fn a_wish_that_is_none_or_withdrawn_is_told_clearly() {
    let mut world = World::new(None, |_| {}).await;
    let id = world.wished(2, TEXT).await;
    let other = world.wished(3, "Another").await;
    let elsewhere = "7".repeat(64);
    for (given, status, words) in [
        ("x".to_owned(), 400, "64 lower-case hex digits"),
        (elsewhere.clone(), 404, "there is no wish"),
        (format!("{id}0"), 400, "64 lower-case hex digits"),
    ] {
        let (code, _, html) = world.browse(&format!("/new?wish={given}")).await;
        assert_eq!(code.as_u16(), status, "{given}");
        assert!(html.contains(words), "{html}");
        let (code, _) = preview(&world, &json!({ "wish": given }), "application/json").await;
        assert_eq!(code.as_u16(), status, "{given}");
    }
    let (_, begun) = world.page(&format!("/new?wish={id}")).await;
    world.withdrawn(id, 2).await;
    let (status, _, html) = world.browse(&format!("/new?wish={id}")).await;
    assert!(status == StatusCode::CONFLICT && html.contains("has withdrawn it"), "{status} {html}");
    // Whoever filled it in meanwhile keeps what they wrote, but for what may be a secret.
    let mut form = filled(&begun["values"], id);
    form["text"] = json!("What <i>I</i> made of it");
    form["developer"] = json!(
        "tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK"
    );
    let (status, answer) = preview(&world, &form, "application/json").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (values, error) = (&answer["values"], answer["errors"][""].as_str().unwrap());
    assert!(
        error.contains("has withdrawn it") && error.contains("propose it as a task of its own"),
        "{error}"
    );
    assert_eq!((&values["text"], &values["target_sat"]), (&form["text"], &form["target_sat"]));
    assert!(answer["wish"].is_null() && !answer.to_string().contains("tprv8"), "{answer}");
    let (_, html) = preview(&world, &form, "text/html").await;
    let html = html.as_str().unwrap();
    assert!(
        html.contains("id=\"wrong\"") && html.contains("What &#60;i&#62;I&#60;/i&#62; made of it"),
        "{html}"
    );
    assert!(
        html.contains("name=\"title\"") && !html.contains("name=\"wish\"") && !html.contains("tprv8"),
        "{html}"
    );
    let (_, begun) = world.page(&format!("/new?wish={other}")).await;
    world.restart_with(|policy| policy.hidden.wishes = [other].into()).await;
    let (status, _, html) = world.browse(&format!("/new?wish={other}")).await;
    assert!(status == StatusCode::NOT_FOUND && html.contains("does not show"), "{status} {html}");
    let (status, answer) = preview(&world, &filled(&begun["values"], other), "application/json").await;
    assert!(status == StatusCode::OK && answer["values"]["text"] == "Another", "{answer}");
    assert!(answer["errors"][""].as_str().unwrap().contains("does not show"), "{answer}");
    let (html, json) = world.page("/new?wish=&repository=https%3A%2F%2Fa.example%2F%22%3E").await;
    assert_eq!(json["values"]["repository"], "https://a.example/\">");
    assert!(html.contains("value=\"https://a.example/&#34;&#62;\"") && json["wish"].is_null(), "{html}");
}
