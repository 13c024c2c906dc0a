// Keeps what was drawn: within half a second of a change, also in the middle of a stroke, and again until the server has it.

import { Refused, sendPixels } from "./api.js";

const DELAY = 400; // milliseconds between a change and its way to the server
const AGAIN = 1500; // ... and between two tries

export class Saver {
  /**
   * @param {object} told handlers: state(key, "saving" | "saved" | "waiting" | "failed", message), outdated(key, work)
   */
  constructor(told) {
    this.told = told;
    this.unsaved = new Map(); // key -> { labels, version, changed }
    this.timer = 0;
    this.sending = null;
  }

  changed(key, labels, version) {
    const work = this.unsaved.get(key) ?? { labels, version, changes: 0 };
    work.labels = labels;
    work.changes++;
    this.unsaved.set(key, work);
    this.told.state(key, "saving");
    if (!this.timer) this.timer = setTimeout(() => this.flush(), DELAY);
  }

  isUnsaved(key) {
    return this.unsaved.has(key);
  }

  /** Sends everything that is unsaved; done when it is, or when the server cannot be reached. */
  async flush() {
    clearTimeout(this.timer);
    this.timer = 0;
    while (this.sending) await this.sending;
    this.sending = this.sendAll();
    try {
      await this.sending;
    } finally {
      this.sending = null;
    }
  }

  async sendAll() {
    for (const [key, work] of [...this.unsaved]) {
      const { changes } = work;
      work.sent = work.labels.values.slice();
      try {
        const { version } = await sendPixels(`/api/pictures/${key}/labels?base=${work.version}`, work.sent);
        work.version = version;
        if (work.changes === changes) {
          this.unsaved.delete(key);
          this.told.state(key, "saved", version);
        } else {
          this.told.state(key, "kept", version);
          this.later(DELAY);
        }
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status === 409) {
          this.unsaved.delete(key);
          this.told.outdated(key, work, error.body.version);
        } else if (error.status === 0) {
          this.told.state(key, "waiting", error.message);
          this.later(AGAIN);
        } else {
          this.told.state(key, "failed", error.message);
          this.later(AGAIN * 4);
        }
      }
    }
  }

  later(delay) {
    if (!this.timer) this.timer = setTimeout(() => this.flush(), delay);
  }
}
