//! The root seal key, and the rules for files that hold secrets.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize as _, Zeroizing};

use crate::entropy::Entropy;
use crate::secret::Secret;

/// The greatest size of a file that holds a secret, in bytes.
pub const SECRET_FILE_CEILING: u64 = 64 * 1024;

/// Where the root seal key comes from: 256 bits, from which the store's keys are derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealKeySource {
    /// A file of 64 hexadecimal digits, which only its owner may read.
    File(PathBuf),
}

/// Why there is no root seal key.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// The file is not one to read a secret from.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// It is not a key.
    #[error("{} must hold 64 hexadecimal digits, such as `openssl rand -hex 32` prints", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// It could not be made.
    #[error("cannot make the seal key {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SealKeySource {
    /// The key.
    pub fn load(&self) -> Result<Secret<[u8; 32]>, SealKeyError> {
        let Self::File(path) = self;
        let digits = read_secret_file(path)?;
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits.expose(), key.as_mut_slice())
            .map_err(|_| SealKeyError::NotAKey { path: path.clone() })?;
        Ok(Secret::new(*key))
    }

    /// The key, made with mode 0600 if there is none yet. Never overwrites; of two processes that make it at
    /// once, both get the same. Not for a place where records were sealed before: a key made anew opens none.
    pub fn load_or_create(&self, entropy: &dyn Entropy) -> Result<Secret<[u8; 32]>, SealKeyError> {
        let Self::File(path) = self;
        match self.load() {
            Err(SealKeyError::File(SecretFileError::Missing { .. })) => {
                create(path, entropy)
                    .map_err(|source| SealKeyError::Create { path: path.clone(), source })?;
                self.load()
            }
            loaded => loaded,
        }
    }
}

