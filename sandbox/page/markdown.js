// The part of Discord's markdown that the bot and its members use, as nodes: nothing is ever parsed as HTML.
import { make } from "/page/dom.js";

const units = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function ago(seconds) {
  const past = seconds - Date.now() / 1000;
  for (const [unit, size] of units) {
    if (Math.abs(past) >= size) return relative.format(Math.round(past / size), unit);
  }
  return relative.format(Math.round(past), "second");
}

// Order matters: what is escaped or code is not looked at again.
const inline = new RegExp([
  "\\\\(?<escaped>[^\\p{L}\\p{N}\\s])", "`(?<code>[^`]+)`", "<@!?(?<user>\\d+)>", "<#(?<channel>\\d+)>",
  "<t:(?<time>\\d+)(?::(?<style>[a-zA-Z]))?>", "\\[(?<label>(?:\\\\.|[^\\]\\\\])+)\\]\\((?<target>https?://[^\\s)]+)\\)",
  "(?<bare>https?://[^\\s<>]+)", "\\*\\*(?<bold>(?:\\\\.|[^\\\\])+?)\\*\\*", "\\*(?<italic>(?:\\\\.|[^*\\\\])+?)\\*",
].join("|"), "gu");

export function line(text, view) {
  const out = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(inline)) {
    out.append(text.slice(end, match.index), token(match.groups, view));
    end = match.index + match[0].length;
  }
  out.append(text.slice(end));
  return out;
}

function token(found, view) {
  if (found.escaped) return found.escaped;
  if (found.code) return make("code", "", found.code);
  if (found.user) return view.person(found.user, "@" + (view.users[found.user] ?? found.user), "mention");
  if (found.channel) return make("span", "mention", "#" + (view.channels[found.channel] ?? "no-access"));
  if (found.time) {
    const date = new Date(found.time * 1000);
    const made = make("time", "", found.style === "R" ? ago(+found.time) : date.toLocaleDateString());
    made.title = date.toLocaleString();
    return made;
  }
  if (found.target || found.bare) return link(found.target ?? found.bare, found.label ? line(found.label, view) : found.bare, view);
  return make(found.bold ? "strong" : "em", "", line(found.bold ?? found.italic, view));
}

function link(target, label, view) {
  const jump = target.match(/discord\.com\/channels\/\d+\/(\d+)\/(\d+)/);
  // Discord's apps show a bare link to a message as its channel.
  const made = make("a", "", jump && label === target ? `#${view.channels[jump[1]] ?? "no-access"} › message` : label);
  made.href = target;
  if (jump) made.addEventListener("click", (event) => { event.preventDefault(); view.jump(jump[1], jump[2]); });
  else { made.target = "_blank"; made.rel = "noreferrer"; }
  return made;
}

export function markdown(text, view) {
  const out = make("div", "text");
  for (const [i, raw] of text.split("\n").entries()) {
    const heading = raw.match(/^#{1,3} (.*)/), small = raw.match(/^-# (.*)/), quote = raw.match(/^> (.*)/);
    if (heading) out.append(make("h3", "", line(heading[1], view)));
    else if (small) out.append(make("small", "", line(small[1], view)), make("br"));
    else if (quote) out.append(make("blockquote", "", line(quote[1], view)));
    else out.append(...(i && out.lastChild?.nodeName === "#text" ? ["\n"] : []), line(raw.replace(/^- /, "• "), view), make("br"));
  }
  return out;
}
