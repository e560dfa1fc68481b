//! The description of the API as a real gateway serves it, and the page that shows it.

use crate::flows_process::Site;
use crate::support::Answer;

const STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

fn csp(answer: &Answer) -> &str {
    answer.field("content-security-policy").expect("a policy")
}

#[test]
fn the_description_and_its_page_are_there_for_everybody() {
    let site = Site::new();
    let _server = site.serve();
    let client = site.client();

    let answer = client.get("/auth/openapi.json");
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")));
    assert_eq!(answer.field("cache-control"), Some("public, max-age=60"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "/auth");
    assert!(document["paths"]["/token/"]["post"].is_object(), "{document}");

    let page = client.get("/auth/docs/");
    assert_eq!((page.status, csp(&page)), (200, STRICT));
    let html = page.text();
    assert!(!html.contains("://") && !html.contains("<style") && !html.contains("<script>"), "{html}");
    // Everything that the page asks for is beside it.
    for (name, kind) in [
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("docs.js", "text/javascript"),
        ("favicon-32x32.png", "image/png"),
        ("favicon-16x16.png", "image/png"),
    ] {
        assert!(html.contains(&format!("\"{name}\"")), "{name}");
        let file = client.get(&format!("/auth/docs/{name}"));
        assert_eq!((file.status, csp(&file)), (200, STRICT), "{name}");
        assert!(file.field("content-type").is_some_and(|t| t.starts_with(kind)), "{name}: {file:?}");
    }
    for other in ["oauth2-redirect.html", "swagger-initializer.js", "index.html", "..%2fopenapi.json"] {
        assert_ne!(client.get(&format!("/auth/docs/{other}")).status, 200, "{other}");
    }
    let bare = client.get("/auth/docs");
    assert_eq!((bare.status, bare.field("location")), (308, Some("/auth/docs/")));
    // The page's own policy is nobody else's.
    assert!(!csp(&client.get("/auth/login/")).contains("connect-src"));
    assert!(!csp(&answer).contains("connect-src"));
}
