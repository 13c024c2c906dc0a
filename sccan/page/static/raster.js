// Label maps as bytes, and shapes filled into them. A pixel belongs to a shape if its middle does.

export class Rect {
  constructor(left, top, right, bottom) {
    Object.assign(this, { left, top, right, bottom });
  }

  static none() {
    return new Rect(Infinity, Infinity, -Infinity, -Infinity);
  }

  get empty() {
    return this.right <= this.left || this.bottom <= this.top;
  }

  get width() {
    return this.right - this.left;
  }

  get height() {
    return this.bottom - this.top;
  }

  with(other) {
    return new Rect(
      Math.min(this.left, other.left),
      Math.min(this.top, other.top),
      Math.max(this.right, other.right),
      Math.max(this.bottom, other.bottom),
    );
  }

  grown(by) {
    return new Rect(this.left - by, this.top - by, this.right + by, this.bottom + by);
  }

  within(width, height) {
    return new Rect(
      Math.max(0, Math.floor(this.left)),
      Math.max(0, Math.floor(this.top)),
      Math.min(width, Math.ceil(this.right)),
      Math.min(height, Math.ceil(this.bottom)),
    );
  }
}

export class Labels {
  constructor(width, height, values) {
    Object.assign(this, { width, height, values });
  }

  get whole() {
    return new Rect(0, 0, this.width, this.height);
  }

  /** A stroke between two points of different thickness; gives the rectangle that changed. */
  stroke(from, to, value) {
    const most = Math.max(from.radius, to.radius);
    const box = new Rect(Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y))
      .grown(most + 1)
      .within(this.width, this.height);
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = dx * dx + dy * dy;
    for (let y = box.top; y < box.bottom; y++) {
      for (let x = box.left; x < box.right; x++) {
        const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
        const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        const [ex, ey] = [px - along * dx, py - along * dy];
        const radius = Math.max(0.5, from.radius + along * (to.radius - from.radius));
        if (ex * ex + ey * ey <= radius * radius) this.values[y * this.width + x] = value;
      }
    }
    return box;
  }

  /** A closed polygon, inside by the even-odd rule. */
  polygon(points, value) {
    const box = points
      .reduce((rect, p) => rect.with(new Rect(p.x, p.y, p.x, p.y)), Rect.none())
      .grown(1)
      .within(this.width, this.height);
    for (let y = box.top; y < box.bottom; y++) {
      const crossings = [];
      points.forEach((a, place) => {
        const b = points[(place + 1) % points.length];
        if (a.y <= y + 0.5 !== b.y <= y + 0.5) crossings.push(a.x + ((y + 0.5 - a.y) / (b.y - a.y)) * (b.x - a.x));
      });
      crossings.sort((one, two) => one - two);
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        const first = Math.max(0, Math.ceil(crossings[pair] - 0.5));
        const last = Math.min(this.width - 1, Math.floor(crossings[pair + 1] - 0.5));
        if (last >= first) this.values.fill(value, y * this.width + first, y * this.width + last + 1);
      }
    }
    return box;
  }

  /** Every pixel that is set in `mask`, of the same size. */
  region(mask, value) {
    let box = Rect.none();
    for (let y = 0, at = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, at++) {
        if (!mask[at]) continue;
        this.values[at] = value;
        box = new Rect(Math.min(box.left, x), Math.min(box.top, y), Math.max(box.right, x + 1), Math.max(box.bottom, y + 1));
      }
    }
    return box;
  }

  cut(rect, from = this.values) {
    const part = new Uint8Array(rect.width * rect.height);
    for (let row = 0; row < rect.height; row++) {
      const start = (rect.top + row) * this.width + rect.left;
      part.set(from.subarray(start, start + rect.width), row * rect.width);
    }
    return part;
  }

  paste(rect, part) {
    for (let row = 0; row < rect.height; row++) {
      this.values.set(part.subarray(row * rect.width, (row + 1) * rect.width), (rect.top + row) * this.width + rect.left);
    }
  }
}

export function same(one, two) {
  return one.length === two.length && one.every((value, place) => value === two[place]);
}
