// Elements are made of tag names that stand in this script, and of text.

const SVG = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.setAttribute("class", value);
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const find = (id) => document.getElementById(id);

/** A list of which only the rows in sight are in the page. */
class WindowedList {
  constructor(scroller, rowHeight, build) {
    this.scroller = scroller;
    this.rowHeight = rowHeight;
    this.build = build;
    this.items = [];
    this.chosen = -1;
    this.isPrinted = false;
    this.rows = new Map();
    this.spacer = make("div", { class: "spacer", role: "presentation" });
    scroller.append(this.spacer);
    let isWaiting = false;
    const later = () => {
      if (isWaiting) return;
      isWaiting = true;
      requestAnimationFrame(() => {
        isWaiting = false;
        this.refresh();
      });
    };
    scroller.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(later).observe(scroller);
  }

  show(items, chosen = -1) {
    this.items = items;
    this.chosen = chosen;
    this.spacer.style.height = `${items.length * this.rowHeight}px`;
    this.rebuild();
  }

  rebuild() {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.isPrinted = false;
    this.refresh();
  }

  /** Build the first rows, in sight or not: paper cannot be scrolled. */
  print(most) {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.isPrinted = true;
    this.buildBetween(0, most);
  }

  /** Build what has come into sight, drop what has gone. */
  refresh() {
    if (this.isPrinted) return;
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - 6);
    this.buildBetween(first, first + Math.min(200, Math.ceil(clientHeight / this.rowHeight) + 12));
  }

  buildBetween(first, end) {
    const last = Math.min(this.items.length, end);
    for (const [at, row] of this.rows) {
      if (at < first || at >= last) {
        row.remove();
        this.rows.delete(at);
      }
    }
    for (let at = first; at < last; at += 1) if (!this.rows.has(at)) this.rows.set(at, this.place(at));
    this.tellChosen();
  }

  place(at) {
    const row = this.build(this.items[at], at, at === this.chosen);
    row.id = `${this.scroller.id}-${at}`;
    row.style.top = `${at * this.rowHeight}px`;
    this.scroller.append(row);
    return row;
  }

  choose(at) {
    const before = this.chosen;
    this.chosen = at;
    for (const index of [before, at]) {
      if (!this.rows.has(index)) continue;
      this.rows.get(index).remove();
      this.rows.delete(index);
    }
    this.reveal(at);
    this.refresh();
  }

  reveal(at) {
    if (at < 0) return;
    const { scroller, rowHeight } = this;
    const top = at * rowHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + rowHeight > scroller.scrollTop + scroller.clientHeight) {
      scroller.scrollTop = top + rowHeight - scroller.clientHeight;
    }
  }

  tellChosen() {
    if (this.rows.has(this.chosen)) {
      this.scroller.setAttribute("aria-activedescendant", `${this.scroller.id}-${this.chosen}`);
    } else this.scroller.removeAttribute("aria-activedescendant");
  }

  get page() {
    return Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight) - 1);
  }
}
