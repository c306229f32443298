//! The control API described for machines (`OpenAPI` 3.1), from the list that its router is made of.

use serde_json::{Map, Value, json};

use super::control::OPERATIONS;

/// The document.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for one in OPERATIONS {
        let mut operation = json!({
            "summary": one.about,
            "operationId": format!("{}{}", one.method, one.path.replace(['/', '{', '}', '.'], "_")),
            "responses": {
                "2XX": { "description": "Done; JSON where there is something to say" },
                "4XX": { "description": "Refused", "content": { "application/json": { "schema": {
                    "type": "object", "required": ["error"], "properties": { "error": { "type": "string" } },
                } } } },
            },
        });
        let members = operation.as_object_mut();
        if let (Some(members), Some(example)) = (members, one.body) {
            let content = match serde_json::from_str::<Value>(example) {
                Ok(example) => {
                    json!({ "application/json": { "schema": { "type": "object" }, "example": example } })
                }
                Err(_) => {
                    json!({ "application/toml": { "schema": { "type": "string" }, "example": example } })
                }
            };
            members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        }
        let path = paths.entry(one.path).or_insert_with(|| {
            if one.path.contains("{id}") {
                let id =
                    json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
                json!({ "parameters": [id] })
            } else {
                json!({})
            }
        });
        if let Some(path) = path.as_object_mut() {
            path.insert(one.method.to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "stub-upstream control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a test changes and reads. Below /ns/NAME the same API is that of a namespace, \
                            which comes into being when it is first named.",
        },
        "servers": [{ "url": "/_stub/api/v1" }, {
            "url": "/ns/{namespace}/_stub/api/v1",
            "variables": { "namespace": { "default": "test" } },
        }],
        "paths": paths,
    })
}
