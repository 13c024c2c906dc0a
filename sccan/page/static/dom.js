// Small things around the document. Names from files and people become text nodes, never markup.

export const find = (selector, within = document) => within.querySelector(selector);

/** An element with properties, attributes ("aria-..", "data-..", role, for) and children. */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && !name.includes("-")) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function icon(name) {
  const use = svg("use", { href: `/static/icons.svg#${name}` });
  return svg("svg", { class: "icon", "aria-hidden": "true", viewBox: "0 0 24 24" }, use);
}

let lastSaid = 0;

/** A line that goes by itself; errors stay longer and are read out at once. */
export function say(text, level = "note") {
  const toast = make("div", { className: `toast ${level}`, role: level === "error" ? "alert" : "status" }, text);
  const close = make("button", { type: "button", className: "plain", "aria-label": "Close this message" }, icon("close"));
  close.addEventListener("click", () => toast.remove());
  toast.append(close);
  find("#toasts").append(toast);
  lastSaid = Date.now();
  setTimeout(() => toast.remove(), level === "error" ? 12000 : 5000);
}

/** Runs what may be refused, and says why if it is. */
export async function trying(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    say(error.message, "error");
    if (!("status" in error)) throw error;
    return undefined;
  }
}
