// Puts the parts together: header, stage, tools, gallery, keys.

import { call, listen } from "./api.js";
import { Classes } from "./classes.js";
import { find, icon, say, trying } from "./dom.js";
import { Exports } from "./export.js";
import { Gallery } from "./gallery.js";
import { Keys } from "./keys.js";
import { emit, isMarked, model, on, takeClasses, takeFolder, takeProgress, takeRow, told } from "./model.js";
import { Picture } from "./picture.js";
import { Quality } from "./quality.js";
import { Stage } from "./stage.js";
import { Tools } from "./tools.js";

const stage = new Stage(find("#canvas"));
const picture = new Picture(stage);
const open = (key) => {
  document.body.classList.remove("browsing");
  return picture.open(key);
};
const gallery = new Gallery((key) => {
  open(key);
  toPicture();
});
const classes = new Classes();
const quality = new Quality(open);
const exporting = new Exports();
const tools = new Tools(stage, {
  ready: () => picture.isReady,
  value() {
    if (model.active) return model.active;
    classes.ask(0);
    return null;
  },
  begin: () => picture.begin(),
  changed: (rect) => picture.changed(rect),
  end: (rect) => picture.end(rect),
  undo: () => picture.undo(),
  box: (rect, value) => picture.box(rect, value),
});

// What is asked for

function choose(name) {
  tools.choose(name);
  for (const button of document.querySelectorAll("[data-tool-name]")) {
    button.setAttribute("aria-pressed", String(button.dataset.toolName === name));
  }
}

async function search() {
  await picture.settle();
  await trying(async () => takeProgress(await call("POST", "/api/find")));
}

async function accept() {
  tools.cancel();
  if (await trying(() => picture.accept())) onwards();
}

async function absent() {
  tools.cancel();
  if (await trying(() => picture.absent())) onwards();
}

function onwards() {
  const key = gallery.neighbour(1, true);
  if (key) go(key);
  else say("Every picture is checked.");
}

function go(key) {
  if (!key) return;
  open(key);
  gallery.reveal(key);
}

function setRange(name, value) {
  const input = find(name);
  input.value = value;
  input.dispatchEvent(new Event("input"));
}

const stepRange = (name, step) => setRange(name, Number(find(name).value) + step);

const actions = {
  "#search": search,
  "#accept": accept,
  "#absent": absent,
  "#start-over": () => trying(() => picture.startOver()),
  "#undo": () => picture.undo(),
  "#redo": () => picture.redo(),
  "#previous": () => go(gallery.neighbour(-1)),
  "#next": () => go(gallery.neighbour(1)),
  "#zoom-in": () => stage.zoom(1.4),
  "#zoom-out": () => stage.zoom(1 / 1.4),
  "#fit": () => stage.fit(),
  "#layer": toggleLayer,
  "#browse": () => document.body.classList.toggle("browsing"),
  "#browse-close": () => document.body.classList.remove("browsing"),
};
for (const [name, act] of Object.entries(actions)) find(name).addEventListener("click", act);
for (const button of document.querySelectorAll("[data-tool-name]")) {
  button.addEventListener("click", () => choose(button.dataset.toolName));
}

// A click leaves the keys to the picture: Enter accepts, and does not press the same button again.
for (const part of document.querySelectorAll(".bar, [role=toolbar]")) {
  part.addEventListener("click", (event) => event.detail && event.target.closest("button") && toPicture());
}

function toPicture() {
  find("#canvas").focus({ preventScroll: true });
}

function toggleLayer() {
  stage.shows = !stage.shows;
  find("#layer").setAttribute("aria-pressed", String(stage.shows));
  stage.draw();
}

find("#thickness").addEventListener("input", (event) => {
  tools.radius = Number(event.target.value) / 2;
  stage.draw();
});
find("#opacity").addEventListener("input", (event) => {
  stage.opacity = Number(event.target.value) / 100;
  stage.draw();
});
let thresholdTimer = 0;
find("#threshold").addEventListener("input", (event) => {
  const value = Number(event.target.value) / 100;
  showThreshold(value);
  clearTimeout(thresholdTimer);
  thresholdTimer = setTimeout(() => trying(() => call("PUT", "/api/threshold", { value })), 80);
});

function showThreshold(value) {
  find("#threshold-text").textContent = `${Math.round(100 * value)} %`;
}

function takeClassesAndThreshold(content) {
  const before = model.threshold;
  takeClasses(content);
  if (before !== content.threshold) emit("threshold");
}

// What is shown

on("classes", () => {
  if (document.activeElement !== find("#threshold")) find("#threshold").value = Math.round(100 * model.threshold);
  showThreshold(model.threshold);
});
on("progress", showProgress);
on("folder", () => {
  find("#folder").textContent = model.folder;
  document.title = `${model.folder} · sccan label`;
  find("#model").textContent = model.about;
});
on("open opened drawn picture progress classes active", showStatus);
on("opened", () => {
  find("#problem").hidden = !picture.problem;
  find("#problem-text").textContent = picture.problem;
  gallery.mark();
});
on("busy", (text) => {
  find("#busy").textContent = text;
  find("#busy").hidden = !text;
});

function showProgress() {
  const { searching, done, total, round, stale } = model.progress;
  const button = find("#search");
  const share = total ? done / total : 0;
  button.style.setProperty("--share", searching ? share : 0);
  button.classList.toggle("searching", searching);
  button.classList.toggle("stale", stale && !searching);
  const words = searching ? `Finding ${done} of ${total}` : round ? "Learn again" : "Find in all";
  find("#search-text").textContent = words;
  button.setAttribute("aria-label", searching ? words : `${words} (F)`);
}

