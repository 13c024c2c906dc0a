// The open picture: loaded, drawn on, undone, accepted; what is drawn goes to the saver.

import { call, pixels } from "./api.js";
import { find, say, trying } from "./dom.js";
import { History } from "./history.js";
import { emit, isMarked, model, on, takeRow } from "./model.js";
import { Labels, Rect, same } from "./raster.js";
import { Saver } from "./saver.js";

export class Picture {
  #version = 0;

  constructor(stage) {
    this.stage = stage;
    this.history = new History();
    this.saver = new Saver({
      state: (key, state, detail) => this.saved(key, state, detail),
      outdated: (key, work, version) => trying(() => this.outdated(key, work, version)),
    });
    this.key = "";
    this.by = "nobody";
    this.wasMarked = false;
    this.isReady = false;
    this.problem = ""; // why it cannot be shown
    this.acting = false;
    this.before = null; // labels at the beginning of a stroke
    this.loading = 0;
    this.fitting = Promise.resolve(); // a box on its way to an object
    on("picture", ({ row, before }) => row.key === this.key && this.rowChanged(row, before));
    on("threshold", () => this.by === "prediction" && this.reload());
    on("classes", () => this.stage.recolour());
    addEventListener("beforeunload", (event) => this.saver.unsaved.size && event.preventDefault());
    document.addEventListener("visibilitychange", () => document.hidden && this.saver.flush());
  }

  get labels() {
    return this.stage.labels;
  }

  /** Of the labels on the stage. */
  get version() {
    return this.#version;
  }

  set version(number) {
    this.#version = number;
    this.stage.canvas.dataset.version = String(number);
  }

  get row() {
    return model.pictures.get(this.key);
  }

  // Loading

  async open(key) {
    const turn = ++this.loading;
    model.open = this.key = key;
    this.before = null;
    this.setReady(false);
    history.replaceState(null, "", `#${key}`);
    emit("open");
    await this.saver.flush();
    try {
      const asked = call("GET", `/api/pictures/${key}`);
      const [about, bitmap, found] = await Promise.all([
        asked,
        asked.then(() => picture(`/api/pictures/${key}/image`)), // of one that cannot be read, the server says why
        pixels("GET", `/api/pictures/${key}/labels`),
      ]);
      if (turn !== this.loading) return;
      takeRow(about);
      this.take(found);
      this.wasMarked = isMarked(about);
      this.stage.show(bitmap, new Labels(found.width, found.height, found.values));
      this.saved(key, "none");
      this.problem = "";
      this.setReady(true);
      emit("opened");
    } catch (error) {
      if (turn !== this.loading) return;
      this.stage.clear();
      this.problem = error.message;
      emit("opened");
      if (!("status" in error)) throw error;
    }
  }

  /** Until a picture is there, what is on the stage is the one before it: nothing is drawn or said then. */
  setReady(isReady) {
    this.isReady = isReady;
    this.stage.canvas.dataset.ready = String(isReady);
  }

  /** The labels anew, where nothing of ours is unsaved. */
  async reload() {
    const { key, loading } = this;
    if (!this.isReady || this.saver.isUnsaved(key) || this.before) return;
    const found = await trying(() => pixels("GET", `/api/pictures/${key}/labels`));
    if (!found || loading !== this.loading || this.saver.isUnsaved(key) || this.before) return;
    if (found.width !== this.labels.width || found.height !== this.labels.height) {
      await this.open(key);
      return;
    }
    this.take(found);
    this.stage.take(new Labels(found.width, found.height, found.values));
    emit("opened");
  }

  take({ headers }) {
    this.version = Number(headers.get("x-version"));
    this.by = headers.get("x-by");
  }

  rowChanged(row, before) {
    const drawnElsewhere = row.version > this.version && !this.acting;
    const foundAnew = row.round !== before.round && this.by !== "person";
    if (drawnElsewhere || foundAnew) this.reload();
    emit("opened");
  }

  // Drawing

  begin() {
    this.before = this.labels.values.slice();
  }

  changed() {
    this.by = "person";
    this.saver.changed(this.key, this.labels, this.version);
  }

