// Is it good enough? Examples that are not found again, pictures probably without the class, how far, and how well of late.

import { call } from "./api.js";
import { find, make, svg, trying } from "./dom.js";
import { model, on } from "./model.js";

const SHOWN = 12;
const WINDOW = 5; // pictures over which the curve is smoothed

export class Quality {
  /** @param {(key: string) => void} open */
  constructor(open) {
    this.open = open;
    this.panel = find("#quality");
    find("#quality-button").addEventListener("click", () => this.toggle());
    find("#quality-close").addEventListener("click", () => this.toggle(false));
    on("picture quality", () => this.later());
    on("progress", () => !model.progress.searching && this.later());
  }

  toggle(shown = this.panel.hidden) {
    this.panel.hidden = !shown;
    find("#quality-button").setAttribute("aria-expanded", String(shown));
    if (shown) {
      this.load();
      find("#quality-close").focus();
    } else {
      find("#quality-button").focus();
    }
  }

  later() {
    clearTimeout(this.timer);
    if (!this.panel.hidden) this.timer = setTimeout(() => this.load(), 300);
  }

  async load() {
    const found = await trying(() => call("GET", "/api/quality"));
    if (found) find("#quality-content").replaceChildren(...this.sections(found));
  }

  sections(found) {
    return [this.coverage(found), this.agreement(found), this.checks(found), this.nothing(found)];
  }

  coverage({ pictures, accepted, marked, absent, found }) {
    const numbers = [
      [accepted, "accepted"],
      [marked - accepted - absent, "marked"],
      [absent, "not here"],
      [found, "found, unchecked"],
      [pictures - marked - found, "not looked at"],
    ];
    const list = numbers.map(([count, text]) => make("div", {}, make("dt", {}, text), make("dd", {}, String(count))));
    return section("How far", make("dl", { className: "numbers" }, ...list));
  }

  agreement({ agreements }) {
    const title = "How well of late";
    if (agreements.length < 2) {
      return section(title, note("Accept or correct pictures that were found: a curve of how little you had to change appears."));
    }
    const smooth = agreements.map((_, place) => mean(agreements.slice(Math.max(0, place - WINDOW + 1), place + 1)));
    const last = Math.round(100 * smooth.at(-1));
    const words =
      last >= 90
        ? "What is found is what you accept: the rest may need only a look."
        : last >= 70
          ? "Most is right; corrections still pay."
          : "Much is corrected; go on, and learn again.";
    return section(title, chart(agreements, smooth), note(`The last pictures agree to ${last} % (IoU). ${words}`));
  }

  checks({ checks }) {
    const weak = checks.filter((check) => check.weak);
    if (!checks.length) return section("Examples", note("After a search every example is looked for with the help of the others."));
    if (!weak.length) return section("Examples", note(`${checks.length === 1 ? "It is" : `All ${checks.length} are`} found again (worst: ${percent(checks[0].iou)} IoU).`));
    const cards = weak.slice(0, SHOWN).map((check) => {
      const place = checks.indexOf(check);
      const image = make("img", { src: `/api/quality/${place}?${model.progress.round}`, alt: `${check.name}: what was found and what was marked` });
      const text = make("span", {}, make("b", {}, check.name), ` ${check.class}: ${percent(check.iou)} IoU, ${check.how.split(";")[0]}`);
      return this.card(image, text, [...model.pictures.values()].find((row) => row.name === check.name)?.key);
    });
    const words = note("Not found again. Look whether the mask is careless; if all are here, this model is not up to it. Green: found and marked; orange: only found; yellow stripes: only marked.");
    return section("Doubtful examples", words, make("ul", { className: "cards" }, ...cards));
  }

  nothing({ nothing }) {
    const title = "Probably without the class";
    if (!nothing.length) return section(title, note("None so far."));
    const cards = nothing.slice(0, SHOWN).map((key) => {
      const image = make("img", { src: `/api/pictures/${key}/thumbnail`, alt: "" });
      return this.card(image, make("span", {}, model.pictures.get(key).name), key);
    });
    const more = nothing.length > SHOWN ? note(`and ${nothing.length - SHOWN} more; filter the pictures by “Probably not here”.`) : null;
    return section(`${title}: ${nothing.length}`, make("ul", { className: "cards" }, ...cards), more);
  }

  card(image, text, key) {
    const button = make("button", { type: "button", className: "plain" }, image, text);
    button.addEventListener("click", () => key && this.open(key));
    return make("li", {}, button);
  }
}

function section(title, ...content) {
  return make("section", {}, make("h3", {}, title), ...content);
}

function note(text) {
  return make("p", { className: "note" }, text);
}

function chart(values, smooth) {
  const [width, height, edge] = [280, 110, 26];
  const x = (place) => edge + (place / (values.length - 1)) * (width - edge - 6);
  const y = (value) => 8 + (1 - value) * (height - 26);
  const lines = [0, 0.5, 1].flatMap((value) => [
    svg("line", { class: "grid", x1: edge, x2: width - 6, y1: y(value), y2: y(value) }),
    svg("text", { class: "tick", x: edge - 5, y: y(value) + 4, "text-anchor": "end" }, String(100 * value)),
  ]);
  const dots = values.map((value, place) => svg("circle", { class: "dot", cx: x(place), cy: y(value), r: 2.5 }));
  const path = svg("polyline", { class: "curve", points: smooth.map((value, place) => `${x(place)},${y(value)}`).join(" ") });
  const axis = svg("text", { class: "tick", x: width - 6, y: height - 3, "text-anchor": "end" }, `${values.length} pictures, in your order`);
  const title = svg("title", {}, `Agreement of prediction and correction: ${smooth.map((value) => percent(value)).join(", ")}`);
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img" }, title, ...lines, ...dots, path, axis);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}

