// One table of keys: what is pressed, what it does, and the help that shows it.

import { find, make } from "./dom.js";

export class Keys {
  /** @param {Array<[string, string, string, () => void]>} table group, keys separated by blanks, words, action */
  constructor(table) {
    this.actions = new Map();
    for (const [, keys, , act] of table) for (const key of keys.split(" ")) this.actions.set(key, act);
    this.dialog = find("#help-dialog");
    find("#help").addEventListener("click", () => this.help());
    find("#help-close").addEventListener("click", () => this.dialog.close());
    this.fill(table);
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    const { target } = event;
    if (document.querySelector("dialog[open]") || target.matches("input[type=text], select, textarea")) return;
    if (target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
    if (event.key === "Enter" && target.matches("button, a, summary, input")) return;
    const control = event.ctrlKey || event.metaKey;
    if (event.altKey) return;
    const name = `${control ? "Ctrl+" : ""}${event.shiftKey && event.key.length === 1 && /[a-z]/i.test(event.key) ? "Shift+" : ""}`;
    const act = this.actions.get(name + (event.key.length === 1 ? event.key.toUpperCase() : event.key));
    if (!act) return;
    event.preventDefault();
    act();
  }

  help() {
    this.dialog.showModal();
  }

  fill(table) {
    const groups = new Map();
    for (const [group, keys, words] of table) {
      if (!words) continue;
      if (!groups.has(group)) groups.set(group, []);
      const shown = keys.split(" ").slice(0, 2).map((key) => make("kbd", {}, pretty(key)));
      groups.get(group).push(make("div", {}, make("dt", {}, ...shown), make("dd", {}, words)));
    }
    const parts = [...groups].map(([group, rows]) => make("section", {}, make("h3", {}, group), make("dl", {}, ...rows)));
    find("#help-content").replaceChildren(...parts);
  }
}

function pretty(key) {
  const names = { ARROWLEFT: "←", Escape: "Esc", Space: "Space" };
  return names[key] ?? key.replace("Shift+", "⇧").replace("Ctrl+", "Ctrl ");
}
