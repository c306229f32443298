//! placeholder until the pages land
#![allow(missing_docs, clippy::all)]
use crate::clock::Timestamp;
use crate::message::{Lang, PublicMessage};
use maud::{Markup, html};
#[derive(Clone)]
pub struct DemoLinks {}
pub struct Button {
    pub name: Option<String>,
    pub href: String,
}
pub struct ErrorView {
    pub message: PublicMessage,
    pub support_code: String,
    pub when: String,
    pub button: Button,
}
pub struct ConfirmView {
    pub app_name: String,
    pub person: String,
    pub action: String,
    pub token: String,
}
pub struct LogoutConfirmView {
    pub app_name: String,
    pub action: String,
    pub token: String,
    pub home_url: String,
}
pub struct SignedOutView {
    pub app_name: Option<String>,
    pub home_url: String,
}
pub struct HomeView {
    pub demo: Option<DemoLinks>,
}
pub fn error(_: &ErrorView, _: Lang) -> Markup {
    html! {}
}
pub fn confirm(_: &ConfirmView, _: Lang) -> Markup {
    html! {}
}
pub fn logout_confirm(_: &LogoutConfirmView, _: Lang) -> Markup {
    html! {}
}
pub fn signed_out(_: &SignedOutView, _: Lang) -> Markup {
    html! {}
}
pub fn home(_: &HomeView, _: Lang) -> Markup {
    html! {}
}
pub fn asset(_: &str) -> Option<(&'static str, &'static [u8])> {
    None
}
pub fn utc(_: Timestamp) -> String {
    String::new()
}
pub fn person(_: &serde_json::Map<String, serde_json::Value>) -> String {
    String::new()
}
