// The page: what is shown, and what keys and clicks do.

const model = readDocument(JSON.parse(find("document").textContent));
const NOTHING = { words: [], method: "", status: "", failed: false, faulted: false, websocket: false, test: "" };
const PRINTED = 500;
let filters = { ...NOTHING };
let shown = [];
let domain = { start: 0, span: 1 };
let opened = null;

// The time axis.

const measure = (rows) => {
  let start = Infinity;
  let end = -Infinity;
  for (const row of rows) {
    start = Math.min(start, row.start);
    end = Math.max(end, row.start + row.took);
  }
  return rows.length ? { start, span: Math.max(end - start, 0.01) } : { start: 0, span: 1 };
};

const drawAxis = () => {
  const rough = domain.span / Math.max(2, Math.floor(find("axis").clientWidth / 75));
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5, 10].find((each) => each * unit >= rough) ?? 10);
  const share = (step / domain.span) * 100;
  find("main").style.setProperty("--tick", `${share}%`);
  const ticks = [];
  for (let at = 0; at === 0 || (at + 0.6) * share < 100; at += 1) {
    const tick = make("span", {}, at ? showDuration(at * step) : "0");
    tick.style.left = `${at * share}%`;
    ticks.push(tick);
  }
  find("axis").replaceChildren(...ticks);
};

const makeBar = (row) => {
  const tone = row.isWebsocket ? " is-socket" : "";
  const bar = make("span", { class: `bar${tone}${row.isFailed ? " has-failed" : ""}` });
  bar.style.left = `${Math.min(((row.start - domain.start) / domain.span) * 100, 99.5)}%`;
  bar.style.width = `${(row.took / domain.span) * 100}%`;
  if (row.isWebsocket || !row.took) return bar;
  const timings = asDict(row.entry.timings);
  const part = (name) => Math.max(asNumber(timings[name]) ?? 0, 0);
  const phases = { setup: part("blocked") + part("dns") + part("connect"), send: part("send"), wait: part("wait"), receive: part("receive") };
  for (const [name, ms] of Object.entries(phases)) {
    if (!ms) continue;
    const phase = make("i", { class: name });
    phase.style.width = `${(ms / row.took) * 100}%`;
    bar.append(phase);
  }
  return bar;
};

// Rows.

const MARKS = [
  [(row) => row.exception, "handler error", "is-bad"],
  [(row) => row.error && !row.exception, "failed", "is-bad"],
  [(row) => row.nearMisses, "no match", "is-warn"],
  [(row) => row.fault, "fault", "is-fault"],
  [(row) => row.isWebsocket, "websocket", "is-socket"],
];

const makeExchange = (row, at, isChosen) => {
  const cell = (name, ...content) => make("span", { class: name, role: "gridcell" }, ...content);
  const marks = MARKS.filter(([has]) => has(row)).map(([, text, tone]) => make("span", { class: `mark ${tone}` }, text));
  const element = make(
    "div",
    { class: `row exchange${isChosen ? " is-chosen" : ""}${row.isFailed ? " has-failed" : ""}`, role: "row",
      "aria-rowindex": String(at + 1), "aria-selected": String(isChosen), on: { click: () => open(at) } },
    cell("method", cut(showLine(row.method), 12)),
    cell(`status ${toneOfStatus(row.status)}`, row.status === null ? "—" : String(row.status)),
    cell("target", ...marks, make("span", { class: "path" }, cut(showLine(row.target), 240))),
    cell("size", showSize(row.size)),
    cell("took", showDuration(row.took)),
    cell("lane", makeBar(row)),
  );
  element.title = cut(showLine(row.url), 500);
  return element;
};

const makeTest = (test, at, isChosen) => {
  const { file, name } = splitName(test.name);
  const about = [test.took === null ? "" : showDuration(test.took * 1000), countOf(test.exchanges, "exchange"), file].filter(Boolean).join(" · ");
  const element = make(
    "div",
    { class: `test${isChosen ? " is-chosen" : ""}`, role: "option", "aria-selected": String(isChosen), on: { click: () => chooseTest(at) } },
    make("span", { class: "name" }, name),
    make("span", { class: "about" }, make("span", { class: `outcome ${toneOfOutcome(test.outcome)}` }, showLine(test.outcome)),
      test.outcome ? ` · ${about}` : about),
  );
  element.title = cut(showLine(test.name), 500);
  return element;
};

const splitName = (name) => {
  const at = name.indexOf("::");
  const file = at < 0 ? "" : name.slice(0, at);
  return { file: cut(showLine(file.slice(file.lastIndexOf("/") + 1)), 60), name: cut(showLine(at < 0 ? name : name.slice(at + 2)), 200) };
};

