// The open picture under a layer of colours, moved and enlarged at will. Draws what it is told; knows no tool.

import { classNamed } from "./model.js";
import { Labels } from "./raster.js";

const INSIDE = 105; // opacity of a class's pixels, of 255; its border is opaque
const [SMALLEST, LARGEST] = [0.02, 64];

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.view = { scale: 1, left: 0, top: 0 };
    this.opacity = 0.8;
    this.shows = true; // the layer
    this.labels = null;
    this.bitmap = null;
    this.layer = document.createElement("canvas");
    this.overlay = null; // draws the tool's own marks: (context, stage) => void
    this.waiting = false;
    this.fits = true;
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  show(bitmap, labels) {
    const sameSize = this.labels && this.labels.width === labels.width && this.labels.height === labels.height;
    this.bitmap = bitmap;
    this.take(labels);
    if (!sameSize || this.fits) this.fit();
  }

  clear() {
    this.bitmap = this.labels = null;
    this.draw();
  }

  /** Other labels for the same picture. */
  take(labels) {
    this.labels = labels;
    if (this.layer.width !== labels.width || this.layer.height !== labels.height) {
      this.layer.width = labels.width;
      this.layer.height = labels.height;
    }
    this.refresh(labels.whole);
  }

  get size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  resized() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.fits) this.fit();
    this.draw(true);
  }

  // Where things are

  /** Pixels of the window around a whole picture, where the tools lie: the style sheet knows. */
  margins() {
    return getComputedStyle(this.canvas).getPropertyValue("--margins").trim().split(/\s+/).map(parseFloat);
  }

  fit() {
    if (!this.labels) return;
    const [top, right, bottom, left] = this.margins();
    const width = this.size.width - left - right;
    const height = this.size.height - top - bottom;
    const scale = Math.max(SMALLEST, Math.min(width / this.labels.width, height / this.labels.height, 8));
    this.view = {
      scale,
      left: left + (width - scale * this.labels.width) / 2,
      top: top + (height - scale * this.labels.height) / 2,
    };
    this.fits = true;
    this.draw();
  }

  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    const scale = Math.min(LARGEST, Math.max(SMALLEST, this.view.scale * factor));
    const by = scale / this.view.scale;
    this.view = { scale, left: x - (x - this.view.left) * by, top: y - (y - this.view.top) * by };
    this.fits = false;
    this.keepInSight();
    this.draw();
  }

  move(dx, dy) {
    this.view.left += dx;
    this.view.top += dy;
    this.fits = false;
    this.keepInSight();
    this.draw();
  }

  keepInSight() {
    if (!this.labels) return;
    const { width, height } = this.size;
    const [w, h] = [this.labels.width * this.view.scale, this.labels.height * this.view.scale];
    const some = 60;
    this.view.left = Math.min(width - some, Math.max(some - w, this.view.left));
    this.view.top = Math.min(height - some, Math.max(some - h, this.view.top));
  }

  /** From the canvas's pixels to the picture's. */
  inside(x, y) {
    return { x: (x - this.view.left) / this.view.scale, y: (y - this.view.top) / this.view.scale };
  }

  outside({ x, y }) {
    return { x: x * this.view.scale + this.view.left, y: y * this.view.scale + this.view.top };
  }

  // Colours

  refresh(rect) {
    if (!this.labels || rect.empty) return;
    const { width, height, values } = this.labels;
    const reach = Math.max(1, Math.round(Math.min(width, height) / 320));
    const box = rect.grown(reach).within(width, height);
    if (box.empty) return;
    const image = new ImageData(box.width, box.height);
    const words = new Uint32Array(image.data.buffer);
    const [fill, line] = palettes();
    for (let y = box.top, at = 0; y < box.bottom; y++) {
      const up = y >= reach ? -reach * width : 0;
      const down = y < height - reach ? reach * width : 0;
      for (let x = box.left, place = y * width + box.left; x < box.right; x++, at++, place++) {
        const value = values[place];
        if (!value) continue;
        const left = x >= reach ? place - reach : place;
        const right = x < width - reach ? place + reach : place;
        const border =
          values[left] !== value || values[right] !== value || values[place + up] !== value || values[place + down] !== value;
        words[at] = border ? line[value] : fill[value];
      }
    }
    this.layer.getContext("2d").putImageData(image, box.left, box.top);
    this.draw();
  }

  recolour() {
    if (this.labels) this.refresh(this.labels.whole);
  }

  draw(now = false) {
    if (now) {
      this.paint();
    } else if (!this.waiting) {
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        this.paint();
      });
    }
  }

  paint() {
    const { context, canvas, view } = this;
    const ratio = canvas.width / Math.max(1, canvas.clientWidth);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.labels || !this.bitmap) return;
    canvas.dataset.view = `${view.scale} ${view.left} ${view.top}`;
    context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.left, ratio * view.top);
    context.imageSmoothingEnabled = view.scale < 4;
    context.imageSmoothingQuality = "high";
    context.globalAlpha = 1;
    context.drawImage(this.bitmap, 0, 0, this.labels.width, this.labels.height);
    if (this.shows) {
      context.globalAlpha = this.opacity;
      context.drawImage(this.layer, 0, 0);
      context.globalAlpha = 1;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.overlay?.(context, this);
  }
}

/** Colour words (alpha, blue, green, red) of every value: inside, and at the border. */
function palettes() {
  const fill = new Uint32Array(256);
  const line = new Uint32Array(256);
  for (let value = 1; value < 256; value++) {
    const colour = value === 255 ? "#808080" : (classNamed(value)?.colour ?? "#808080");
    const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    const word = (blue << 16) | (green << 8) | red;
    fill[value] = (word | (INSIDE << 24)) >>> 0;
    line[value] = (word | (255 << 24)) >>> 0;
  }
  return [fill, line];
}

export function empty(width, height) {
  return new Labels(width, height, new Uint8Array(width * height));
}
