//! Randomness as an argument.

/// A source of bytes fit for secrets.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buf` with unpredictable bytes.
    fn fill(&self, buf: &mut [u8]);
}

impl dyn Entropy {
    /// `N` fresh bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buf = [0; N];
        self.fill(&mut buf);
        buf
    }

    /// A code of six decimal digits, each value equally likely.
    #[must_use]
    pub fn six_digits(&self) -> String {
        // 2^32 is not a multiple of 10^6: values from the ragged end are drawn again.
        const LIMIT: u32 = u32::MAX - u32::MAX % 1_000_000;
        loop {
            let n = u32::from_le_bytes(self.bytes());
            if n < LIMIT {
                return format!("{:06}", n % 1_000_000);
            }
        }
    }
}

/// The operating system's generator. The one place that asks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one home of the system's randomness")]
    fn fill(&self, buf: &mut [u8]) {
        // Without randomness no secret can be made: there is nothing safe to go on with.
        getrandom::fill(buf).expect("the operating system gives random bytes");
    }
}
