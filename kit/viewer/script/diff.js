// What came near a request, line by line: what was held, what was not, and for that what was
// expected and what came. Signs say it as well as colours.

const MARKED_LINES = 500;
const PARTED = /^(\s*)(.*): expected (.*), got (.*)$/;
const MISSING = /^(\s*)(.*): missing, expected (.*)$/;
const UNEXPECTED = /^(\s*)(.*): unexpected, got (.*)$/;

const makeLine = (tag, kind, text) => make(tag, { class: `line ${kind}` }, text);
const makeMinus = (indent, text) => makeLine("del", "minus", `- ${indent}expected ${text}`);
const makePlus = (indent, text) => makeLine("ins", "plus", `+ ${indent}got ${text}`);
const kindOfCheck = (line) => (/^\s*✓/.test(line) ? "held" : /^\s*✗/.test(line) ? "failed" : "");

/** Part a line where it tells a difference; where that is not sure, it stays whole. */
const makeDifference = (line) => {
  const found = PARTED.exec(line);
  if (found && line.split(", got ").length === 2 && line.split(": expected ").length === 2) {
    const [, indent, place, expected, got] = found;
    return [makeLine("span", kindOfCheck(line), `${indent}${place}:`), makeMinus(indent, expected), makePlus(indent, got)];
  }
  const lone = MISSING.exec(line) ?? UNEXPECTED.exec(line);
  if (!lone) return [makeLine("span", kindOfCheck(line), line || " ")];
  const [, indent, place, value] = lone;
  const isMissing = MISSING.test(line);
  return [
    makeLine("span", kindOfCheck(line), `${indent}${place}: ${isMissing ? "missing" : "unexpected"}`),
    isMissing ? makeMinus(indent, value) : makePlus(indent, value),
  ];
};

const showDifferences = (text) => {
  const lines = showLines(cut(text, TEXT_AT_ONCE)).split("\n");
  const rest = lines.slice(MARKED_LINES);
  return make("pre", { class: "near-misses", tabindex: "0" },
    ...lines.slice(0, MARKED_LINES).flatMap(makeDifference),
    ...(rest.length ? [makeLine("span", "", rest.join("\n"))] : []));
};
