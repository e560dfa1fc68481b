//! The application behind the proxies in the benchmarks: answers every request on a kept-alive connection with the
//! same small JSON document. `upstream ADDRESS`. One thread, no parsing beyond finding the end of a head, so that it
//! is never what a proxy waits for. Understands requests without a body only.

use std::io;
use std::process::ExitCode;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BODY: &str = r#"{"id":7,"title":"An evening of small answers","seats":"a few"}"#;
const HEAD_END: &[u8] = b"\r\n\r\n";
/// More than any head of the benchmarks.
const BUFFER: usize = 16 * 1024;

fn main() -> ExitCode {
    // `cargo bench` starts every bench, with a flag instead of an address.
    let Some(address) = std::env::args().nth(1).filter(|a| !a.starts_with('-')) else {
        eprintln!("usage: upstream ADDRESS (started by benches/run)");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    match runtime.and_then(|runtime| runtime.block_on(listen(&address))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("upstream: {address}: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn listen(address: &str) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
    // Lives as long as the process: every connection answers from the same bytes.
    let answer: &[u8] = format!("{head} {}\r\n\r\n{BODY}", BODY.len()).into_bytes().leak();
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks is the proxy's business; it will make another.
        tokio::spawn(async move { serve(stream, answer).await });
    }
}

async fn serve(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let n = stream.read(&mut buffer[filled..]).await?;
        if n == 0 {
            return Ok(());
        }
        filled += n;
        // No proxy sends a second request before the first is answered, so this is one whole head.
        if buffer[..filled].ends_with(HEAD_END) {
            stream.write_all(answer).await?;
            filled = 0;
        }
    }
}
