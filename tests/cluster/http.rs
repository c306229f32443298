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

    fn host(&self) -> (&str, &str) {
        self.url.split_once("://").unwrap().1.split_once('/').unwrap()
    }

    /// As it goes over the wire.
    fn text(&self) -> String {
        let (host, target) = self.host();
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let mut head = vec![
            format!("{method} /{target} HTTP/1.1"),
            format!("Host: {host}"),
            "Connection: close".to_owned(),
        ];
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head.push(format!("Cookie: {}", cookies.join("; ")));
        }
        if let Some(authorization) = &self.authorization {
            head.push(format!("Authorization: {authorization}"));
        }
        let body = self.body.as_ref().map_or("", |(_, text)| text);
        if let Some((kind, text)) = &self.body {
            head.push(format!("Content-Type: {kind}"));
            head.push(format!("Content-Length: {}", text.len()));
        }
        format!("{}\r\n\r\n{body}", head.join("\r\n"))
    }
}

pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
    head: String,
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

    /// The header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
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

/// Sends without waiting for the answer.
pub fn send(port: u16, request: &Request) -> Result<TcpStream, Silence> {
    let mut stream = connect(port)?;
    stream.write_all(request.text().as_bytes()).map_err(|_| Silence::Cut)?;
    Ok(stream)
}

/// Sends and reads the answer to its end.
pub fn ask(port: u16, request: &Request) -> Result<Answer, Silence> {
    read(send(port, request)?)
}

/// The same by TLS, with a server that is `name` to one of these authorities.
pub fn ask_tls(
    port: u16,
    name: &str,
    trusts: &Arc<ClientConfig>,
    request: &Request,
) -> Result<Answer, Silence> {
    let name = name.to_owned().try_into().unwrap();
    let session = ClientConnection::new(Arc::clone(trusts), name).unwrap();
    let mut stream = StreamOwned::new(session, connect(port)?);
    stream.write_all(request.text().as_bytes()).map_err(|_| Silence::Cut)?;
    read(stream)
}

fn connect(port: u16) -> Result<TcpStream, Silence> {
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|_| Silence::NotSent)?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The end of a TLS handshake and the request are two small writes.
    stream.set_nodelay(true).unwrap();
    Ok(stream)
}

fn read(mut stream: impl Read) -> Result<Answer, Silence> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|_| Silence::Cut)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or(Silence::Cut)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(Silence::Cut)?;
    let (head, body) = (head.to_owned(), body.to_owned());
    let mut answer = Answer { status, location: None, body, head: head.clone(), set: Cookies::new() };
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("location") {
            answer.location = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("set-cookie")
            && let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('='))
        {
            answer.set.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}
