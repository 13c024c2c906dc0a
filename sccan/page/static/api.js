// Talking to the server: plain data, packed pixels, and events that keep coming.

export class Refused extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status; // 0: the server was not reached
    this.body = body;
  }
}

async function answer(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, { method, body, headers, credentials: "same-origin" });
  } catch {
    throw new Refused("The server does not answer; what you draw is kept here until it is back.", 0, {});
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Refused(told.error ?? `The server refused (${response.status}).`, response.status, told);
}

export async function call(method, path, content) {
  const json = content === undefined ? undefined : JSON.stringify(content);
  return (await answer(method, path, json, json ? { "content-type": "application/json" } : {})).json();
}

/** Pixels as one byte each: { values, width, height, headers }. */
export async function pixels(method, path, content) {
  const json = content === undefined ? undefined : JSON.stringify(content);
  const response = await answer(method, path, json, json ? { "content-type": "application/json" } : {});
  const { headers } = response;
  const packed = new Blob([await response.arrayBuffer()]);
  const values = new Uint8Array(await through(packed.stream(), new DecompressionStream("deflate")));
  return { values, width: Number(headers.get("x-width")), height: Number(headers.get("x-height")), headers };
}

export async function sendPixels(path, values) {
  const body = await through(new Blob([values]).stream(), new CompressionStream("deflate"));
  return (await answer("PUT", path, body, { "content-type": "application/octet-stream" })).json();
}

function through(stream, transform) {
  return new Response(stream.pipeThrough(transform)).arrayBuffer();
}

/** Events by name to their handlers; `lost` and `back` tell of the connection. Starts again for ever. */
export function listen(handlers) {
  let wasLost = false;
  const connect = () => {
    const source = new EventSource("/api/events");
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
    source.addEventListener("hello", () => {
      if (wasLost) handlers.back();
      wasLost = false;
    });
    source.onerror = () => {
      source.close();
      if (!wasLost) handlers.lost();
      wasLost = true;
      setTimeout(connect, 1000);
    };
  };
  connect();
}
