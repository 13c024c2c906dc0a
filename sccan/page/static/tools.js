// Brush, eraser, polygon, box and hand: by mouse, pen, touch, and from the keyboard.

import { Rect } from "./raster.js";

const NEAR = 12; // pixels of the window within which a polygon closes
const STEP = { plain: 4, large: 24, small: 1 }; // pixels of the window per press of an arrow key
const RING = ["rgba(0,0,0,.75)", "#fff"];

export class Tools {
  /**
   * @param {object} work asked for and told: ready(), value(), begin(), changed(rect), end(rect), box(rect, value), message(text)
   */
  constructor(stage, work) {
    this.stage = stage;
    this.work = work;
    this.name = "brush";
    this.radius = 14; // pixels of the window
    this.pressure = true;
    this.points = []; // of the polygon
    this.corner = null; // of the box
    this.at = null; // the pointer, in the picture
    this.cursor = null; // the keyboard's, in the picture
    this.isDown = false; // the keyboard's pen
    this.stroke = null;
    this.fingers = new Map();
    this.hasPen = false;
    this.dragging = null;
    stage.overlay = (context) => this.paint(context);
    const { canvas } = stage;
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "wheel", "keydown"]) {
      canvas.addEventListener(kind, (event) => this[kind](event), { passive: false });
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.name === "polygon" && this.close());
    canvas.addEventListener("blur", () => this.lift());
  }

  choose(name) {
    this.cancel();
    this.name = name;
    this.stage.canvas.dataset.tool = name;
    this.stage.draw();
  }

  get isBusy() {
    return Boolean(this.stroke || this.points.length || this.corner);
  }

  cancel() {
    this.lift();
    const was = this.points.length > 0 || this.corner !== null;
    this.points = [];
    this.corner = null;
    this.stage.draw();
    return was;
  }

  // Pointers

  place(event) {
    const frame = this.stage.canvas.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  pointerdown(event) {
    const spot = this.place(event);
    this.cursor = null;
    this.stage.canvas.setPointerCapture(event.pointerId);
    this.hasPen ||= event.pointerType === "pen";
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, spot);
      if (this.fingers.size === 2) {
        this.abandon();
        return;
      }
      if (this.hasPen) {
        this.dragging = spot; // beside a pen, a hand moves the picture and draws nothing
        return;
      }
    }
    if (this.name === "hand" || event.button === 1) {
      this.dragging = spot;
      return;
    }
    if (event.button > 0 && event.button !== 2) return;
    this.at = this.stage.inside(spot.x, spot.y);
    this.press(this.at, this.thickness(event), event.button === 2 || event.altKey);
  }

  pointermove(event) {
    const spot = this.place(event);
    if (this.fingers.has(event.pointerId)) {
      if (this.fingers.size === 2) {
        this.pinch(event.pointerId, spot);
        return;
      }
      this.fingers.set(event.pointerId, spot);
    }
    if (this.dragging) {
      this.stage.move(spot.x - this.dragging.x, spot.y - this.dragging.y);
      this.dragging = spot;
      return;
    }
    const events = this.stroke ? (event.getCoalescedEvents?.() ?? []) : [];
    for (const one of events.length ? events : [event]) {
      const at = this.place(one);
      this.at = this.stage.inside(at.x, at.y);
      if (this.stroke) this.drag(this.at, this.thickness(one));
    }
    this.stage.draw();
  }

  pointerup(event) {
    this.fingers.delete(event.pointerId);
    this.dragging = null;
    if (this.stroke) this.endStroke();
    else if (this.corner && this.name === "box" && !this.isDown) this.finishBox(this.at ?? this.corner);
  }

  pointercancel(event) {
    this.fingers.delete(event.pointerId);
    this.dragging = null;
    this.abandon();
  }

  pointerleave() {
    if (!this.stroke && !this.corner) this.at = null;
    this.stage.draw();
  }

  wheel(event) {
    event.preventDefault();
    const spot = this.place(event);
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.stage.zoom(Math.exp((-event.deltaY * lines) / 500), spot.x, spot.y);
  }

  pinch(id, spot) {
    const [other] = [...this.fingers].filter(([one]) => one !== id).map(([, place]) => place);
    const before = this.fingers.get(id);
    const far = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
    this.stage.move((spot.x - before.x) / 2, (spot.y - before.y) / 2);
    this.stage.zoom(far(spot, other) / Math.max(1, far(before, other)), (spot.x + other.x) / 2, (spot.y + other.y) / 2);
    this.fingers.set(id, spot);
  }

  thickness(event) {
    const pressed = event.pointerType === "pen" && this.pressure && event.pressure > 0;
    return (this.radius * (pressed ? 0.3 + 0.9 * event.pressure : 1)) / this.stage.view.scale;
  }

  // Tools

  press(at, radius, erases) {
    if (!this.stage.labels) return;
    if (!this.work.ready()) return;
    const value = this.name === "eraser" || erases ? 0 : this.work.value();
    if (value === null) return;
    if (this.name === "brush" || this.name === "eraser") this.beginStroke(at, radius, value);
    else if (this.name === "polygon") this.addPoint(at);
    else if (this.name === "box") this.corner = at;
    this.stage.draw();
  }

  beginStroke(at, radius, value) {
    this.work.begin();
    this.stroke = { value, last: { ...at, radius }, rect: Rect.none() };
    this.drag(at, radius);
  }

  drag(at, radius) {
    const { stroke } = this;
    const next = { ...at, radius };
    const rect = this.stage.labels.stroke(stroke.last, next, stroke.value);
    stroke.last = next;
    if (rect.empty) return;
    stroke.rect = stroke.rect.with(rect);
    this.stage.refresh(rect);
    this.work.changed(rect);
  }

  endStroke() {
    const { rect } = this.stroke;
    this.stroke = null;
    this.work.end(rect);
  }

  /** A second finger came: what the first began was no stroke. */
  abandon() {
    if (this.stroke) {
      this.endStroke();
      this.work.undo();
    }
    this.corner = null;
  }

  addPoint(at) {
    if (this.points.length > 2) {
      const [first, here] = [this.stage.outside(this.points[0]), this.stage.outside(at)];
      if (Math.hypot(first.x - here.x, first.y - here.y) < NEAR) {
        this.close();
        return;
      }
    }
    const last = this.points.at(-1);
    if (!last || Math.hypot(last.x - at.x, last.y - at.y) * this.stage.view.scale > 2) this.points.push(at);
  }

  close() {
    const { points } = this;
    this.points = [];
    this.stage.draw();
    if (points.length < 3) return;
    const value = this.work.value();
    if (value === null) return;
    this.work.begin();
    const rect = this.stage.labels.polygon(points, value);
    this.stage.refresh(rect);
    this.work.changed(rect);
    this.work.end(rect);
  }

  finishBox(at) {
    const [a, b] = [this.corner, at];
    this.corner = null;
    this.stage.draw();
    const { width, height } = this.stage.labels;
    const rect = new Rect(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)).within(width, height);
    const value = this.work.value();
    if (rect.width < 3 || rect.height < 3 || value === null) return;
    this.work.box(rect, value);
  }

  // Keyboard: arrows move a cross, space presses and lifts, Enter closes

  keydown(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!this.stage.labels || event.ctrlKey || event.metaKey) return;
    if (way) {
      const step = event.shiftKey ? STEP.large : event.altKey ? STEP.small : STEP.plain;
      this.moveCursor(way[0] * step, way[1] * step);
    } else if (event.key === " ") {
      this.keyPress();
    } else if (event.key === "Enter" && this.points.length) {
      this.close();
    } else if (event.key === "Backspace" && this.points.length) {
      this.points.pop();
      this.stage.draw();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  moveCursor(dx, dy) {
    const { stage } = this;
    if (this.name === "hand") {
      stage.move(-4 * dx, -4 * dy);
      return;
    }
    const { width, height } = stage.labels;
    this.cursor ??= this.at ?? { x: width / 2, y: height / 2 };
    this.cursor = {
      x: Math.min(width, Math.max(0, this.cursor.x + dx / stage.view.scale)),
      y: Math.min(height, Math.max(0, this.cursor.y + dy / stage.view.scale)),
    };
    this.at = this.cursor;
    if (this.isDown && this.stroke) this.drag(this.cursor, this.radius / stage.view.scale);
    const seen = stage.outside(this.cursor);
    const edge = 30;
    const out = (value, most) => Math.min(0, value - edge) + Math.max(0, value - most + edge);
    const [x, y] = [out(seen.x, stage.size.width), out(seen.y, stage.size.height)];
    if (x || y) stage.move(-x, -y);
    stage.draw();
  }

  keyPress() {
    if (!this.cursor) this.moveCursor(0, 0);
    if (this.name === "box" && this.corner) {
      this.isDown = false;
      this.finishBox(this.cursor);
    } else if (this.isDown) {
      this.lift();
    } else {
      this.press(this.cursor, this.radius / this.stage.view.scale, false);
      this.isDown = Boolean(this.stroke || this.corner);
    }
  }

  lift() {
    this.isDown = false;
    if (this.stroke) this.endStroke();
  }

  // Marks over the picture

  paint(context) {
    const { stage } = this;
    const points = this.points.map((point) => stage.outside(point));
    const here = this.at && stage.outside(this.at);
    if (points.length) {
      outlined(context, () => {
        context.beginPath();
        [...points, here ?? points[0]].forEach((p, place) => (place ? context.lineTo(p.x, p.y) : context.moveTo(p.x, p.y)));
      });
      points.forEach((p, place) => dot(context, p, place ? 3.5 : 6));
    }
    if (this.corner && here) {
      const corner = stage.outside(this.corner);
      outlined(context, () => {
        context.beginPath();
        context.rect(corner.x, corner.y, here.x - corner.x, here.y - corner.y);
      });
    }
    if (here && (this.name === "brush" || this.name === "eraser")) {
      outlined(context, () => {
        context.beginPath();
        context.arc(here.x, here.y, this.radius, 0, 2 * Math.PI);
      });
    }
    if (this.cursor) {
      const cross = stage.outside(this.cursor);
      outlined(context, () => {
        context.beginPath();
        for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          context.moveTo(cross.x + 4 * x, cross.y + 4 * y);
          context.lineTo(cross.x + 14 * x, cross.y + 14 * y);
        }
      });
    }
  }
}

function outlined(context, path) {
  RING.forEach((colour, place) => {
    context.strokeStyle = colour;
    context.lineWidth = place ? 1.5 : 3.5;
    path();
    context.stroke();
  });
}

function dot(context, { x, y }, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = "#fff";
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = RING[0];
  context.stroke();
}
