//! A browser: cookies by host (ports do not part them), redirects, forms.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use http_body_util::BodyExt as _;
use relais::peer::Peer;
use tower::ServiceExt as _;
use url::Url;

use super::{RELAY, World};

/// What a browser shows: the last answer, or the address of an application that is not part of the world.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Page {
    /// The address that the answer redirects to.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(header::LOCATION).map(|value| value.to_str().unwrap())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What a person sees of it, before they choose another language.
    pub fn shown(&self) -> &str {
        self.body.split("<div class=\"page other\"").next().unwrap_or_default()
    }

    /// The public code that an error page shows.
    pub fn code(&self) -> String {
        self.codes().first().copied().unwrap_or("none").to_owned()
    }

    /// The codes that an error page shows: the public one, then the support code.
    fn codes(&self) -> Vec<&str> {
        let codes = self.body.split("<code translate=\"no\">").skip(1);
        codes.filter_map(|rest| rest.split('<').next()).collect()
    }

    /// The support code that an error page shows.
    pub fn support_code(&self) -> String {
        self.codes()[1].to_owned()
    }

    /// The target of the page's one button.
    pub fn button(&self) -> String {
        let shown = self.shown();
        let buttons: Vec<_> = shown.match_indices("class=\"button\"").collect();
        assert_eq!(buttons.len(), 1, "exactly one button in {shown}");
        let start = shown[..buttons[0].0].rfind("<a ").unwrap();
        attribute(&shown[start..], "href").unwrap()
    }

    /// The action and the hidden fields of the page's form.
    pub fn form(&self) -> (String, Vec<(String, String)>) {
        let start = self.body.find("<form").unwrap_or_else(|| panic!("no form in {}", self.body));
        let form = &self.body[start..];
        let form = &form[..form.find("</form>").unwrap()];
        let action = attribute(form, "action").unwrap();
        let hidden = form.match_indices("<input type=\"hidden\"").map(|(at, _)| {
            (attribute(&form[at..], "name").unwrap(), attribute(&form[at..], "value").unwrap())
        });
        (action, hidden.collect())
    }
}

fn attribute(html: &str, name: &str) -> Option<String> {
    let tag = &html[..html.find('>')?];
    let at = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[at..].split('"').next()?;
    Some(value.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">"))
}

/// One browser.
#[derive(Clone)]
pub struct Browser<'w> {
    world: &'w World,
    pub cookies: BTreeMap<String, String>,
    pub address: SocketAddr,
    /// A `Cookie` field sent as it is, in place of the cookies.
    pub raw_cookie: Option<Vec<u8>>,
    /// Header fields sent with every request.
    pub fields: Vec<(String, String)>,
}

impl<'w> Browser<'w> {
    pub fn new(world: &'w World) -> Self {
        Self {
            world,
            cookies: BTreeMap::new(),
            address: ([192, 0, 2, 7], 40_000).into(),
            raw_cookie: None,
            fields: Vec::new(),
        }
    }

    pub fn at(mut self, address: &str) -> Self {
        self.address = format!("{address}:40000").parse().unwrap();
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same browser with these header fields and no others.
    pub fn raw_fields(&self, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { fields, ..self.clone() }
    }

    /// One GET, no redirect followed.
    pub async fn get(&mut self, url: &str) -> Page {
        self.send("GET", url, None).await
    }

    /// One POST of a form, no redirect followed.
    pub async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", url, Some(body)).await
    }

    /// GETs and follows redirects until a page, or until an application that is not part of the world.
    pub async fn open(&mut self, url: &str) -> Page {
        let page = self.get(url).await;
        self.follow(page).await
    }

    /// Follows the redirects of `page`.
    pub async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..20 {
            let Some(location) = page.location() else { return page };
            let next = Url::parse(&page.url).unwrap().join(location).unwrap();
            if !self.knows(next.as_str()) {
                return Page {
                    url: location.to_owned(),
                    status: 0,
                    headers: HeaderMap::new(),
                    body: String::new(),
                };
            }
            page = self.get(next.as_str()).await;
        }
        panic!("too many redirects at {}", page.url);
    }

    /// Submits the page's form with one more field, and follows.
    pub async fn submit(&mut self, page: &Page, button: (&str, &str)) -> Page {
        let answer = self.click(page, button).await;
        self.follow(answer).await
    }

    /// Submits the page's form with one more field; no redirect is followed.
    pub async fn click(&mut self, page: &Page, button: (&str, &str)) -> Page {
        let (action, mut fields) = page.form();
        fields.push((button.0.to_owned(), button.1.to_owned()));
        let url = Url::parse(&page.url).unwrap().join(&action).unwrap();
        self.post(url.as_str(), &fields).await
    }

    /// Says yes on the relay's confirmation page.
    pub async fn confirm(&mut self, page: &Page) -> Page {
        assert!(page.body.contains("/idp/confirm"), "not the confirmation page: {}", page.body);
        self.submit(page, ("decision", "yes")).await
    }

    fn knows(&self, url: &str) -> bool {
        url.starts_with(RELAY) || url.starts_with(&self.world.stub_base)
    }

    pub async fn send(&mut self, method: &str, url: &str, form: Option<String>) -> Page {
        let parsed = Url::parse(url).unwrap();
        let host = parsed.authority().to_owned();
        let target =
            url.split_once("://").unwrap().1.split_once('/').map_or("/".to_owned(), |(_, p)| format!("/{p}"));
        let mut request = Request::builder().method(method).uri(target).header(header::HOST, host);
        if let Some(cookie) = &self.raw_cookie {
            request = request.header(header::COOKIE, cookie.as_slice());
        } else if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request = request.extension(Peer::at(self.address));
        let request = request.body(Body::from(form.unwrap_or_default())).unwrap();
        let router =
            if url.starts_with(&self.world.stub_base) { &self.world.stub_router } else { &self.world.relay };
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Page { url: url.to_owned(), status: parts.status.as_u16(), headers: parts.headers, body }
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        if attributes.to_ascii_lowercase().contains("max-age=0") || value.is_empty() {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Browser<'_> {
    /// One GET at the relay under another `Host`.
    pub async fn send_to(&mut self, host: &str, target: &str) -> Page {
        let request = Request::builder()
            .uri(target)
            .header(header::HOST, host)
            .extension(Peer::at(self.address))
            .body(Body::empty())
            .unwrap();
        let response = self.world.relay.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Page {
            url: format!("http://{host}{target}"),
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }
}
