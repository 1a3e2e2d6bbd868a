// The frames of a websocket, drawn as a sequence diagram.

const OPCODES = new Map([[0, "Continuation"], [1, "Text"], [2, "Binary"], [8, "Close"], [9, "Ping"], [10, "Pong"]]);
const FRAMES_AT_ONCE = 100;
const FRAME_HEIGHT = 30;
const CLIENT_X = 88;

const readBytes = (message) => {
  const data = asText(message.data);
  // As Chrome writes it: text as text, everything else in Base64.
  return (asNumber(message.opcode) ?? 1) === 1 ? new TextEncoder().encode(data) : decodeBase64(data) ?? new TextEncoder().encode(data);
};

const makeFrame = (opcode, isFromClient, bytes, more) => {
  const frame = { opcode, isFromClient, bytes, text: null, isFinal: true, size: bytes.length, offset: null, closeCode: null, ...more };
  if (opcode === 8 && bytes.length > 1) {
    frame.closeCode ??= bytes[0] * 256 + bytes[1];
    frame.text = new TextDecoder().decode(bytes.slice(2));
  }
  return frame;
};

const readMessages = (row) => {
  const started = Date.parse(asText(row.entry.startedDateTime)) / 1000;
  return asList(row.entry._webSocketMessages).map(asDict).map((message) => {
    const offset = (asNumber(message.time) ?? NaN) - started;
    const opcode = asNumber(message.opcode) ?? 1;
    const more = { offset: Number.isFinite(offset) ? offset * 1000 : null };
    const frame = makeFrame(opcode, message.type === "send", readBytes(message), more);
    return opcode === 1 ? { ...frame, text: asText(message.data) } : frame;
  });
};

/** Cut messages into the frames that the recorder tells of; null if they are not theirs. */
const cutMessages = (messages, facts) => {
  const rest = [...messages];
  const begun = { send: [], receive: [] };
  const found = new Array(facts.length);
  const deal = (parts) => {
    const message = rest.shift();
    if (!message) return false;
    let start = 0;
    for (const part of parts) {
      const fact = facts[part];
      const size = asNumber(fact.kept) ?? asNumber(fact.size) ?? 0;
      const bytes = message.bytes.slice(start, start + size);
      found[part] = makeFrame(asNumber(fact.opcode) ?? 1, fact.direction === "send", bytes, {
        isFinal: fact.fin !== false, size: asNumber(fact.size) ?? size, offset: asNumber(fact.time), closeCode: asNumber(fact.close_code),
      });
      if (message.text !== null && message.opcode === 1) found[part].text = parts.length === 1 ? message.text : new TextDecoder().decode(bytes);
      start += size;
    }
    return true;
  };
  for (const [at, fact] of facts.entries()) {
    const isControl = (asNumber(fact.opcode) ?? 1) >= 8;
    const parts = isControl ? [at] : begun[fact.direction === "send" ? "send" : "receive"];
    if (!isControl) parts.push(at);
    if (!isControl && fact.fin === false) continue;
    if (!deal(parts)) return null;
    if (!isControl) parts.length = 0;
  }
  for (const parts of Object.values(begun)) if (parts.length && !deal(parts)) return null;
  return rest.length ? null : found;
};

/** Read the frames: HAR's messages, cut as the recorder tells. */
const readFrames = (row) => {
  const messages = readMessages(row);
  const facts = asList(row.kit.frames).map(asDict);
  return (facts.length && cutMessages(messages, facts)) || messages;
};

const nameOfFrame = (frame) => {
  const name = OPCODES.get(frame.opcode) ?? `opcode ${frame.opcode}`;
  const close = frame.closeCode === null ? "" : ` ${frame.closeCode}`;
  return `${name}${close}${frame.isFinal ? "" : " (to be continued)"}`;
};

const CALM_CLOSES = [null, 1000, 1001, 1005];

const kindOfFrame = (frame) => {
  if (frame.opcode === 8) return CALM_CLOSES.includes(frame.closeCode) ? "control" : "close";
  return frame.opcode > 8 ? "control" : frame.opcode === 2 ? "binary" : "text";
};

