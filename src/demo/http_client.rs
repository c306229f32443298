//! A bare HTTP/1.1 client that keeps its connection: cheap enough to load a relay from the same machine.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// One connection.
pub(super) struct HttpClient {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    line: String,
}

/// What matters of an answer.
#[derive(Default)]
pub(super) struct Reply {
    pub status: u16,
    pub location: Option<String>,
    /// `name=value` of each cookie set.
    pub cookies: Vec<String>,
}

impl HttpClient {
    pub(super) async fn connect(host: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host, line: String::new() })
    }

    /// One GET; `target` is path and query.
    pub(super) async fn get(&mut self, target: &str, fields: &[(&str, String)]) -> io::Result<Reply> {
        let mut head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        let mut reply = Reply::default();
        let mut length = 0;
        loop {
            self.line.clear();
            if self.stream.read_line(&mut self.line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = self.line.trim_end();
            if line.is_empty() {
                break;
            }
            if reply.status == 0 {
                reply.status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(1);
            } else if let Some((name, value)) = line.split_once(": ") {
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.parse().map_err(io::Error::other)?;
                } else if name.eq_ignore_ascii_case("location") {
                    reply.location = Some(value.to_owned());
                } else if name.eq_ignore_ascii_case("set-cookie") {
                    reply.cookies.extend(value.split(';').next().map(str::to_owned));
                }
            }
        }
        let mut rest = (&mut self.stream).take(length);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        Ok(reply)
    }
}
