//! QR codes as SVG.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// At least so wide and high, in pixels.
const SIZE: u32 = 220;

/// An `<svg>` element that shows `text`, dark on light with a quiet zone; `None` when it does not fit.
pub(super) fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(SIZE, SIZE).quiet_zone(true).build();
    // A page takes the element without the head of a document.
    drawn.find("<svg").map(|at| drawn[at..].to_owned())
}