const describeFrame = (frame) => {
  const about = `${nameOfFrame(frame)}, ${showSize(frame.size)}`;
  const said = frame.text === null
    ? [...frame.bytes.slice(0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
    : cut(showLine(frame.text), 36);
  return said ? `${about}  ${said}` : about;
};

const drawFrame = (frame, at, width, open) => {
  const serverX = width - 44;
  const y = 44 + at * FRAME_HEIGHT;
  const [from, to] = frame.isFromClient ? [CLIENT_X, serverX] : [serverX, CLIENT_X];
  const tip = frame.isFromClient ? -1 : 1;
  const side = frame.isFromClient ? "client to server" : "server to client";
  const group = draw(
    "g",
    { class: `frame ${kindOfFrame(frame)}`, role: "button", tabindex: "0",
      "aria-label": `${side}: ${describeFrame(frame)}` },
    draw("rect", { class: "back", x: "0", y: String(y - 17), width: String(width), height: String(FRAME_HEIGHT - 1) }),
    draw("text", { class: "at", x: "6", y: String(y + 4) }, frame.offset === null ? "" : `+${showDuration(frame.offset)}`),
    draw("line", { x1: String(from), y1: String(y + 5), x2: String(to), y2: String(y + 5) }),
    draw("path", { d: `M ${to} ${y + 5} l ${tip * 8} -4 l 0 8 z` }),
    draw("text", { x: String((CLIENT_X + serverX) / 2), y: String(y), "text-anchor": "middle" }, describeFrame(frame)),
  );
  const choose = () => open(frame, group);
  group.addEventListener("click", choose);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    choose();
  });
  return group;
};

const drawFrames = (frames, width, open) => {
  const height = 44 + frames.length * FRAME_HEIGHT;
  const end = (x, text) => draw("text", { class: "end", x: String(x), y: "14", "text-anchor": "middle" }, text);
  const life = (x) => draw("line", { class: "life", x1: String(x), y1: "22", x2: String(x), y2: String(height - 6) });
  return draw(
    "svg",
    { class: "sequence", width: String(width), height: String(height), viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Frames in order" },
    end(CLIENT_X, "client"), end(width - 44, "server"), life(CLIENT_X), life(width - 44),
    ...frames.map((frame, at) => drawFrame(frame, at, width, open)),
  );
};

/** Show the frames of a websocket, a hundred at a time, and the one that is chosen. */
const showFrames = (row) => {
  const frames = readFrames(row);
  const chosen = make("div", { class: "frame-detail", "aria-live": "polite" });
  const place = make("div");
  const width = Math.max(420, Math.min(860, find("tab-panel").clientWidth - 30));
  let from = 0;
  const open = (frame, group) => {
    for (const other of place.querySelectorAll(".is-chosen")) other.classList.remove("is-chosen");
    group.classList.add("is-chosen");
    chosen.replaceChildren(
      make("h3", {}, `${frame.isFromClient ? "client to server" : "server to client"}: ${nameOfFrame(frame)}, ${showSize(frame.size)}`),
      frame.text === null ? make("pre", {}, dumpHex(frame.bytes)) : showPretty(frame.text),
    );
  };
  const step = (by) => () => turn(from + by);
  const turn = (at) => {
    from = Math.max(0, Math.min(at, frames.length - 1));
    const until = Math.min(frames.length, from + FRAMES_AT_ONCE);
    const tools = make("div", { class: "tools" });
    if (frames.length > FRAMES_AT_ONCE) {
      const button = (text, by, isOff) => make("button", { type: "button", on: { click: step(by) }, disabled: isOff ? "" : null }, text);
      tools.append(
        button("Earlier", -FRAMES_AT_ONCE, from === 0), button("Later", FRAMES_AT_ONCE, until === frames.length),
        `frames ${from + 1} to ${until} of ${frames.length}`,
      );
    }
    place.replaceChildren(tools, drawFrames(frames.slice(from, until), width, open));
    chosen.replaceChildren();
  };
  if (!frames.length) return [make("p", { class: "empty" }, "No frame was recorded.")];
  turn(0);
  return [place, chosen];
};
