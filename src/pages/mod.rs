//! placeholder until the pages land
#![allow(missing_docs, clippy::all, clippy::allow_attributes)]
use maud::{Markup, html};
use crate::message::{Lang, PublicMessage};
use crate::clock::Timestamp;
#[derive(Clone)] pub struct DemoLinks { pub legacy_app: String, pub stub: String, pub management: String }
pub struct Button { pub name: Option<String>, pub href: String }
pub struct ErrorView { pub message: PublicMessage, pub support_code: String, pub when: String, pub button: Button }
pub struct ConfirmView { pub app_name: String, pub person: String, pub action: String, pub token: String }
pub struct LogoutConfirmView { pub app_name: String, pub action: String, pub token: String, pub home_url: String }
pub struct SignedOutView { pub app_name: Option<String>, pub home_url: String }
pub struct HomeView { pub demo: Option<DemoLinks> }
pub fn error(v: &ErrorView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body data-code=(v.message.code()) data-support-code=(v.support_code) { h1 { (v.message.title(lang)) } p { (v.support_code) } a class="button" href=(v.button.href) { "back" } } } } }
pub fn confirm(v: &ConfirmView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { (v.app_name) (v.person) form method="post" action=(v.action) { input type="hidden" name="token" value=(v.token); } } } } }
pub fn logout_confirm(v: &LogoutConfirmView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { form method="post" action=(v.action) { input type="hidden" name="token" value=(v.token); } } } } }
pub fn signed_out(v: &SignedOutView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { a class="button" href=(v.home_url) { "back" } } } } }
pub fn home(_: &HomeView, lang: Lang) -> Markup { html!{ html lang=(lang.tag()) { body { h1 { "relais" } a href="/static/relais.css" {} } } } }
pub fn asset(_: &str) -> Option<(&'static str, &'static [u8])> { Some(("text/css", b"x")) }
pub fn utc(_: Timestamp) -> String { String::new() }
pub fn person(c: &serde_json::Map<String, serde_json::Value>) -> String { c.get("given_name").and_then(|v| v.as_str()).unwrap_or_default().to_owned() }