/// Writes a key beside `path` and links it there: it appears whole, and only where nothing is.
fn create(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut suffix = [0; 8];
    entropy.fill(&mut suffix);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", hex::encode(suffix)));
    let beside = PathBuf::from(beside);
    let made = write_key(&beside, entropy).and_then(|()| match std::fs::hard_link(&beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let cleared = std::fs::remove_file(&beside);
    made?;
    cleared?;
    // The key must outlive a power cut that the first record survives.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn write_key(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut digits = Zeroizing::new([0; 64]);
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(key.as_mut_slice());
    hex::encode_to_slice(*key, digits.as_mut_slice()).map_err(io::Error::other)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(digits.as_slice())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Why a file's secret was not read. None of the texts shows what is in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It is not there.
    #[error("the secret file {} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the secret file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("the secret file {} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others may read or change it.
    #[error("the secret file {} has mode {mode:04o}, open to group or others: `chmod 600` it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is over [`SECRET_FILE_CEILING`].
    #[error("the secret file {} is larger than 64 KiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// An editor has put a mark before the text, which nobody sees and every comparison does.
    #[error("the secret file {} begins with a byte order mark: write it without", path.display())]
    ByteOrderMark {
        /// The file.
        path: PathBuf,
    },
    /// It is not UTF-8.
    #[error("the secret file {} is not text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("the secret file {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// What some editors put before a text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text in a file that only its owner may read or change, without the line ends that close it.
pub fn read_secret_file(path: &Path) -> Result<Secret<String>, SecretFileError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SecretFileError::Missing { path: path.to_owned() },
        _ => SecretFileError::Io { path: path.to_owned(), source },
    };
    // Before it is opened, since to open a pipe is to wait for its other end; and after, since what is read
    // must be what was looked at.
    check(path, &std::fs::metadata(path).map_err(io)?)?;
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    check(path, &metadata)?;

    // With room for all of it from the start, so that growth leaves no copies behind.
    let room = usize::try_from(metadata.len() + 1).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(SECRET_FILE_CEILING + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > SECRET_FILE_CEILING {
        return Err(SecretFileError::TooLarge { path: path.to_owned() });
    }
    let mut text = String::from_utf8(std::mem::take(&mut bytes)).map_err(|error| {
        error.into_bytes().zeroize();
        SecretFileError::NotText { path: path.to_owned() }
    })?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.starts_with(BYTE_ORDER_MARK) {
        text.zeroize();
        return Err(SecretFileError::ByteOrderMark { path: path.to_owned() });
    }
    if text.is_empty() {
        return Err(SecretFileError::Empty { path: path.to_owned() });
    }
    Ok(Secret::new(text))
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), SecretFileError> {
    let path = path.to_owned();
    if !metadata.is_file() {
        return Err(SecretFileError::NotAFile { path });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Open { path, mode });
    }
    if metadata.len() > SECRET_FILE_CEILING {
        return Err(SecretFileError::TooLarge { path });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use std::fs::{Permissions, create_dir, read_dir, set_permissions, write};

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
            let path = self.0.path().join("secret");
            write(&path, content).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    #[test]
    fn the_line_end_does_not_belong_to_the_secret() {
        let place = Place::new();
        for (content, secret) in
            [("s3 cret\n", "s3 cret"), (" x\r\n", " x"), ("x", "x"), ("a\nb\n\n", "a\nb")]
        {
            assert_eq!(read_secret_file(&place.file(content, 0o400)).ok().unwrap().expose(), secret);
        }
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let place = Place::new();
        for mode in [0o640, 0o604, 0o620, 0o601, 0o644, 0o777] {
            let error = read_secret_file(&place.file("hush", mode)).err().unwrap();
            assert!(matches!(error, SecretFileError::Open { mode: found, .. } if found == mode));
            let text = error.to_string();
            assert!(
                text.contains("chmod 600") && text.contains("secret") && !text.contains("hush"),
                "{text}"
            );
        }
        for mode in [0o600, 0o400, 0o700] {
            assert!(read_secret_file(&place.file("hush", mode)).is_ok());
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let place = Place::new();
        let error = |path: &Path| read_secret_file(path).err().unwrap();
        assert!(matches!(error(&place.0.path().join("none")), SecretFileError::Missing { .. }));
        assert!(matches!(error(&place.file("\n", 0o600)), SecretFileError::Empty { .. }));
        assert!(matches!(error(&place.file([0xFF, 0xFE], 0o600)), SecretFileError::NotText { .. }));
        assert!(matches!(error(&place.file(vec![b'x'; 65_537], 0o600)), SecretFileError::TooLarge { .. }));
        assert!(read_secret_file(&place.file(vec![b'x'; 65_536], 0o600)).is_ok());
        let directory = place.0.path().join("directory");
        create_dir(&directory).unwrap();
        assert!(matches!(error(&directory), SecretFileError::NotAFile { .. }));
        assert!(matches!(error(Path::new("/dev/null")), SecretFileError::NotAFile { .. }));
    }

    #[test]
    fn a_key_is_64_digits() {
        let place = Place::new();
        let load = |content: &str| SealKeySource::File(place.file(content, 0o600)).load();
        assert_eq!(load(&"0aB1".repeat(16)).ok().unwrap().expose()[..2], [0x0A, 0xB1]);
        let (short, long) = ("a".repeat(62), "a".repeat(66));
        for content in [short.as_str(), &long, &"g".repeat(64), &format!(" {}", "a".repeat(63))] {
            let error = load(content).err().unwrap();
            assert!(matches!(error, SealKeyError::NotAKey { .. }));
            assert!(!error.to_string().contains(content));
        }
    }

    #[test]
    fn the_first_start_makes_a_key_and_the_next_finds_it() {
        let place = Place::new();
        let source = SealKeySource::File(place.0.path().join("seal.key"));
        assert!(matches!(source.load(), Err(SealKeyError::File(SecretFileError::Missing { .. }))));
        let starts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| source.load_or_create(&SystemEntropy::new()).ok().unwrap()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(starts.iter().all(|key| *key == starts[0]), "all got the same");
        assert!(source.load().ok().unwrap() == starts[0]);
        let files: Vec<_> = read_dir(place.0.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1, "nothing is left beside it");
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_bad_key_is_never_overwritten() {
        let place = Place::new();
        let path = place.file("truncated", 0o600);
        let made = SealKeySource::File(path.clone()).load_or_create(&SystemEntropy::new());
        assert!(matches!(made, Err(SealKeyError::NotAKey { .. })));
        assert_eq!(std::fs::read(path).unwrap(), b"truncated");
        let nowhere = SealKeySource::File(place.0.path().join("missing").join("seal.key"));
        let made = nowhere.load_or_create(&SystemEntropy::new());
        assert!(matches!(made, Err(SealKeyError::Create { .. })));
    }
}
