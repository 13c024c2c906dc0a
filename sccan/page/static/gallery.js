// The pictures of the folder: thousands in a list of which only what is in sight exists.

import { find, icon, make } from "./dom.js";
import { isMarked, model, on, told } from "./model.js";

const COLUMNS = 2;
const OVERSCAN = 2; // rows
const BADGES = { accepted: "check", absent: "absent", drawn: "pen" };

const ORDERS = {
  name: () => 0,
  doubt: (row) => (isMarked(row) ? 3 : row.problem ? 4 : !row.round ? 2 : row.nothing ? 0 : row.confidence),
};
const KEPT = {
  all: () => true,
  todo: (row) => !isMarked(row),
  done: isMarked,
  nothing: (row) => !isMarked(row) && row.round > 0 && row.nothing,
};

export class Gallery {
  /** @param {(key: string) => void} open */
  constructor(open) {
    this.open = open;
    this.list = find("#pictures");
    this.keys = [];
    this.cards = new Map();
    this.focused = 0;
    this.sizer = make("div", { className: "sizer", role: "presentation" });
    this.list.append(this.sizer);
    this.list.addEventListener("scroll", () => this.paint(), { passive: true });
    this.list.addEventListener("keydown", (event) => this.keydown(event));
    new ResizeObserver(() => this.paint()).observe(this.list);
    for (const name of ["#order", "#kept"]) find(name).addEventListener("change", () => this.arrange());
    let searching = false;
    on("folder", () => this.arrange());
    on("picture", ({ row }) => this.refresh(row.key));
    on("classes", () => this.restamp());
    on("progress", () => {
      if (searching && !model.progress.searching) this.arrange();
      searching = model.progress.searching;
      this.count();
    });
  }

  arrange() {
    const order = ORDERS[find("#order").value];
    const kept = KEPT[find("#kept").value];
    const rows = [...model.pictures.values()].filter(kept);
    this.keys = rows
      .map((row, place) => ({ row, place, rank: order(row) }))
      .sort((one, two) => one.rank - two.rank || one.place - two.place)
      .map(({ row }) => row.key);
    this.focused = Math.max(0, this.keys.indexOf(model.open));
    this.list.scrollTop = Math.min(this.list.scrollTop, this.height());
    this.paint(true);
    this.count();
  }

  count() {
    const rows = [...model.pictures.values()];
    const share = (kind) => (100 * rows.filter((row) => row.status === kind).length) / Math.max(1, rows.length);
    const done = rows.filter(isMarked).length;
    find("#coverage-text").textContent = `${done} of ${rows.length} checked`;
    for (const kind of ["accepted", "drawn", "absent"]) find(`#coverage .${kind}`).style.width = `${share(kind)}%`;
    find("#nothing-here").hidden = this.keys.length > 0;
  }

  cardHeight() {
    const width = (this.list.clientWidth - 10) / COLUMNS;
    return Math.round((width - 10) * 0.75 + 34);
  }

  height() {
    return Math.ceil(this.keys.length / COLUMNS) * this.cardHeight();
  }

  paint(anew = false) {
    const height = this.cardHeight();
    this.sizer.style.height = `${this.height()}px`;
    const first = Math.max(0, Math.floor(this.list.scrollTop / height) - OVERSCAN) * COLUMNS;
    const last = (Math.ceil((this.list.scrollTop + this.list.clientHeight) / height) + OVERSCAN) * COLUMNS;
    const wanted = new Map(this.keys.slice(first, last).map((key, place) => [key, first + place]));
    for (const [key, card] of this.cards) {
      if (!wanted.has(key)) {
        card.remove();
        this.cards.delete(key);
      }
    }
    for (const [key, place] of wanted) {
      let card = this.cards.get(key);
      if (!card) {
        card = this.build(key);
        this.cards.set(key, card);
        anew = true;
      }
      card.style.transform = `translate(${(place % COLUMNS) * 100}%, ${Math.floor(place / COLUMNS) * height}px)`;
      card.style.height = `${height}px`;
      card.dataset.place = place;
      card.setAttribute("aria-posinset", place + 1);
      card.setAttribute("aria-setsize", this.keys.length);
    }
    if (anew) {
      const inOrder = [...this.cards.values()].sort((one, two) => one.dataset.place - two.dataset.place);
      const held = this.sizer.contains(document.activeElement) ? document.activeElement : null;
      if (inOrder.some((card, place) => this.sizer.children[place] !== card)) this.sizer.replaceChildren(...inOrder);
      if (held && this.sizer.contains(held)) held.focus({ preventScroll: true });
    }
    this.mark();
  }

