//! What can happen to a server, and what is asked of it besides.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::servers::{Server, nobody, signal};

impl Server {
    /// SIGSTOP for all its processes: it is there and says nothing.
    pub fn freeze(&self) {
        signal("-STOP", &self.family());
    }

    pub fn thaw(&self) {
        signal("-CONT", &self.family());
    }
}

/// A certificate of `localhost`, vouched for by itself, and its key, in files that the server may read.
pub fn certificate(directory: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (directory.join("chain.pem"), directory.join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    if let Some((user, group)) = nobody() {
        chown(&key, Some(user), Some(group)).unwrap();
    }
    (chain, key)
}

/// One command, in Redis's inline form; the answer's first bytes.
pub fn tell_redis(server: &Server, command: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    socket.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut answer = [0; 4096];
    let length = socket.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}
