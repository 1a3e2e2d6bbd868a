// Values of the document as text. The document may come from anywhere: nothing in it is
// taken for granted, and nothing of it becomes markup.

const asText = (value) =>
  typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
const asList = (value) => (Array.isArray(value) ? value : []);
const asDict = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
const asNumber = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

// What has no shape of its own, or would turn the text around it.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udfff]/gu;

const escapeOne = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;

/** Show every character of a text, lines and tabs as they are. */
const showLines = (text) => text.replaceAll("\r\n", "\n").replace(UNSEEN, escapeOne);

/** Show a text on one line. */
const showLine = (text) =>
  text.replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\r", "\\r").replace(UNSEEN, escapeOne);

const cut = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);

const showDuration = (ms) => {
  if (ms === null) return "";
  const size = Math.abs(ms);
  if (size < 1) return `${Number(ms.toFixed(2))} ms`;
  if (size < 100) return `${Number(ms.toFixed(1))} ms`;
  if (size < 1000) return `${Math.round(ms)} ms`;
  return size < 120000 ? `${Number((ms / 1000).toFixed(2))} s` : `${Number((ms / 60000).toFixed(1))} min`;
};

const showSize = (bytes) => {
  if (bytes === null || bytes < 0) return "";
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1048576) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1048576).toFixed(1)} MiB`;
};

const countOf = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

const decodeBase64 = (text) => {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
};

const HEX_BYTES = 4096;

const dumpHex = (bytes) => {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, HEX_BYTES); at += 16) {
    const part = [...bytes.slice(at, at + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${shown}`);
  }
  const rest = bytes.length - HEX_BYTES;
  return rest > 0 ? [...lines, `(${countOf(rest, "further byte")})`].join("\n") : lines.join("\n");
};

const JSON_TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const JSON_DEEPEST = 40;

/** Lay out JSON, each token as it was written; null for what is none, or nests too deep. */
const layOutJson = (text) => {
  if (!/^\s*[{[]/.test(text)) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(JSON_TOKEN);
  const parts = [];
  let depth = 0;
  const breakLine = () => parts.push([`\n${"  ".repeat(depth)}`, ""]);
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if ("{[".includes(token)) {
      depth += 1;
      if (depth > JSON_DEEPEST) return null;
      parts.push([token, ""]);
      if (!"}]".includes(tokens[at + 1])) breakLine();
    } else if ("}]".includes(token)) {
      depth -= 1;
      if (!"{[".includes(tokens[at - 1])) breakLine();
      parts.push([token, ""]);
    } else if (token === ",") {
      parts.push([token, ""]);
      breakLine();
    } else if (token === ":") {
      parts.push([": ", ""]);
    } else {
      parts.push([token, kindOfToken(token, tokens[at + 1])]);
    }
  }
  return parts;
};

const kindOfToken = (token, next) => {
  if (token.startsWith('"')) return next === ":" ? "key" : "string";
  return /^[-0-9]/.test(token) ? "number" : "word";
};
