// What was done to the open pictures, to undo and to do again: rectangles before and after, up to a bound of memory.

const MOST_BYTES = 192 << 20;

export class History {
  constructor() {
    this.pictures = new Map(); // key -> { done, undone }
    this.bytes = 0;
  }

  of(key) {
    if (!this.pictures.has(key)) this.pictures.set(key, { done: [], undone: [] });
    return this.pictures.get(key);
  }

  add(key, rect, before, after) {
    const own = this.of(key);
    own.undone.forEach((step) => (this.bytes -= size(step)));
    own.undone = [];
    own.done.push({ rect, before, after });
    this.bytes += 2 * before.length;
    for (const [other, steps] of this.pictures) {
      while (this.bytes > MOST_BYTES && steps.done.length > (other === key ? 1 : 0)) this.bytes -= size(steps.done.shift());
    }
  }

  /** The rectangle that changed; null: nothing to undo. */
  undo(key, labels) {
    return this.step(key, labels, "done", "undone", "before");
  }

  redo(key, labels) {
    return this.step(key, labels, "undone", "done", "after");
  }

  step(key, labels, from, to, side) {
    const own = this.of(key);
    const step = own[from].pop();
    if (!step) return null;
    own[to].push(step);
    labels.paste(step.rect, step[side]);
    return step.rect;
  }
}

function size(step) {
  return 2 * step.before.length;
}
