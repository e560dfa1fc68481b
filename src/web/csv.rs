//! Lists as CSV files (RFC 4180) for spreadsheets. They take some cells for formulas: those get an apostrophe first.

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};

use crate::account::admin::MAX_EXPORT;
use crate::web::error::Problem;

/// Says that the list has more rows than the file.
const TRUNCATED: HeaderName = HeaderName::from_static("x-truncated");

/// A file of one header line and a line for each row.
pub fn file<const N: usize>(
    name: &str,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<Response, Problem> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        // Where a semicolon parts cells, only quotes keep the inside of one together.
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    let mut write = |cells: [String; N]| writer.write_record(cells).map_err(|_| Problem::internal());
    write(header.map(str::to_owned))?;
    let mut count = 0;
    for row in rows {
        write(row.map(harmless))?;
        count += 1;
    }
    let bytes = writer.into_inner().map_err(|_| Problem::internal())?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ];
    let mut response = (headers, bytes).into_response();
    if count >= MAX_EXPORT {
        // Nobody shall take a part for the whole.
        response.headers_mut().insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The cell, so that no spreadsheet computes it.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cells_are_quoted_and_never_formulas() {
        let rows = [["=1+1".to_owned(), "a,\"b\"".to_owned()], ["@x".to_owned(), "-2".to_owned()]];
        let answer = file("users", ["name", "note"], rows).unwrap();
        assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"users.csv\"");
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(&body[..], b"\"name\",\"note\"\r\n\"'=1+1\",\"a,\"\"b\"\"\"\r\n\"'@x\",\"'-2\"\r\n");
    }
}
