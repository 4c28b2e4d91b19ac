//! What browsers may do here: any site may read what is public, none but our own may write; and what they are
//! told about what comes back.

use super::ApiError;
use super::classes::reads;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Where reading takes a signature.
const PRIVATE: &str = "/api/v1/webhooks";
/// Request headers that a page of another site may send with a read.
const READ_HEADERS: &str = "accept, if-none-match, last-event-id";
/// Response headers that it may look at.
const EXPOSED: &str = "ETag, Link, Retry-After, RateLimit, RateLimit-Policy, Location";
/// How long a browser may remember that, seconds.
const PREFLIGHT_SECS: u32 = 3_600;

/// Refuses a write that a browser makes for another site's page. Requests that come from no page carry
/// neither header, and pass.
///
/// # Errors
/// `cross_site`.
pub fn check_write(headers: &HeaderMap, own_origin: &str) -> Result<(), ApiError> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        let detail = format!("a page of another site sent this request (Sec-Fetch-Site: {site})");
        return Err(ApiError::new("cross_site", detail));
    }
    // Also where the browser says same-origin: a name that was made to point here is its own origin.
    match text("origin") {
        Some(origin) if origin != own_origin => {
            let detail =
                format!("a page of {origin:?} sent this request; the service's own are {own_origin:?}");
            Err(ApiError::new("cross_site", detail))
        }
        _ => Ok(()),
    }
}

/// Scheme, host and port of a URL, as browsers write them in `Origin`.
pub fn origin_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_ascii_lowercase() };
    let scheme = scheme.to_ascii_lowercase();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let usual = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}", host.strip_suffix(usual).unwrap_or(&host))
}

/// What is there for everybody to read. Somebody's webhooks are not: they are shown to who signs for them.
fn public(path: &str) -> bool {
    let own = path.strip_prefix(PRIVATE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (path.starts_with("/api/") && !own) || path.starts_with("/problems") || path.starts_with("/badge/")
}

/// Says to browsers who may read, and adds the headers that keep answers inert.
pub async fn headers(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let readable = reads(&method) && public(request.uri().path());
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD).cloned();
    let preflight = wanted.filter(|_| method == Method::OPTIONS && public(request.uri().path()));
    let mut response = match preflight {
        Some(wanted) if wanted == "GET" || wanted == "HEAD" => allow_reading(),
        Some(_) => {
            let detail = "pages of other sites may read here, and not write";
            ApiError::new("cross_site", detail.into()).into_response()
        }
        None => next.run(request).await,
    };
    let failed = !response.status().is_success() && response.status() != StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    let mut always = |name, value| headers.insert(name, HeaderValue::from_static(value));
    if readable {
        always(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        always(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    always(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Pages say otherwise: to "no-referrer" belongs that browsers send a form with `Origin: null`, even to our own.
    if !headers.contains_key(header::REFERRER_POLICY) {
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let inert = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(inert));
    }
    // Answers to writes and errors are for one client and one moment; what is read may be kept if it is
    // compared each time.
    if !reads(&method) || failed {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    } else if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}

fn allow_reading() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(READ_HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(PREFLIGHT_SECS));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (url, origin) in [
            ("https://Example.org", "https://example.org"),
            ("https://example.org:443/upfront", "https://example.org"),
            ("http://example.org:80", "http://example.org"),
            ("http://127.0.0.1:8032/", "http://127.0.0.1:8032"),
            ("https://[2001:db8::1]:8443/x?y", "https://[2001:db8::1]:8443"),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }

    #[test]
    fn writes_of_other_sites_are_refused() {
        let own = "https://example.org";
        let check = |headers: &[(&'static str, &'static str)]| {
            let map = headers.iter().map(|(name, value)| {
                (name.parse::<axum::http::HeaderName>().unwrap(), HeaderValue::from_static(value))
            });
            check_write(&map.collect(), own).map_err(|error| error.code())
        };
        for good in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://example.org")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://example.org")],
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "nonsense")],
            &[("origin", "https://evil.example")],
            &[("origin", "http://example.org")],
            &[("origin", "https://example.org.evil.example")],
            &[("origin", "null")],
            &[("origin", "")],
            // DNS rebinding: to the browser the page is the service's own.
            &[("sec-fetch-site", "same-origin"), ("origin", "http://rebound.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://example.org")],
        ] {
            assert_eq!(check(bad), Err("cross_site"), "{bad:?}");
        }
    }
}
