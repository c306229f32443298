//! A browser and an application's server, one connection per request, to the node that the test chooses.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// The cookies of one browser, whatever the host: names tell relay and provider apart.
pub type Cookies = BTreeMap<String, String>;

/// One request as it goes over the wire; it can be sent again.
#[derive(Clone)]
pub struct Request {
    pub url: String,
    /// Its type and text make it a POST.
    pub body: Option<(&'static str, String)>,
    pub authorization: Option<String>,
    pub cookies: Cookies,
}

impl Request {
    pub fn get(url: &str, cookies: &Cookies) -> Self {
        Self { url: url.to_owned(), body: None, authorization: None, cookies: cookies.clone() }
    }

    pub fn post(url: &str, form: &[(&str, &str)], cookies: &Cookies) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        Self { body: Some(("application/x-www-form-urlencoded", form)), ..Self::get(url, cookies) }
    }

    /// An operator's order.
    pub fn order(url: &str, json: &str) -> Self {
        Self { body: Some(("application/json", json.to_owned())), ..Self::get(url, &Cookies::new()) }
    }
}

pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub retry_after: Option<String>,
    pub body: String,
    pub set: Cookies,
}

impl Answer {
    /// Adds the cookies that it sets, and forgets none.
    pub fn add(&self, cookies: &mut Cookies) {
        cookies.extend(
            self.set.iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.clone(), v.clone())),
        );
    }

    /// Keeps the cookies that it sets.
    pub fn keep(&self, cookies: &mut Cookies) {
        for (name, value) in &self.set {
            if value.is_empty() {
                cookies.remove(name);
            } else {
                cookies.insert(name.clone(), value.clone());
            }
        }
    }

    /// The token of the page's form.
    pub fn token(&self) -> Option<&str> {
        self.body.split_once("name=\"token\" value=\"")?.1.split('"').next()
    }
}

/// No answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listens: the request was not sent, and may go to another node.
    NotSent,
    /// It was sent, and what became of it is not known.
    Cut,
}

fn connect(port: u16) -> Result<TcpStream, Silence> {
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|_| Silence::NotSent)?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Ok(stream)
}

fn host(request: &Request) -> (&str, &str) {
    request.url.split_once("://").unwrap().1.split_once('/').unwrap()
}

/// As it goes over the wire.
fn text(request: &Request) -> String {
    let (host, target) = host(request);
    let method = if request.body.is_some() { "POST" } else { "GET" };
    let mut head =
        vec![format!("{method} /{target} HTTP/1.1"), format!("Host: {host}"), "Connection: close".to_owned()];
    if !request.cookies.is_empty() {
        let cookies: Vec<_> = request.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        head.push(format!("Cookie: {}", cookies.join("; ")));
    }
    if let Some(authorization) = &request.authorization {
        head.push(format!("Authorization: {authorization}"));
    }
    let body = request.body.as_ref().map_or("", |(_, text)| text);
    if let Some((kind, text)) = &request.body {
        head.push(format!("Content-Type: {kind}"));
        head.push(format!("Content-Length: {}", text.len()));
    }
    format!("{}\r\n\r\n{body}", head.join("\r\n"))
}

/// Sends without waiting for the answer.
pub fn send(port: u16, request: &Request) -> Result<TcpStream, Silence> {
    let mut stream = connect(port)?;
    stream.write_all(text(request).as_bytes()).map_err(|_| Silence::Cut)?;
    Ok(stream)
}

/// Sends and reads the answer to its end.
pub fn ask(port: u16, request: &Request) -> Result<Answer, Silence> {
    read(send(port, request)?)
}

/// The same over TLS, where the server has a certificate for the name that is asked.
pub fn ask_over_tls(port: u16, tls: &Arc<ClientConfig>, request: &Request) -> Result<Answer, Silence> {
    let name = host(request).0.to_owned().try_into().unwrap();
    let session = ClientConnection::new(Arc::clone(tls), name).unwrap();
    let mut stream = StreamOwned::new(session, connect(port)?);
    stream.write_all(text(request).as_bytes()).map_err(|_| Silence::Cut)?;
    read(stream)
}

fn read(mut stream: impl Read) -> Result<Answer, Silence> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|_| Silence::Cut)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or(Silence::Cut)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(Silence::Cut)?;
    let (location, retry_after) = (None, None);
    let mut answer = Answer { status, location, retry_after, body: body.to_owned(), set: Cookies::new() };
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("location") {
            answer.location = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("retry-after") {
            answer.retry_after = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("set-cookie")
            && let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('='))
        {
            answer.set.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}