  end(rect) {
    const box = rect.within(this.labels.width, this.labels.height);
    if (!box.empty) {
      const [before, after] = [this.labels.cut(box, this.before), this.labels.cut(box)];
      if (!same(before, after)) this.history.add(this.key, box, before, after);
    }
    this.before = null;
    emit("drawn");
  }

  undo() {
    if (!this.isReady || this.before) return;
    const rect = this.history.undo(this.key, this.labels);
    if (!rect) return;
    this.redrawn(rect);
    if (!this.history.of(this.key).done.length && !this.wasMarked) trying(() => this.startOver());
  }

  redo() {
    if (!this.isReady || this.before) return;
    const rect = this.history.redo(this.key, this.labels);
    if (rect) this.redrawn(rect);
  }

  redrawn(rect) {
    this.stage.refresh(rect);
    this.changed();
    emit("drawn");
  }

  box(rect, value) {
    this.fitting = this.fit(rect, value);
  }

  async fit(rect, value) {
    const { key } = this;
    emit("busy", "Fitting the box to the object …");
    const found = await trying(() => pixels("POST", `/api/pictures/${key}/box`, rect));
    emit("busy", "");
    if (!found || key !== this.key) return;
    this.begin();
    const changed = this.labels.region(found.values, value);
    this.stage.refresh(changed);
    this.changed();
    this.end(changed);
  }

  // What is said about the whole picture

  accept() {
    return this.act("accept");
  }

  absent() {
    return this.act("absent");
  }

  startOver() {
    return this.act("take_back");
  }

  /** Everything that was drawn is on the server, if it can be reached. */
  async settle() {
    await this.fitting;
    await this.saver.flush();
  }

  /** Whether it was done. */
  async act(what) {
    const { key } = this;
    if (!this.isReady) return false;
    await this.settle();
    if (this.key !== key || this.saver.isUnsaved(key)) return false; // the server is away; the saver has said so
    this.acting = true;
    try {
      const row = await call("POST", `/api/pictures/${key}/${what}`, { base: this.version });
      this.version = row.version;
      takeRow(row);
    } finally {
      this.acting = false;
    }
    if (what !== "accept") {
      if (what === "absent" && this.labels.values.some(Boolean)) {
        this.remember(new Uint8Array(this.labels.values.length));
      }
      await this.reload();
    }
    this.by = what === "take_back" ? this.by : "person";
    this.wasMarked = what !== "take_back";
    return true;
  }

  /** Other labels as a step that can be undone. */
  remember(values) {
    const { whole } = this.labels;
    this.history.add(this.key, whole, this.labels.values.slice(), values.slice());
  }

  // Keeping

  saved(key, state, detail) {
    if (key === this.key && (state === "saved" || state === "kept")) this.version = detail;
    if (key === this.key) {
      const words = { saving: "saving …", kept: "saving …", saved: "saved", waiting: "not saved yet", failed: "not saved" };
      find("#saved").textContent = words[state] ?? "";
      find("#saved").dataset.state = state;
      find("#saved").title = typeof detail === "string" ? detail : "";
    }
    if (state === "failed") say(detail, "error");
  }

  /** The server has another version: ours that it got without our knowing, or that of another window. */
  async outdated(key, work, version) {
    const theirs = await pixels("GET", `/api/pictures/${key}/labels`);
    if (work.sent && same(theirs.values, work.sent)) {
      if (key === this.key) this.version = version;
      if (!same(work.sent, work.labels.values)) this.saver.changed(key, work.labels, version);
      else this.saved(key, "saved", version);
      return;
    }
    say("This picture was changed in another window. That is shown now; Undo brings yours back.", "error");
    this.history.add(key, new Rect(0, 0, theirs.width, theirs.height), work.labels.values.slice(), theirs.values.slice());
    if (key === this.key) {
      this.take(theirs);
      this.stage.take(new Labels(theirs.width, theirs.height, theirs.values));
      emit("opened");
    }
  }
}

async function picture(path) {
  const image = new Image();
  image.src = path;
  await image.decode();
  return image;
}
