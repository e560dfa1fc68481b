// An upstream on Node's own HTTP parser (llhttp) that says what it has read of each request: one line of JSON on
// standard output for each that came whole, and the same as the answer. Prints its port as the first line.
//
//     node node_echo.js [PORT]
"use strict";
const http = require("http");

const BIG = Buffer.alloc(4 << 20, "x");

const server = http.createServer((request, answer) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const hosts = request.rawHeaders.filter((_, at, all) => at % 2 === 1 && /^host$/i.test(all[at - 1]));
    const read = {
      connection: request.socket.from,
      method: request.method,
      target: request.url,
      host: hosts.join("|"),
      body: Buffer.concat(pieces).toString("latin1"),
    };
    const said = JSON.stringify(read);
    process.stdout.write(said + "\n");
    answer.end(request.url.startsWith("/big") ? BIG : said);
  });
});
// Unknown once the socket is closed.
server.on("connection", (socket) => (socket.from = socket.remotePort));
// What its parser refuses is answered 400 and closed, which is what it would do by itself.
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2] || 0), "127.0.0.1", 4096, () => {
  process.stdout.write(server.address().port + "\n");
});
