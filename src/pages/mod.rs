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
pub fn error(v: &ErrorView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body data-code=(v.message.code()) data-support-code=(v.support_code) { h1 { (v.message.title(lang)) } p { (v.support_code) } a class="button" href=(v.button.href) { "back" } } } } }
    html! {}
}
pub fn confirm(v: &ConfirmView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { (v.app_name) (v.person) form method="post" action=(v.action) { input type="hidden" name="token" value=(v.token); } } } } }
    html! {}
}
pub fn logout_confirm(v: &LogoutConfirmView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { form method="post" action=(v.action) { input type="hidden" name="token" value=(v.token); } } } } }
    html! {}
}
pub fn signed_out(v: &SignedOutView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { a class="button" href=(v.home_url) { "back" } } } } }
    html! {}
}
pub fn home(_: &HomeView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { h1 { "relais" } a href="/static/relais.css" {} } } } }
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