function showStatus() {
  const { row } = picture;
  find("#picture-name").textContent = row?.name ?? "";
  find("#picture-told").textContent = row ? told(row) : "";
  find("#picture-told").dataset.status = row ? row.status || (row.nothing ? "nothing" : "found") : "";
  const steps = picture.key ? picture.history.of(picture.key) : { done: [], undone: [] };
  find("#undo").disabled = !steps.done.length;
  find("#redo").disabled = !steps.undone.length;
  find("#start-over").hidden = !row || !isMarked(row);
  find("#hint").textContent = hint(row);
}

function hint(row) {
  const marked = [...model.pictures.values()].some(isMarked);
  const name = model.classes.find((one) => one.number === model.active)?.name ?? "object";
  if (!model.classes.length) return "";
  if (!marked) return `Mark the ${name} in this picture: paint over it, outline it, or draw a box around it.`;
  if (model.progress.searching) return "Masks appear as they are made. You can go on working.";
  if (!model.progress.round) return "Now press “Find in all” (F): the other pictures are looked through.";
  if (row && !isMarked(row) && row.round) return "Right? Accept (Enter). Wrong? Paint over it, or say “Not here” (N).";
  if (model.progress.stale) return "You have taught something new: “Learn again” (F) looks through the rest with it.";
  return "";
}

// Keys

new Keys([
  ["Tools", "B", "Brush", () => choose("brush")],
  ["Tools", "E", "Eraser", () => choose("eraser")],
  ["Tools", "P", "Polygon (click or Space for corners, Enter closes)", () => choose("polygon")],
  ["Tools", "R", "Box that fits itself to the object", () => choose("box")],
  ["Tools", "H", "Hand: move the picture", () => choose("hand")],
  ["Tools", "[ ]", "Thinner, thicker", () => {}],
  ["Tools", "1 … 9", "Choose a class", () => {}],
  ["Tools", "C", "A new class", () => classes.ask(0)],
  ["Drawing by keyboard", "← ↑", "Move the cross over the picture (⇧: faster)", () => {}],
  ["Drawing by keyboard", "Space", "Put the tool down, lift it", () => {}],
  ["Drawing by keyboard", "Escape", "Give up a polygon or a box; leave the picture", escape],
  ["Picture", "Enter A", "Accept, and on to the next", accept],
  ["Picture", "N", "Not here: none of the classes is in it", absent],
  ["Picture", "Z Ctrl+Z", "Undo", () => picture.undo()],
  ["Picture", "Y Ctrl+Shift+Z", "Do again", () => picture.redo()],
  ["Picture", "K PageUp", "The picture before", () => go(gallery.neighbour(-1))],
  ["Picture", "J PageDown", "The next picture", () => go(gallery.neighbour(1))],
  ["Folder", "F", "Find in all; learn again", search],
  ["Folder", "G", "To the list of pictures", focusGallery],
  ["Folder", "D", "To the picture itself", toPicture],
  ["Folder", "Q", "Quality", () => quality.toggle()],
  ["Folder", "X", "Export", () => exporting.ask()],
  ["View", "+ -", "Larger, smaller (also the wheel)", () => {}],
  ["View", "0", "The whole picture", () => stage.fit()],
  ["View", "M", "Masks on and off", toggleLayer],
  ["View", "O Shift+O", "More, less opaque", () => {}],
  ["View", "T Shift+T", "Threshold up, down", () => {}],
  ["View", "? Shift+?", "These keys", () => find("#help").click()],
  ...Array.from({ length: 9 }, (_, place) => ["", String(place + 1), "", () => classes.byKey(place)]),
  ["", "[", "", () => stepRange("#thickness", -4)],
  ["", "]", "", () => stepRange("#thickness", 4)],
  ["", "+", "", () => stage.zoom(1.4)],
  ["", "=", "", () => stage.zoom(1.4)],
  ["", "-", "", () => stage.zoom(1 / 1.4)],
  ["", "O", "", () => stepRange("#opacity", 10)],
  ["", "Shift+O", "", () => stepRange("#opacity", -10)],
  ["", "T", "", () => stepRange("#threshold", 5)],
  ["", "Shift+T", "", () => stepRange("#threshold", -5)],
  ["", "Shift+Z", "", () => picture.redo()],
  ["", "Ctrl+Y", "", () => picture.redo()],
]);

function escape() {
  if (!tools.cancel() && document.activeElement === find("#canvas")) find("#search").focus();
}

function focusGallery() {
  document.body.classList.add("browsing");
  gallery.paint();
  find(".card[tabindex='0']")?.focus();
}

// Beginning, and after a break

async function load() {
  const found = await trying(() => call("GET", "/api/folder"));
  if (!found) return;
  find("#opening").setAttribute("hidden", "");
  takeFolder(found);
  const wanted = location.hash.slice(1);
  const key = [picture.key, wanted, gallery.keys[0]].find((one) => model.pictures.has(one));
  if (!picture.key || !model.pictures.has(picture.key)) {
    found.notes.forEach((note) => say(note));
    if (key) go(key);
  } else {
    await picture.saver.flush();
    await picture.reload();
  }
}

for (const node of document.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
if (location.search) history.replaceState(null, "", location.pathname + location.hash);
choose("brush");
listen({
  picture: takeRow,
  progress: takeProgress,
  classes: takeClassesAndThreshold,
  quality: () => emit("quality"),
  message: ({ level, text }) => say(text, level),
  reload: load,
  lost: () => find("#lost").removeAttribute("hidden"),
  back: () => {
    find("#lost").setAttribute("hidden", "");
    load();
  },
});
load();
