// The classes: chips to choose what is drawn, and the dialog that names, renames and takes away.

import { call } from "./api.js";
import { find, icon, make, trying } from "./dom.js";
import { classNamed, emit, model, on, takeClasses } from "./model.js";

export class Classes {
  constructor() {
    this.bar = find("#classes");
    this.dialog = find("#class-dialog");
    this.editing = 0;
    this.painted = ""; // the classes of the chips: they stay the same nodes as long as nothing has changed
    on("classes", () => {
      find("#welcome").hidden = model.classes.length > 0;
      this.paint();
    });
    find("#add-class").addEventListener("click", () => this.ask(0));
    find("#first-class").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = find("#first-name");
      trying(async () => {
        await this.add(input.value);
        input.value = "";
        find("#canvas").focus();
      });
    });
    find("form", this.dialog).addEventListener("submit", (event) => {
      event.preventDefault();
      trying(() => this.save(find("#class-name").value));
    });
    find("#remove-class").addEventListener("click", () => trying(() => this.remove()));
    find("#class-cancel").addEventListener("click", () => this.dialog.close());
  }

  paint() {
    const plain = JSON.stringify(model.classes);
    if (plain === this.painted) {
      this.mark();
      return;
    }
    this.painted = plain;
    const chips = model.classes.map((one, place) => {
      const swatch = make("span", { className: "swatch" });
      swatch.style.background = one.colour;
      const key = place < 9 ? make("kbd", { "aria-hidden": "true" }, String(place + 1)) : null;
      const choose = make("button", { type: "button", className: "chip", "data-number": one.number });
      choose.append(swatch, make("span", { className: "text" }, one.name), ...(key ? [key] : []));
      choose.addEventListener("click", () => this.choose(one.number));
      choose.addEventListener("dblclick", () => this.ask(one.number));
      const edit = make("button", { type: "button", className: "edit", "aria-label": `Rename or remove ${one.name}` }, icon("more"));
      edit.addEventListener("click", () => this.ask(one.number));
      return make("li", {}, choose, edit);
    });
    this.bar.replaceChildren(...chips);
    this.mark();
  }

  mark() {
    for (const chip of this.bar.querySelectorAll(".chip")) {
      chip.setAttribute("aria-pressed", String(Number(chip.dataset.number) === model.active));
    }
  }

  choose(number) {
    model.active = number;
    this.mark();
    emit("active");
  }

  byKey(place) {
    if (model.classes[place]) this.choose(model.classes[place].number);
  }

  ask(number) {
    this.editing = number;
    find("#class-title").textContent = number ? "Rename this class" : "A new class";
    find("#class-name").value = number ? classNamed(number).name : "";
    find("#remove-class").hidden = !number;
    find("#class-note").hidden = !number;
    this.dialog.showModal();
    find("#class-name").select();
  }

  async save(name) {
    if (this.editing) takeClasses(await call("PATCH", `/api/classes/${this.editing}`, { name }));
    else await this.add(name);
    this.dialog.close();
  }

  async add(name) {
    const found = await call("POST", "/api/classes", { name });
    model.active = found.number;
    takeClasses(found);
  }

  async remove() {
    takeClasses(await call("DELETE", `/api/classes/${this.editing}`));
    this.dialog.close();
  }
}
