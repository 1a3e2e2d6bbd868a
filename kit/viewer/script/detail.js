// Everything that is known of one exchange, in tabs.

const TEXT_AT_ONCE = 50000;
const CELL_AT_ONCE = 5000;
const TOKENS_COLOURED = 4000;
const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

const cutCell = (text) =>
  text.length > CELL_AT_ONCE ? `${text.slice(0, CELL_AT_ONCE)}… (${text.length} characters)` : text;

const showTable = (rows, isOf = "facts") =>
  make("table", { class: isOf }, make("tbody", {}, ...rows.filter(([, value]) => value !== "" && value !== null).map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, cutCell(name)), make("td", {}, cutCell(value))))));

const showLong = (text, kind = "") => {
  const shown = make("pre", { class: kind, tabindex: "0" }, showLines(cut(text, TEXT_AT_ONCE)));
  if (text.length <= TEXT_AT_ONCE) return shown;
  const all = make("button", { type: "button" }, `Show all ${text.length} characters`);
  all.addEventListener("click", () => {
    shown.textContent = showLines(text);
    all.remove();
  });
  return make("div", {}, shown, all);
};

/** Show a text, laid out and coloured if it is JSON. */
const showPretty = (text) => {
  const parts = text.length > TEXT_AT_ONCE ? null : layOutJson(text);
  if (parts === null) return showLong(text);
  if (parts.length > TOKENS_COLOURED) return showLong(parts.map(([part]) => part).join(""));
  return make("pre", { class: "json", tabindex: "0" }, ...parts.map(([part, kind]) =>
    kind ? make("span", { class: kind }, showLines(part)) : part));
};

const showBytes = (bytes, type) => {
  const parts = [];
  if (IMAGES.includes(type)) {
    const data = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    parts.push(make("img", { class: "preview", alt: "the body as an image", src: `data:${type};base64,${data}` }));
  }
  return make("div", {}, ...parts, make("pre", { class: "hex", tabindex: "0" }, dumpHex(bytes)));
};

/** Show a body: JSON laid out, with a way to see it as it came; bytes as hexadecimal. */
const showBody = (text, type, isBase64) => {
  if (!text) return make("p", { class: "is-soft" }, "no body");
  const bytes = isBase64 ? decodeBase64(text) : null;
  if (bytes !== null) return showBytes(bytes, type);
  if (layOutJson(text) === null) return showLong(text);
  const place = make("div", {}, showPretty(text));
  let isRaw = false;
  const toggle = make("button", { type: "button", "aria-pressed": "false" }, "As it came");
  toggle.addEventListener("click", () => {
    isRaw = !isRaw;
    toggle.setAttribute("aria-pressed", String(isRaw));
    place.replaceChildren(isRaw ? showLong(text) : showPretty(text));
  });
  return make("div", {}, make("div", { class: "tools" }, toggle), place);
};

const showFields = (fields, none) => {
  const rows = asList(fields).map(asDict).map((each) => [showLine(asText(each.name)), showLine(asText(each.value)) || " "]);
  return rows.length ? showTable(rows, "fields") : make("p", { class: "is-soft" }, none);
};

const titled = (title, ...content) => (content.length ? [make("h3", {}, title), ...content] : []);

const showPhases = (row) => {
  const timings = asDict(row.entry.timings);
  const known = PHASES.map((name) => [name, asNumber(timings[name])]).filter(([, ms]) => ms !== null && ms >= 0);
  const most = Math.max(...known.map(([, ms]) => ms), 0.001);
  if (!known.length) return [];
  return titled("Timings", make("table", { class: "phases" }, make("tbody", {}, ...known.map(([name, ms]) => {
    const bar = make("div", { class: `phase ${name}` });
    bar.style.width = `${(ms / most) * 100}%`;
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, showDuration(ms)), make("td", {}, bar));
  }))));
};

const describeTls = (tls) =>
  [asText(tls.version), asText(tls.cipher), tls.sni ? `for ${asText(tls.sni)}` : "", tls.alpn ? `ALPN ${asText(tls.alpn)}` : ""]
    .filter(Boolean).map(showLine).join(", ");

const describeBody = (facts, side) => {
  const { truncated, kept, sha256, encoded } = asDict(facts);
  const size = asNumber(side.bodySize);
  return [size === null || size < 0 ? "" : `${size} bytes on the wire`, truncated ? `only the first ${asText(kept)} kept` : "",
    encoded ? "in its content coding" : "", sha256 ? `SHA-256 ${showLine(asText(sha256))}` : ""].filter(Boolean).join(", ");
};

const describeRoute = (row) => {
  const route = asDict(row.kit.route);
  const handler = asText(route.handler);
  const pattern = asText(route.pattern) || asText(row.kit.route);
  return showLine([asText(route.method), pattern, handler ? `→ ${handler}` : ""].filter(Boolean).join(" "));
};