  build(key) {
    const picture = make("img", { alt: "", loading: "lazy", decoding: "async", className: "photo" });
    const layer = make("img", { alt: "", decoding: "async", className: "layer", hidden: true });
    const frame = make("span", { className: "frame" }, picture, layer);
    const card = make("div", { className: "card", role: "option", tabIndex: -1, "data-key": key });
    card.append(frame, make("span", { className: "name" }));
    card.addEventListener("click", () => this.open(key));
    this.fill(card, key);
    return card;
  }

  fill(card, key) {
    const row = model.pictures.get(key);
    const [photo, layer] = card.querySelectorAll("img");
    const source = row.problem ? "" : `/api/pictures/${key}/thumbnail`;
    if ((photo.getAttribute("src") ?? "") !== source) {
      if (source) photo.src = source;
      else photo.removeAttribute("src");
    }
    this.fillLayer(layer, row);
    const frame = find(".frame", card);
    find(".badge", frame)?.remove();
    const badge = row.problem ? "broken" : BADGES[row.status];
    if (badge) frame.append(make("span", { className: `badge ${row.problem ? "broken" : row.status}` }, icon(badge)));
    else if (row.round) {
      const text = row.nothing ? "?" : `${Math.round(100 * row.confidence)}`;
      const look = row.nothing || row.confidence < 0.6 ? "doubt" : "found";
      frame.append(make("span", { className: `badge ${look}` }, text));
    }
    const name = find(".name", card);
    name.textContent = row.name.split("/").at(-1);
    card.title = row.problem || `${row.name}: ${told(row)}`;
    card.setAttribute("aria-label", `${row.name}, ${told(row)}`);
  }

  fillLayer(layer, row) {
    const there = !row.problem && (isMarked(row) ? row.status !== "absent" : row.round > 0);
    layer.hidden = !there;
    if (!there) {
      layer.removeAttribute("src");
      return;
    }
    const classes = model.classes.map((one) => one.number).join("-");
    const drawn = isMarked(row) ? `v${row.version}` : `r${row.round}-${model.threshold}`;
    const source = `/api/pictures/${row.key}/layer?${drawn}&${classes}`;
    if (layer.getAttribute("src") !== source) layer.src = source;
  }

  refresh(key) {
    const card = this.cards.get(key);
    if (card) this.fill(card, key);
  }

  restamp() {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.cards.forEach((card, key) => this.refresh(key)), 250);
  }

  mark() {
    for (const [key, card] of this.cards) {
      card.setAttribute("aria-selected", String(key === model.open));
      card.tabIndex = Number(card.dataset.place) === this.focused ? 0 : -1;
    }
  }

  /** The picture after the open one (or before it); with `todo` the next that nobody has checked. */
  neighbour(step, todo = false) {
    const from = this.keys.indexOf(model.open);
    for (let count = 1; count <= this.keys.length; count++) {
      const place = from + step * count;
      const key = todo ? this.keys[(place + this.keys.length) % this.keys.length] : this.keys[place];
      const row = model.pictures.get(key);
      if (!row) return "";
      if (key !== model.open && (!todo || (!isMarked(row) && !row.problem))) return key;
    }
    return "";
  }

  reveal(key) {
    const place = this.keys.indexOf(key);
    if (place < 0) return;
    this.focused = place;
    const height = this.cardHeight();
    const top = Math.floor(place / COLUMNS) * height;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + height > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = top + height - this.list.clientHeight;
    }
    this.paint();
  }

  keydown(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS, Home: -1e9, End: 1e9 }[event.key];
    if (step !== undefined) {
      this.focused = Math.min(this.keys.length - 1, Math.max(0, this.focused + step));
      this.reveal(this.keys[this.focused]);
      this.cards.get(this.keys[this.focused])?.focus({ preventScroll: true });
    } else if (event.key === "Enter" || event.key === " ") {
      const key = this.keys[this.focused];
      if (key) this.open(key);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
