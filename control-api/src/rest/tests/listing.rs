use serde_json::json;

use super::bed::{Bed, body};

async fn names(bed: &Bed, query: &str) -> Vec<String> {
    let answer = bed.get(&format!("/api/v1/user{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let users = answer.json.as_array().unwrap().clone();
    users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn users_are_listed_by_name_in_pages() {
    let bed = Bed::new().await;
    for name in ["b", "a", "B"] {
        bed.add(&body(name)).await;
    }
    assert_eq!(names(&bed, "").await, ["B", "a", "b"]);
    assert_eq!(names(&bed, "?order=DESC").await, ["b", "a", "B"]);
    assert_eq!(names(&bed, "?order=ASC&limit=1&offset=1").await, ["a"]);
    assert_eq!(names(&bed, "?limit=900").await.len(), 3);
    assert_eq!(names(&bed, "?username=b").await, ["b"]);
    assert_eq!(names(&bed, "?username=b&offset=1").await, [""; 0]);
    assert_eq!(bed.get("/api/v1/user?limit=0").await.json, json!([]));
    assert_eq!(bed.get("/api/v1/user?username=nobody").await.json, json!([]));
}

#[tokio::test]
async fn more_than_500_are_cut_to_500_and_100_are_the_default() {
    let bed = Bed::new().await;
    for index in 0..505 {
        bed.add(&body(&format!("user{index:03}"))).await;
    }
    assert_eq!(names(&bed, "?limit=900").await.len(), 500);
    assert_eq!(names(&bed, "?limit=99999999999").await.len(), 500);
    assert_eq!(names(&bed, "").await.len(), 100);
}

#[tokio::test]
async fn bad_parameters_are_refused() {
    let bed = Bed::new().await;
    for query in [
        "limit=x",
        "limit=",
        "limit=-1",
        "limit=1.5",
        "offset=x",
        "offset=",
        "offset=-1",
        "order=",
        "order=asc",
        "order=UP",
        "offset=99999999999999999999",
    ] {
        let answer = bed.get(&format!("/api/v1/user?{query}")).await;
        assert_eq!((answer.status, &answer.json["status"]), (400, &json!(400)), "{query}");
    }
}
