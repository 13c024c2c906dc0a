// What the page knows: the folder, its classes and pictures, and what is open. Everything that shows it listens here.

export const model = {
  folder: "",
  formats: {},
  classes: [],
  threshold: 0.5,
  pictures: new Map(), // key -> row, in the order of names
  progress: { round: 0, searching: false, done: 0, total: 0, stale: false, known: 0 },
  active: 0, // number of the class that is drawn
  open: "", // key of the open picture
};

const listeners = new Map();

export function on(names, handle) {
  for (const name of names.split(" ")) {
    if (!listeners.has(name)) listeners.set(name, []);
    listeners.get(name).push(handle);
  }
}

export function emit(name, content) {
  for (const handle of listeners.get(name) ?? []) handle(content);
}

export function classNamed(number) {
  return model.classes.find((one) => one.number === number);
}

export function takeClasses({ classes, threshold }) {
  model.classes = classes;
  model.threshold = threshold;
  if (!classNamed(model.active)) model.active = classes[0]?.number ?? 0;
  emit("classes");
}

export function takeFolder(found) {
  Object.assign(model, { folder: found.folder, formats: found.formats, progress: found.progress, about: found.model });
  model.pictures = new Map(found.pictures.map((row) => [row.key, row]));
  takeClasses(found);
  emit("folder");
  emit("progress");
}

export function takeRow(row) {
  const before = model.pictures.get(row.key);
  if (!before) return;
  model.pictures.set(row.key, row);
  emit("picture", { row, before });
}

export function takeProgress(progress) {
  model.progress = progress;
  emit("progress");
}

export function isMarked(row) {
  return row.status !== "";
}

/** What a row says about itself, in a word or two. */
export function told(row) {
  if (row.problem) return "cannot be read";
  if (row.status === "accepted") return "accepted";
  if (row.status === "absent") return "not here";
  if (row.status === "drawn") return "marked by you";
  if (!row.round) return "not looked at";
  if (row.nothing) return "probably not here";
  return `found, ${Math.round(100 * row.confidence)} % sure`;
}
