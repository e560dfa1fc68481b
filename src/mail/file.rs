//! One `.eml` file for each mail.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::transport::{DeliveryError, Envelope, Outgoing, Transport};
use crate::model::Timestamp;

/// Writes mails into a folder. A mail that is delivered twice is one file.
pub(super) struct FileTransport {
    dir: PathBuf,
    envelope: Envelope,
}

impl FileTransport {
    pub(super) fn new(dir: PathBuf, envelope: Envelope) -> Self {
        Self { dir, envelope }
    }
}

#[async_trait]
impl Transport for FileTransport {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), DeliveryError> {
        let bytes = self.envelope.wrap(mail)?.formatted();
        let (dir, name) = (self.dir.clone(), name(mail.at, &mail.id));
        let written = tokio::task::spawn_blocking(move || {
            write(&dir, &name, &bytes).map_err(|e| DeliveryError::Failed(format!("{}: {e}", dir.display())))
        });
        written.await.map_err(|e| DeliveryError::Failed(e.to_string()))?
    }
}

/// `20261121T054419.123Z-<id>.eml`: a listing by name is a listing by time.
fn name(at: Timestamp, id: &str) -> String {
    let stamp =
        jiff::Timestamp::from_millisecond(at.millis()).map(|t| t.strftime("%Y%m%dT%H%M%S%.3fZ").to_string());
    format!("{}-{id}.eml", stamp.unwrap_or_else(|_| at.millis().to_string()))
}

/// Whole or not at all, and for this user's eyes only: mails carry links and codes.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let unfinished = dir.join(format!(".{name}.part"));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, dir.join(name))
}
