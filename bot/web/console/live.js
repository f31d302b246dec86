// Server-sent events, and what the page does where they end.

import { ask } from "/console/api.js";
import { say } from "/console/dom.js";

const AGAIN_MS = 5000;

/** Calls `draw` with what each event `name` of `path` holds, until the returned function is called. */
export function follow(path, name, draw) {
  let stream;
  let waiting;
  let ended = false;
  const open = () => {
    stream = new EventSource(`/api/v1${path}`);
    stream.addEventListener(name, (event) => draw(JSON.parse(event.data)));
    stream.addEventListener("open", () => say("Live"));
    stream.addEventListener("error", lost);
  };
  // A browser connects again by itself where a connection broke. Where it was refused, the browser gives up.
  const lost = async () => {
    say("The connection was lost; it is made again by itself.", true);
    if (stream.readyState !== EventSource.CLOSED) return;
    try {
      await ask("/session"); // whoever is signed out leaves the page by this
    } catch (error) {
      if (!ended) say(error.message, true);
    }
    if (!ended) waiting = setTimeout(open, AGAIN_MS);
  };
  open();
  return () => {
    ended = true;
    clearTimeout(waiting);
    stream.close();
  };
}
