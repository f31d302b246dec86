// Asks this server, and no other.

const ROOT = "/api/v1";
let csrf = "";
let page = new AbortController(); // of the page that is shown

export class Refused extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
  }
}

/** Ends what the page that is left still asks for: its answers would speak over the next page. */
export function leavePage() {
  page.abort();
  page = new AbortController();
}

/** A signal that ends with `controller` or with the page. */
export const whileShown = (controller) => AbortSignal.any([page.signal, controller.signal]);

/** The JSON of an answer. Throws Refused with the server's own sentence, or AbortError where the page was left. */
export async function ask(path, { method = "GET", query = {}, body, picture, signal = page.signal } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined);
  const search = new URLSearchParams(given).toString();
  const headers = {};
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (picture) headers["Content-Type"] = "application/octet-stream";
  let response;
  try {
    response = await fetch(`${ROOT}${path}${search && `?${search}`}`, {
      method, headers, signal, body: picture ?? (body === undefined ? undefined : JSON.stringify(body)),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { message: "The bot does not answer. Is it running?", code: "away" });
  }
  const found = await response.json().catch(() => ({ error: { message: `HTTP ${response.status}`, code: "unknown" } }));
  if (!response.ok) {
    if (response.status === 401) document.dispatchEvent(new Event("signed-out"));
    throw new Refused(response.status, found.error);
  }
  return found;
}

export const LASTING = { signal: null }; // asked for by no page alone

export async function session() {
  return remember(await ask("/session", LASTING));
}

export async function signIn(key) {
  return remember(await ask("/session", { method: "POST", body: { key }, ...LASTING }));
}

export const signOut = () => ask("/session", { method: "DELETE", ...LASTING });

function remember(found) {
  csrf = found.csrf;
  return found.key;
}
