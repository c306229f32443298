//! `/metrics`: figures in the text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::App;
use crate::clock::Timestamp;

/// The figures.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, weak_wires(&app))
}

/// Who still uses a weak wire: a row for each application that has one, so that a zero can be seen.
fn weak_wires(app: &App) -> String {
    let rules = app.rules();
    let mut apps: Vec<_> = rules.legacy.apps().filter_map(|app| Some((app, app.sunset?))).collect();
    apps.sort_by_key(|(app, _)| &app.service.id);
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, values: &mut dyn Iterator<Item = Option<u64>>| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for ((one, _), value) in apps.iter().zip(values) {
            let Some(value) = value else { continue };
            // Ids and wires are letters, digits, `-` and `_`: nothing to escape.
            let (id, wire) = (&one.service.id, one.wire.name());
            let _ = writeln!(text, "{name}{{app=\"{id}\",wire=\"{wire}\"}} {value}");
        }
    };
    let used: Vec<_> = apps.iter().map(|(one, _)| app.means.legacy.weak_wires.of(&one.service.id)).collect();
    family(
        "relais_legacy_weak_wire_messages_total",
        "counter",
        "Messages accepted on a weak wire since the start.",
        &mut used.iter().map(|used| Some(used.messages)),
    );
    family(
        "relais_legacy_weak_wire_last_message_timestamp_seconds",
        "gauge",
        "When the last of them was accepted.",
        &mut used.iter().map(|used| used.last.map(Timestamp::seconds)),
    );
    family(
        "relais_legacy_weak_wire_sunset_timestamp_seconds",
        "gauge",
        "When the wire is no longer served.",
        &mut apps.iter().map(|(_, sunset)| Some(sunset.seconds())),
    );
    text
}