const list = new WindowedList(find("list"), 28, makeExchange);
const testList = new WindowedList(find("test-list"), 40, makeTest);
const detail = new Detail(find("detail"), () => closeDetail());

// What is shown.

const update = () => {
  const kept = shown[list.chosen];
  shown = model.exchanges.filter((row) => matches(row, filters));
  domain = measure(shown);
  drawAxis();
  find("list").setAttribute("aria-rowcount", String(shown.length));
  list.show(shown, kept ? shown.indexOf(kept) : -1);
  list.reveal(list.chosen);
  const total = model.exchanges.length;
  find("count").textContent = shown.length === total ? countOf(total, "exchange") : `${shown.length} of ${countOf(total, "exchange")}`;
  find("empty").hidden = shown.length > 0;
  find("empty").textContent = total ? "No exchange meets the filters." : "No exchange was recorded.";
};

const readFilters = () => {
  filters = {
    ...filters,
    words: find("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean),
    method: find("filter-method").value,
    status: find("filter-status").value,
    failed: find("filter-failed").checked,
    faulted: find("filter-faulted").checked,
    websocket: find("filter-websocket").checked,
  };
  update();
};

const clearFilters = () => {
  find("filters").reset();
  filters = { ...NOTHING };
  chooseTest(0);
  readFilters();
};

const isFiltered = () => JSON.stringify(filters) !== JSON.stringify(NOTHING);

const open = (at) => {
  list.choose(at);
  opened = shown[at];
  find("main").classList.add("has-detail");
  find("detail").hidden = false;
  detail.show(opened, model);
  drawAxis();
};

const closeDetail = () => {
  opened = null;
  find("main").classList.remove("has-detail");
  find("detail").hidden = true;
  find("detail").replaceChildren();
  drawAxis();
  find("list").focus();
};

const move = (to) => {
  if (!shown.length) return;
  const at = Math.max(0, Math.min(to, shown.length - 1));
  if (opened) open(at);
  else list.choose(at);
};

const moveToFailed = (by) => {
  let at = list.chosen < 0 && by < 0 ? shown.length : list.chosen;
  do at += by;
  while (at >= 0 && at < shown.length && !isTrouble(shown[at]));
  if (at >= 0 && at < shown.length) move(at);
};

// Tests.

const EVERY = { id: "", name: "every test", outcome: "", took: null, exchanges: model.exchanges.length, isBad: true, kit: {} };
let tests = [];

const updateTests = () => {
  const isOnlyBad = find("tests-failed").checked;
  tests = [EVERY, ...model.tests.filter((test) => test.isBad || !isOnlyBad)];
  testList.show(tests, tests.findIndex((test) => test.id === filters.test));
};

const chooseTest = (at) => {
  const test = tests[at];
  if (!test) return;
  testList.choose(at);
  filters = { ...filters, test: test.id };
  noteTest(test);
  update();
};

const noteTest = (test) => {
  const note = find("test-note");
  const kit = test.kit;
  const problems = asList(kit.problems).map(asText);
  const failure = asText(kit.failure);
  const dropped = asNumber(kit.dropped) ?? 0;
  const facts = [test.took === null ? "" : showDuration(test.took * 1000), asText(kit.worker) ? `on ${showLine(asText(kit.worker))}` : "",
    dropped ? `${countOf(dropped, "exchange")} not kept` : ""].filter(Boolean);
  note.hidden = test === EVERY;
  note.replaceChildren(
    make("div", {}, make("b", { class: toneOfOutcome(test.outcome) }, showLine(test.outcome)), ` ${facts.join(", ")}`),
    make("div", { class: "name" }, showLine(test.name)),
    ...problems.map((problem) => make("pre", { class: "is-bad" }, showLines(problem))),
    ...(failure ? [make("details", { open: "" }, make("summary", {}, "How it failed"), showLong(failure))] : []),
  );
};

// Keys.

/** Where letters are text, or choose an option: a box that is ticked takes the blank alone. */
const isTyping = () => Boolean(document.activeElement?.matches("select, textarea, input:not([type=checkbox])"));

const escapeKey = () => {
  if (opened) return closeDetail();
  if (isTyping()) document.activeElement.blur();
  if (isFiltered()) clearFilters();
  return find("list").focus();
};

const enterKey = () => {
  if (list.chosen < 0) return;
  open(list.chosen);
  find("detail").querySelector("h2").focus();
};

const KEYS = {
  ArrowDown: () => move(list.chosen + 1), ArrowUp: () => move(list.chosen - 1),
  j: () => move(list.chosen + 1), k: () => move(list.chosen - 1),
  PageDown: () => move(list.chosen + list.page), PageUp: () => move(list.chosen - list.page),
  Home: () => move(0), End: () => move(shown.length - 1),
  n: () => moveToFailed(1), p: () => moveToFailed(-1),
  ArrowLeft: () => opened && detail.turn(-1), ArrowRight: () => opened && detail.turn(1),
  Enter: enterKey, t: () => find("test-list").focus(), d: () => switchTheme(),
  "/": () => find("filter-text").select(), "?": () => find("help").showModal(),
};

const TEST_KEYS = {
  ArrowDown: () => chooseTest(Math.min(testList.chosen + 1, tests.length - 1)),
  ArrowUp: () => chooseTest(Math.max(testList.chosen - 1, 0)),
  Home: () => chooseTest(0), End: () => chooseTest(tests.length - 1),
  Enter: () => find("list").focus(),
};

const isOwnKey = (key) => {
  const place = document.activeElement;
  const isButton = place?.tagName === "BUTTON" || place?.tagName === "SUMMARY";
  if (isButton && key === "Enter") return true;
  const isScrolled = Boolean(place?.closest?.(".tab-panel, .test-note"));
  return isScrolled && ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"].includes(key);
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
  if (event.key === "Escape") return escapeKey();
  if (isTyping()) {
    if (event.key === "Enter") find("list").focus();
    if (event.key === "Enter") event.preventDefault();
    return;
  }
  const own = document.activeElement === find("test-list") ? { ...KEYS, ...TEST_KEYS } : KEYS;
  if (!Object.hasOwn(own, event.key) || isOwnKey(event.key)) return;
  event.preventDefault();
  own[event.key]();
});