const showOverview = (row, model) => {
  const matched = Object.entries(asDict(row.kit.matches)).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const status = row.status === null ? "none" : `${row.status} ${asText(row.response.statusText)}`;
  const test = model.byId.get(row.page);
  return [
    ...titled("Failed", ...(row.error ? [make("pre", { class: "is-bad error" }, showLines(row.error))] : [])),
    ...titled("The handler raised", ...(row.exception ? [showLong(row.exception, "is-bad exception")] : [])),
    ...titled("Nothing took it; what came near", ...(row.nearMisses ? [showDifferences(row.nearMisses)] : [])),
    ...titled("Exchange", showTable([
      ["URL", showLine(row.url)],
      ["Status", showLine(status)],
      ["State", showLine(asText(row.kit.state))],
      ["Fault", showLine(row.fault)],
      ["Route", describeRoute(row)],
      ["Matches", showLine(matched.join(", "))],
      ["Test", showLine(test ? test.name : row.page)],
      ["Started", showLine(asText(row.entry.startedDateTime))],
      ["Took", showDuration(row.took)],
    ])),
    ...showPhases(row),
    ...titled("Connection", showTable([
      ["Recorded by", showLine(asText(row.kit.role))],
      ["Connection", showLine(asText(row.entry.connection))],
      ["Request on it", showLine(asText(row.kit.ordinal))],
      ["Local", showLine(asText(row.kit.local))],
      ["Peer", showLine(asText(row.kit.peer))],
      ["Server address", showLine(asText(row.entry.serverIPAddress))],
      ["TLS", describeTls(asDict(row.kit.tls))],
    ])),
    ...titled("Bodies", showTable([
      ["Request", describeBody(row.kit.request_body, row.request)],
      ["Response", describeBody(row.kit.response_body, row.response)],
    ])),
  ];
};

const showRequest = (row) => {
  const post = asDict(row.request.postData);
  const query = asList(row.request.queryString);
  const params = asList(post.params);
  return [
    ...titled("Header", showFields(row.request.headers, "no fields")),
    ...(query.length ? titled("Query", showFields(query)) : []),
    ...(params.length ? titled("Form", showFields(params)) : []),
    ...(params.length && !post.text ? [] : titled("Body", showBody(asText(post.text), bareType(post), isInBase64(post)))),
  ];
};

const isInBase64 = (content) => content.encoding === "base64" || content._encoding === "base64";
const bareType = (content) => asText(content.mimeType).split(";")[0].trim().toLowerCase();

const showResponse = (row) => {
  const content = asDict(row.response.content);
  return [
    ...titled("Header", showFields(row.response.headers, "no fields")),
    ...titled("Body", showBody(asText(content.text), bareType(content), isInBase64(content))),
  ];
};

const writeRaw = (line, fields, content, text) => {
  const head = [line, ...asList(fields).map(asDict).map((each) => `${asText(each.name)}: ${asText(each.value)}`)].join("\n");
  const body = isInBase64(content) ? `(in Base64)\n${text}` : text;
  return `${head}\n\n${body}`;
};

const showRaw = (row) => {
  const { request, response } = row;
  const post = asDict(request.postData);
  const params = asList(post.params).map(asDict).map((each) => `${asText(each.name)}=${asText(each.value)}`);
  const content = asDict(response.content);
  const requestLine = [asText(request.method), row.target, asText(request.httpVersion)].join(" ");
  const statusLine = [asText(response.httpVersion), asText(response.status), asText(response.statusText)].join(" ");
  return [
    ...titled("Request", showLong(writeRaw(requestLine, request.headers, post, asText(post.text) || params.join("&")))),
    ...titled("Response", row.status === null
      ? make("p", { class: "is-soft" }, "no response")
      : showLong(writeRaw(statusLine, response.headers, content, asText(content.text)))),
  ];
};

const showCommand = (command) => {
  const shown = make("pre", { class: "command", tabindex: "0" }, showLines(command));
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown); // no clipboard for a file: the reader copies
    }
  });
  return [make("div", { class: "tools" }, copy), shown];
};

const listTabs = (row, model) => {
  const tabs = [
    ["Overview", () => showOverview(row, model)], ["Request", () => showRequest(row)],
    ["Response", () => showResponse(row)], ["Raw", () => showRaw(row)],
  ];
  if (row.isWebsocket) tabs.splice(3, 0, ["Frames", () => showFrames(row)]);
  const command = asText(row.kit.curl);
  if (command) tabs.push(["curl", () => showCommand(command)]);
  return tabs;
};

class Detail {
  constructor(place, close) {
    this.place = place;
    this.close = close;
    this.tab = "Overview";
    this.tabs = [];
  }

  show(row, model) {
    this.tabs = listTabs(row, model);
    if (!this.tabs.some(([name]) => name === this.tab)) this.tab = "Overview";
    const status = make("b", { class: toneOfStatus(row.status) }, row.status === null ? "no response" : String(row.status));
    this.place.replaceChildren(
      make("div", { class: "detail-head" },
        make("div", { class: "line" },
          make("b", { class: "method" }, cut(showLine(row.method), 20)), status, make("h2", { tabindex: "-1" }, showLine(cut(row.url, 2000))),
          make("button", { type: "button", title: "Close (Esc)", "aria-label": "Close", on: { click: this.close } }, "×")),
        make("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the exchange" }, ...this.tabs.map(([name]) => this.makeTab(name)))),
      make("div", { class: "tab-panel", id: "tab-panel", role: "tabpanel", tabindex: "0" }));
    this.choose(this.tab);
  }

  makeTab(name) {
    return make("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "tab-panel", on: { click: () => this.choose(name) } }, name);
  }

  choose(name) {
    this.tab = name;
    for (const tab of this.place.querySelectorAll('[role="tab"]')) {
      const isChosen = tab.textContent === name;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
    }
    const panel = find("tab-panel");
    panel.setAttribute("aria-labelledby", `tab-${name}`);
    panel.replaceChildren(...this.tabs.find(([each]) => each === name)[1]());
    panel.scrollTop = 0;
  }

  turn(by) {
    const names = this.tabs.map(([name]) => name);
    this.choose(names[(names.indexOf(this.tab) + by + names.length) % names.length]);
    if (!this.place.contains(document.activeElement)) return;
    find(`tab-${this.tab}`).focus();
  }
}
