// Node's own http module, and websockets with the package ws where it is installed.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};

const readBody = (request, use) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => use(Buffer.concat(parts)));
};

const say = (response, body) => {
  response.writeHead(200, {
    "Content-Type": "text/plain",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
};

const handle = (request, response) => {
  const [, room, name] = request.url.split("/");
  if (room === "users") say(response, `hello ${name}`);
  else if (room === "slow") setTimeout(() => say(response, `hello ${name}`), 10);
  else if (room === "json") {
    readBody(request, (body) => say(response, `${Object.keys(JSON.parse(body)).length}`));
  } else if (room === "echo") readBody(request, (body) => say(response, body));
  else response.writeHead(404).end();
};

const cert = option("--cert");
const server = cert
  ? https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(option("--key")) }, handle)
  : http.createServer(handle);

if (process.argv.includes("--websocket")) {
  const { WebSocketServer } = require("ws");
  new WebSocketServer({ server }).on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
}

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit(0));
