// Masks to take along: written on the server, handed over as one archive.

import { call } from "./api.js";
import { find, make, trying } from "./dom.js";
import { model, on } from "./model.js";

const WORDS = {
  png: "one label map per picture, and classes.txt",
  coco: "one json file; regions as run lengths, exact and small",
  "coco-polygons": "one json file; regions as polygons",
  labelme: "one json file per picture, polygons",
  yolo: "one text file per picture, data.yaml, and the pictures",
  cvat: "one XML file, masks",
  examples: "pictures and masks, as --support takes them",
};
const ALWAYS = ["yolo", "examples"]; // with the pictures
const PARTS = ["coco", "coco-polygons", "labelme", "cvat"]; // can tell instances apart

export class Exports {
  constructor() {
    this.dialog = find("#export-dialog");
    find("#export-button").addEventListener("click", () => this.ask());
    find("#export-cancel").addEventListener("click", () => this.dialog.close());
    find("form", this.dialog).addEventListener("submit", (event) => {
      event.preventDefault();
      trying(() => this.write());
    });
    find("#formats").addEventListener("change", () => this.adjust());
    on("folder", () => this.fill());
  }

  fill() {
    const choices = Object.entries(model.formats).map(([name, title], place) => {
      const input = make("input", { type: "radio", name: "format", value: name, checked: place === 0 });
      return make("label", { className: "choice" }, input, make("span", {}, make("b", {}, title), make("small", {}, WORDS[name] ?? "")));
    });
    find("#formats").replaceChildren(make("legend", {}, "Format"), ...choices);
    this.adjust();
  }

  get format() {
    return find("input[name=format]:checked", this.dialog).value;
  }

  adjust() {
    find("#with-pictures").disabled = ALWAYS.includes(this.format);
    find("#instances").disabled = !PARTS.includes(this.format);
  }

  ask() {
    find("#export-done").hidden = true;
    this.dialog.showModal();
  }

  async write() {
    const button = find("#export-write");
    button.disabled = true;
    try {
      const { format } = this;
      const content = {
        format,
        instances: find("#instances").checked && !find("#instances").disabled,
        pictures: find("#with-pictures").checked,
        predictions: find("#predictions").checked,
      };
      const found = await call("POST", "/api/exports", content);
      const link = make("a", { href: `/api/exports/${format}`, download: `${format}.zip`, className: "button primary" }, "Download as .zip");
      const lines = [make("p", {}, `${found.pictures} pictures are in `, make("code", {}, found.where), ".")];
      for (const line of found.left_out.slice(0, 3)) lines.push(make("p", { className: "warning" }, `Left out: ${line}`));
      find("#export-done").replaceChildren(...lines, link);
      find("#export-done").hidden = false;
      link.focus();
    } finally {
      button.disabled = false;
    }
  }
}
