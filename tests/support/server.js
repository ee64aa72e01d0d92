// A small server that does what a test tells it to. Variables: FAIL, STARTS_AFTER, PORT.
const http = require("node:http");
const os = require("node:os");

if (process.env.FAIL) {
  console.error(process.env.FAIL);
  process.exit(5);
}

let probes = 0;
let early = 0;
let sick = false;
let received = 0;
let drip;
const startsAfter = Number(process.env.STARTS_AFTER || 0);

const answers = {
  "/": () => os.hostname(),
  "/go": () => "gone",
  "/received": () => String(received),
  "/early": () => String(early),
  "/variable": (url) => String(process.env[url.searchParams.get("name")]),
  "/headers": (url, request) => JSON.stringify(request.headers),
  "/say": (url) => (console.log(url.searchParams.get("text")), "said"),
  "/sick": () => ((sick = true), "sick"),
};

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://here");
  if (url.pathname === "/started") {
    response.statusCode = ++probes > startsAfter ? 200 : 503;
    return response.end();
  }
  if (probes <= startsAfter && startsAfter) early += 1;
  if (url.pathname === "/alive") {
    response.statusCode = sick ? 503 : 200;
    return response.end();
  }
  if (url.pathname === "/crash") {
    console.error("it crashes");
    process.exit(3);
  }
  if (url.pathname === "/echo") return request.pipe(response);
  if (url.pathname === "/never") return;
  if (url.pathname === "/drip") {
    response.write("first");
    return (drip = response);
  }
  if (url.pathname === "/go") drip.end("second");
  if (url.pathname === "/sip") {
    request.on("data", (part) => (received += part.length));
    return request.on("end", () => response.end(String(received)));
  }
  if (url.pathname === "/half") {
    response.write("half");
    return setTimeout(() => process.exit(4), 50);
  }
  const answer = answers[url.pathname];
  response.statusCode = answer ? 200 : 404;
  response.setHeader("Set-Cookie", ["a=1", "b=2"]);
  response.end(answer ? answer(url, request) : "");
});
process.on("SIGTERM", () => {
  console.log("SIGTERM received");
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
server.listen(Number(process.env.PORT), () => console.log("it listens"));
