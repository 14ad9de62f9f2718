use std::collections::BTreeSet;

use ferryd_rest::paths;
use serde_json::Value;

use super::bed::Bed;

const METHODS: [&str; 7] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"];

fn schema() -> Value {
    serde_yaml::from_str(crate::rest::SCHEMA).unwrap()
}

fn described() -> BTreeSet<(String, String)> {
    let schema = schema();
    let mut routes = BTreeSet::new();
    for (path, item) in schema["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().map(|key| key.to_uppercase()) {
            if METHODS.contains(&method.as_str()) {
                routes.insert((path.clone(), method));
            }
        }
    }
    routes
}

#[test]
fn the_schema_describes_every_route_and_no_other() {
    let listed: BTreeSet<_> = paths::ROUTES
        .into_iter()
        .flat_map(|(path, methods)| {
            methods.iter().map(move |method| (path.to_owned(), (*method).to_owned()))
        })
        .collect();
    assert_eq!(described(), listed);
}

#[tokio::test]
async fn the_router_answers_the_described_methods_and_no_other() {
    let bed = Bed::new().await;
    let described = described();
    for (path, _) in paths::ROUTES {
        for method in METHODS {
            let known = described.contains(&(path.to_owned(), method.to_owned()));
            let status = bed.call(method, &path.replace("{id}", "x"), "").await.status;
            assert_eq!(status != 405, known, "{method} {path}: {status}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, schema: &Value, seen: &mut usize) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    *seen += 1;
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(schema.pointer(pointer).is_some(), "{reference}");
                }
                map.values().for_each(|value| walk(value, schema, seen));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, schema, seen)),
            _ => {}
        }
    }
    let schema = schema();
    let mut seen = 0;
    walk(&schema, &schema, &mut seen);
    assert!(seen > 50);
}

#[test]
fn every_field_of_a_user_is_described() {
    let account = ferryd_domain::Account {
        password: ferryd_domain::Secret::new("x".into()),
        public_keys: vec![String::new()],
        virtual_folders: vec![ferryd_domain::VirtualFolder::default()],
        unreadable: vec![String::new()],
        ..ferryd_domain::Account::default()
    };
    let fields = serde_json::to_value(&account).unwrap();
    let schema = schema();
    let described = schema["components"]["schemas"]["User"]["properties"].as_object().unwrap();
    let left: BTreeSet<_> = fields.as_object().unwrap().keys().collect();
    assert_eq!(left, described.keys().collect());
}

#[tokio::test]
async fn the_schema_is_served() {
    let answer = Bed::new().await.get("/openapi.yaml").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, crate::rest::SCHEMA));
}
