//! Readers of single values. Each answers with the likely fix when the text is none of its kind.

use std::time::Duration;

use ipnet::IpNet;

#[cfg(feature = "gateway")]
use crate::limiter::Quota;

/// `10s`, `15m`, `1h`, `30d`, `500ms`.
///
/// # Errors
/// The likely fix.
pub(in crate::config) fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = split(text);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if !digits.is_empty() => {
            return Err(format!("add the unit: {digits}s for seconds, {digits}m for minutes"));
        }
        _ => return Err("the units are ms, s, m, h and d; one number with one unit".into()),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| "write one whole number with one unit, such as 90s".into())
}

/// `512B`, `64KiB`, `19MiB`, `1GiB`, in bytes.
///
/// # Errors
/// The likely fix.
pub(in crate::config) fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = split(text);
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" if !digits.is_empty() => {
            return Err(format!("add the unit: {digits}B, {digits}KiB or {digits}MiB"));
        }
        "k" | "K" | "KB" | "kB" | "kib" => return Err(format!("write {digits}KiB")),
        "m" | "M" | "MB" | "mb" | "mib" => return Err(format!("write {digits}MiB")),
        "g" | "G" | "GB" | "gb" | "gib" => return Err(format!("write {digits}GiB")),
        _ => return Err("the units are B, KiB, MiB and GiB".into()),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(|| "write one whole number with one unit, such as 64KiB".into())
}

/// `5/1m`: at most 5 tries within one minute.
///
/// # Errors
/// The likely fix.
#[cfg(feature = "gateway")]
pub(in crate::config) fn quota(text: &str) -> Result<Quota, String> {
    let (count, window) = text.split_once('/').ok_or("write tries, `/` and a duration, such as 5/1m")?;
    if matches!(window, "s" | "m" | "h" | "d") {
        return Err(format!("write {count}/1{window}"));
    }
    let limit = count.parse::<u32>().ok().filter(|n| *n > 0).ok_or("at least one try, as a whole number")?;
    let window = duration(window)?;
    if window < Duration::from_secs(1) || window > Duration::from_secs(31 * 86_400) {
        return Err("the time of a quota is between 1s and 31d".into());
    }
    Ok(Quota { limit, window })
}

/// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
///
/// # Errors
/// The likely fix.
pub(in crate::config) fn network(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<std::net::IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| {
            "write an address range such as 10.0.0.0/8 or 2001:db8::/32, or one address".to_owned()
        })?,
    };
    if let IpNet::V6(v6) = net
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err("write IPv4 ranges as IPv4; mapped addresses are folded before lists are asked".into());
    }
    if net.addr() != net.network() {
        return Err(format!("bits behind the prefix are set; write {}", net.trunc()));
    }
    Ok(net)
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(all(test, feature = "gateway"))]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_quotas() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(size("19MiB"), Ok(19 << 20));
        assert_eq!(quota("5/1m"), Ok(Quota { limit: 5, window: Duration::from_secs(60) }));
        for odd in ["", "s", "1", "1h30m", "-1s", "1 s", "1S", "99999999999999999d", "１s"] {
            assert!(duration(odd).is_err(), "{odd}");
        }
        for odd in ["", "19", "19MB", "1.5MiB", "99999999999GiB"] {
            assert!(size(odd).is_err(), "{odd}");
        }
        for odd in ["", "5", "0/1m", "5/m", "5/0s", "5/1y", "-1/1m", "5/1m/2"] {
            assert!(quota(odd).is_err(), "{odd}");
        }
        assert_eq!(size("19MB"), Err("write 19MiB".into()));
        assert_eq!(quota("5/m"), Err("write 5/1m".into()));
    }

    #[test]
    fn networks() {
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert!(network("10.1.2.3/8").unwrap_err().contains("10.0.0.0/8"));
        assert!(network("::ffff:10.0.0.0/104").is_err());
        assert!(network("ten").is_err());
    }
}