// Light and dark.

const THEME = "kit-viewer-theme";
const remembered = () => {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null; // a file's storage may be refused
  }
};

const applyTheme = (theme) => {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
};

const switchTheme = () => {
  const isDark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = isDark ? "light" : "dark";
  applyTheme(theme);
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // It is not remembered then.
  }
};

// The beginning.

const summarise = () => {
  const outcomes = new Map();
  for (const test of model.tests) outcomes.set(test.outcome, (outcomes.get(test.outcome) ?? 0) + 1);
  const parts = model.tests.length ? [[countOf(model.tests.length, "test"), "group"]] : [];
  parts.push(...[...outcomes].filter(([outcome]) => outcome).map(([outcome, number]) => [`${number} ${showLine(outcome)}`, toneOfOutcome(outcome)]));
  const tell = (number, text, tone) => number && parts.push([text, tone]);
  const failed = model.exchanges.filter((row) => row.isFailed).length;
  const unmatched = model.exchanges.filter((row) => row.nearMisses).length;
  const faulted = model.exchanges.filter((row) => row.fault).length;
  const dropped = asNumber(model.kit.dropped) ?? 0;
  parts.push([countOf(model.exchanges.length, "exchange"), "group"]);
  tell(failed, `${failed} failed`, "is-bad");
  tell(unmatched, `${unmatched} without a match`, "is-warn");
  tell(faulted, `${faulted} faulted`, "is-fault");
  tell(dropped, `${dropped} not kept`, "is-warn");
  find("summary").replaceChildren(...parts.map(([text, tone]) => make("li", { class: tone }, text)));
};

const fillSelect = (id, options) =>
  find(id).append(...options.map(([value, text]) => make("option", { value }, text)));

const begin = () => {
  applyTheme(remembered());
  const methods = [...new Set(model.exchanges.map((row) => row.method))].sort().slice(0, 50);
  fillSelect("filter-method", methods.map((method) => [method, cut(showLine(method), 30)]));
  fillSelect("filter-status", [["1", "1xx"], ["2", "2xx"], ["3", "3xx"], ["4", "4xx"], ["5", "5xx"], ["none", "no response"]]);
  if (!model.tests.length) {
    find("tests").hidden = true;
    find("main").classList.add("has-no-tests");
  }
  summarise();
  updateTests();
  update();
  find("filters").addEventListener("input", readFilters);
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("clear").addEventListener("click", clearFilters);
  find("tests-failed").addEventListener("change", updateTests);
  find("theme").addEventListener("click", switchTheme);
  find("show-help").addEventListener("click", () => find("help").showModal());
  addEventListener("resize", drawAxis);
  addEventListener("beforeprint", () => list.print(PRINTED));
  addEventListener("afterprint", () => list.rebuild());
  find("list").focus();
};

begin();
