//! Where the SMTP server is: the URL in its parts.

use percent_encoding::percent_decode_str;

use super::transport::MailError;

/// When the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Never.
    Never,
    /// By STARTTLS, where the server offers it.
    IfOffered,
    /// By STARTTLS; nothing is sent where the server does not offer it.
    StartTls,
    /// From the first byte.
    Always,
}

/// The parts of the URL. No `Debug`: it may carry a password.
pub(super) struct ServerUrl {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    /// User and password.
    pub(super) login: Option<(String, String)>,
    /// What to call ourselves; this machine's name when the URL has no path.
    pub(super) hello: Option<String>,
}

impl ServerUrl {
    /// Reads `smtps://user:password@host:port`, `smtp://…?tls=required`, `…?tls=opportunistic` or `smtp://host`.
    ///
    /// # Errors
    /// [`MailError`]; it does not repeat the URL.
    pub(super) fn parse(url: &str) -> Result<Self, MailError> {
        let (secure, rest) = match (url.strip_prefix("smtps://"), url.strip_prefix("smtp://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(MailError::Url("it does not start with smtps:// or smtp://")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, place) =
            authority.rsplit_once('@').map_or((None, authority), |(u, place)| (Some(u), place));
        let encryption = encryption(secure, query)?;
        let (host, port) = host_and_port(place)?;
        let port = port.unwrap_or(match encryption {
            Encryption::Never => 25,
            Encryption::IfOffered | Encryption::StartTls => 587,
            Encryption::Always => 465,
        });
        let login = userinfo.and_then(|u| u.split_once(':')).map(|(u, p)| Ok((decoded(u)?, decoded(p)?)));
        let hello = Some(path.trim_matches('/').to_owned()).filter(|p| !p.is_empty());
        let server = Self { host, port, encryption, login: login.transpose()?, hello };
        if server.login.is_some() && server.may_be_overheard() {
            return Err(MailError::PlainPassword);
        }
        Ok(server)
    }

    /// Whether somebody on the way could read along. A server on this machine is exempt.
    fn may_be_overheard(&self) -> bool {
        let local = ["localhost", "127.0.0.1", "::1"].contains(&self.host.as_str());
        !local && matches!(self.encryption, Encryption::Never | Encryption::IfOffered)
    }
}

fn encryption(secure: bool, query: &str) -> Result<Encryption, MailError> {
    let wanted = query.split('&').find_map(|pair| pair.strip_prefix("tls="));
    match (secure, wanted) {
        (true, _) => Ok(Encryption::Always),
        (false, None) => Ok(Encryption::Never),
        (false, Some("required")) => Ok(Encryption::StartTls),
        (false, Some("opportunistic")) => Ok(Encryption::IfOffered),
        (false, Some(_)) => Err(MailError::Url("`tls` is neither `required` nor `opportunistic`")),
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), MailError> {
    let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
        Some((host, "")) => (host, None),
        // A port without its colon is no number either.
        Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("?"))),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(named) {
        return Err(MailError::Url("it names no host"));
    }
    let port = port.map(|p| p.parse().map_err(|_| MailError::Url("its port is no number")));
    Ok((host.to_ascii_lowercase(), port.transpose()?))
}

fn decoded(text: &str) -> Result<String, MailError> {
    let bytes = percent_decode_str(text).decode_utf8();
    bytes.map(Into::into).map_err(|_| MailError::Url("user or password is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_their_parts() {
        for (url, host, port, encryption) in [
            ("smtps://mx.example", "mx.example", 465, Encryption::Always),
            ("smtp://Mx.Example/me.example?tls=required", "mx.example", 587, Encryption::StartTls),
            ("smtp://mx.example?tls=opportunistic", "mx.example", 587, Encryption::IfOffered),
            ("smtp://[::1]:2525", "::1", 2525, Encryption::Never),
            ("smtp://[::1]", "::1", 25, Encryption::Never),
        ] {
            let server = ServerUrl::parse(url).ok().unwrap();
            assert_eq!(
                (server.host.as_str(), server.port, server.encryption),
                (host, port, encryption),
                "{url}"
            );
            assert_eq!(server.hello.is_some(), url.contains("me.example"), "{url}");
        }
        let server = ServerUrl::parse("smtps://a%40b.example:p%3A%2F%40s@mx.example").ok().unwrap();
        assert_eq!(server.login, Some(("a@b.example".into(), "p:/@s".into())));
    }

    #[test]
    fn what_is_no_server() {
        for url in [
            "smtp://",
            "smtps://u:p@",
            "smtp://h:p",
            "smtp://h:99999",
            "smtp://h?tls=no",
            "smtp://a b",
            "http://h",
            "h",
            "smtp://[::1]25",
        ] {
            assert!(matches!(ServerUrl::parse(url), Err(MailError::Url(_))), "{url}");
        }
    }
}
