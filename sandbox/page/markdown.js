// The part of Discord's markdown that the bot and its members use, as nodes: nothing is ever parsed as HTML.

const units = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function ago(seconds) {
  const past = seconds - Date.now() / 1000;
  for (const [unit, size] of units) {
    if (Math.abs(past) >= size) return relative.format(Math.round(past / size), unit);
  }
  return relative.format(Math.round(past), "second");
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

// Order matters: what is escaped or code is not looked at again.
const inline = new RegExp([
  "\\\\(?<escaped>[^\\p{L}\\p{N}\\s])", "`(?<code>[^`]+)`", "<@!?(?<user>\\d+)>", "<#(?<channel>\\d+)>",
  "<t:(?<time>\\d+)(?::(?<style>[a-zA-Z]))?>", "\\[(?<label>(?:\\\\.|[^\\]\\\\])+)\\]\\((?<target>https?://[^\\s)]+)\\)",
  "(?<bare>https?://[^\\s<>]+)", "\\*\\*(?<bold>(?:\\\\.|[^\\\\])+?)\\*\\*", "\\*(?<italic>(?:\\\\.|[^*\\\\])+?)\\*",
].join("|"), "gu");

export function line(text, names) {
  const out = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(inline)) {
    out.append(text.slice(end, match.index), token(match.groups, names));
    end = match.index + match[0].length;
  }
  out.append(text.slice(end));
  return out;
}

function token(found, names) {
  if (found.escaped) return found.escaped;
  if (found.code) return element("code", "", found.code);
  if (found.user) return element("span", "mention", "@" + (names.users[found.user] ?? found.user));
  if (found.channel) return element("span", "mention", "#" + (names.channels[found.channel] ?? "no-access"));
  if (found.time) {
    const date = new Date(found.time * 1000);
    const made = element("time", "", found.style === "R" ? ago(+found.time) : date.toLocaleDateString());
    made.title = date.toLocaleString();
    return made;
  }
  if (found.target || found.bare) return link(found.target ?? found.bare, found.label ? line(found.label, names) : found.bare, names);
  return element(found.bold ? "strong" : "em", "", line(found.bold ?? found.italic, names));
}

function link(target, label, names) {
  const made = element("a", "", label);
  made.href = target;
  const jump = target.match(/discord\.com\/channels\/\d+\/(\d+)\/(\d+)/);
  if (jump) made.addEventListener("click", (event) => { event.preventDefault(); names.jump(jump[1], jump[2]); });
  else { made.target = "_blank"; made.rel = "noreferrer"; }
  return made;
}

export function markdown(text, names) {
  const out = element("div", "text");
  for (const [i, raw] of text.split("\n").entries()) {
    const heading = raw.match(/^#{1,3} (.*)/), small = raw.match(/^-# (.*)/), quote = raw.match(/^> (.*)/);
    if (heading) out.append(element("h3", "", line(heading[1], names)));
    else if (small) out.append(element("small", "", line(small[1], names)), element("br"));
    else if (quote) out.append(element("blockquote", "", line(quote[1], names)));
    else out.append(...(i && out.lastChild?.nodeName === "#text" ? ["\n"] : []), line(raw.replace(/^- /, "• "), names), element("br"));
  }
  return out;
}
