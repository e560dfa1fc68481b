//! Style sheet, script and logo: built in, named by their content, cached for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::error::Problem;

/// One file of ours.
struct Asset {
    name: String,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// The names of the current files, for the templates.
#[derive(Debug)]
pub struct AssetNames {
    /// Style sheet.
    pub css: &'static str,
    /// Progressive enhancement.
    pub js: &'static str,
    /// Logo and icon.
    pub logo: &'static str,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("stagedoor", "css", "text/css; charset=utf-8", include_bytes!("assets/stagedoor.css")),
        asset("stagedoor", "js", "text/javascript; charset=utf-8", include_bytes!("assets/stagedoor.js")),
        asset("logo", "svg", "image/svg+xml", include_bytes!("assets/logo.svg")),
    ]
});

/// How the files are called in this build.
#[must_use]
pub fn names() -> AssetNames {
    let [css, js, logo] = &*ASSETS;
    AssetNames { css: &css.name, js: &js.name, logo: &logo.name }
}

/// `GET /static/{file}`
pub async fn get(Path(file): Path<String>) -> Response {
    match ASSETS.iter().find(|a| a.name == file) {
        Some(a) => {
            let headers =
                [(CONTENT_TYPE, a.content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
            (headers, a.bytes).into_response()
        }
        None => Problem::not_found().into_response(),
    }
}

fn asset(stem: &str, ext: &str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name: format!("{stem}.{:016x}.{ext}", fnv1a(bytes)), content_type, bytes }
}

/// FNV-1a, 64 bits: a name that changes with the content; nothing rests on it being hard to forge.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_content() {
        assert_ne!(fnv1a(b"a"), fnv1a(b"b"));
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert!(names().css.starts_with("stagedoor.") && names().css.rsplit('.').next() == Some("css"));
    }

    #[tokio::test]
    async fn p_17_no_file_outside_the_list() {
        for f in ["../mod.rs", "stagedoor.css", "", "..%2f"] {
            assert_eq!(get(Path(f.to_owned())).await.status(), 404, "{f}");
        }
        let ok = get(Path(names().css.to_owned())).await;
        assert_eq!(ok.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
    }
}
