//! Group D of the security page: what one client, or very many, may take from everybody else. Small sizes and an own
//! gateway in this process; the same against the real binary in `faults/exhaustion`, and at full size in `benches/idle`.
//!
//! - `places`: connections and who has to give theirs up (D-01) · `slow`: bodies and answers that crawl (D-02)
//! - `bodies`: large ones (D-03, D-15) · `bombs`: small ones that are a lot of work (D-06, D-07)
//! - `floods`: sign-ins, refusals (D-04, D-11, D-13)

mod bodies;
mod bombs;
mod floods;
mod places;
mod slow;

/// Memory of this process, gateway and test together, in bytes.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}
