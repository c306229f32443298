//! A line to a server, which can fall silent, refuse, and heal.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use super::nodes::port;

const OPEN: u8 = 0;
/// Connections stand, and nothing comes through; new ones are not answered.
const SILENT: u8 = 1;
/// Connections are gone, and new ones refused.
const REFUSED: u8 = 2;
const OVER: u8 = 3;

const TURN: Duration = Duration::from_millis(2);

pub struct Link {
    pub port: u16,
    pub to: u16,
    state: Arc<AtomicU8>,
}

impl Link {
    pub fn to(to: u16) -> Self {
        let (port, state) = (port(), Arc::new(AtomicU8::new(OPEN)));
        let mut listener = Some(listen(port));
        let seen = Arc::clone(&state);
        thread::spawn(move || {
            loop {
                match seen.load(Ordering::SeqCst) {
                    OVER => return,
                    REFUSED => listener = None,
                    OPEN => match listener.get_or_insert_with(|| listen(port)).accept() {
                        Ok((near, _)) => join(near, to, &seen),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    },
                    _ => {}
                }
                thread::sleep(TURN);
            }
        });
        Self { port, to, state }
    }

    pub fn fall_silent(&self) {
        self.state.store(SILENT, Ordering::SeqCst);
    }

    pub fn refuse(&self) {
        self.state.store(REFUSED, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.state.store(OPEN, Ordering::SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.store(OVER, Ordering::SeqCst);
    }
}

fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn join(near: TcpStream, to: u16, state: &Arc<AtomicU8>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { return };
    let ways = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
    for (from, onto) in ways {
        let (state, from, onto) = (Arc::clone(state), from.unwrap(), onto.unwrap());
        from.set_nonblocking(false).unwrap();
        from.set_read_timeout(Some(TURN)).unwrap();
        onto.set_nodelay(true).unwrap();
        thread::spawn(move || carry(from, onto, &state));
    }
}

fn carry(mut from: TcpStream, mut onto: TcpStream, state: &AtomicU8) {
    let mut buffer = [0; 16_384];
    let mut carried = 0;
    loop {
        match state.load(Ordering::SeqCst) {
            OPEN if carried > 0 => {
                if onto.write_all(&buffer[..carried]).is_err() {
                    break;
                }
                carried = 0;
            }
            OPEN => match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => carried = count,
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
                Err(_) => break,
            },
            SILENT => thread::sleep(TURN),
            _ => break,
        }
    }
    for stream in [from, onto] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
