// What the document says, as rows: one for each exchange, one for each test.

const PHASES = ["blocked", "dns", "connect", "ssl", "send", "wait", "receive"];
const GOOD = ["passed", "xfailed"];
const BAD = ["failed", "error", "xpassed"];

const readStart = (entry, kit) => {
  const exact = asNumber(kit.started_at);
  if (exact !== null) return exact * 1000;
  const stated = Date.parse(asText(entry.startedDateTime));
  return Number.isFinite(stated) ? stated : 0;
};

const readUrl = (url) => {
  const found = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)(.*)$/is.exec(url);
  return found ? { origin: found[1], target: found[2] || "/" } : { origin: "", target: url };
};

const readExchange = (value, index) => {
  const entry = asDict(value);
  const kit = asDict(entry._kit);
  const request = asDict(entry.request);
  const response = asDict(entry.response);
  const url = asText(request.url);
  const status = asNumber(response.status) || null;
  const error = asText(kit.error) || asText(response._error);
  const exception = asText(kit.exception);
  const content = asDict(response.content);
  return {
    index, entry, kit, request, response, url, status, error, exception,
    ...readUrl(url),
    method: asText(request.method) || "—",
    start: readStart(entry, kit),
    took: Math.max(0, asNumber(entry.time) ?? 0),
    size: asNumber(content.size),
    page: asText(entry.pageref),
    fault: asText(kit.fault),
    nearMisses: asList(kit.near_misses).length ? asList(kit.near_misses).map(asText).join("\n") : asText(kit.near_misses),
    isWebsocket: entry._resourceType === "websocket" || Array.isArray(entry._webSocketMessages),
    isFailed: Boolean(error || exception || kit.state === "failed"),
  };
};

/** What the text filter looks through; made when it is asked for, and then kept. */
const haystackOf = (row) => {
  if (row.haystack === undefined) {
    const headers = (side) =>
      asList(side.headers).map((each) => `${asText(asDict(each).name)}: ${asText(asDict(each).value)}`);
    const messages = asList(row.entry._webSocketMessages).map((each) => asText(asDict(each).data));
    row.haystack = [
      row.method, row.url, row.status ?? "", row.page, row.error, row.exception, row.fault,
      asText(asDict(row.kit.route).pattern), ...headers(row.request), ...headers(row.response),
      asText(asDict(row.request.postData).text), asText(asDict(row.response.content).text), ...messages,
    ].join("\n").toLowerCase();
  }
  return row.haystack;
};

const isTrouble = (row) => row.isFailed || row.nearMisses !== "";

const readTest = (value) => {
  const page = asDict(value);
  const kit = asDict(page._kit);
  const outcome = asText(kit.outcome);
  return {
    id: asText(page.id), name: asText(page.title) || asText(page.id), outcome, kit,
    isBad: BAD.includes(outcome), took: asNumber(kit.duration_s), exchanges: 0,
  };
};

const toneOfOutcome = (outcome) => {
  if (GOOD.includes(outcome)) return "is-good";
  return BAD.includes(outcome) ? "is-bad" : outcome === "rerun" ? "is-warn" : "is-soft";
};

const readDocument = (root) => {
  const log = asDict(asDict(root).log);
  const exchanges = asList(log.entries).map(readExchange).sort((a, b) => a.start - b.start || a.index - b.index);
  const tests = asList(log.pages).map(readTest);
  const byId = new Map(tests.map((test) => [test.id, test]));
  for (const row of exchanges) {
    const test = byId.get(row.page);
    if (test) test.exchanges += 1;
  }
  return { exchanges, tests, byId, kit: asDict(log._kit) };
};

const matches = (row, filters) =>
  (!filters.test || row.page === filters.test) &&
  (!filters.method || row.method === filters.method) &&
  (!filters.status || (filters.status === "none" ? row.status === null : String(row.status ?? "")[0] === filters.status)) &&
  (!filters.failed || isTrouble(row)) &&
  (!filters.faulted || Boolean(row.fault)) &&
  (!filters.websocket || row.isWebsocket) &&
  filters.words.every((word) => haystackOf(row).includes(word));

const toneOfStatus = (status) => {
  if (status === null) return "is-bad";
  return status < 200 ? "is-socket" : status < 300 ? "is-good" : status < 400 ? "is-moved" : status < 500 ? "is-warn" : "is-bad";
};
