// Elements, made without HTML: whatever a member wrote becomes a text node.

/** An element. `values` are its properties; `aria…`, `data…` and other attributes stand under `attributes`. */
export function el(tag, values = {}, ...children) {
  const { attributes = {}, ...properties } = values;
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Shows these children and nothing else; what is false or null is left out. */
export const fill = (element, ...children) => element.replaceChildren(...children.flat().filter(Boolean));

export const number = (value) => new Intl.NumberFormat("en").format(value);

/** "1 picture", "2 pictures". */
export const many = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

export function bytes(value) {
  if (value === null) return "unknown";
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let at = 0;
  for (; value >= 1000 && at < units.length - 1; at += 1) value /= 1000;
  return `${at ? value.toFixed(1) : value} ${units[at]}`;
}

/** A time as people read it, with its exact moment for machines. */
export function time(ms) {
  const at = new Date(ms);
  const text = at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  return el("time", { dateTime: at.toISOString() }, text);
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A table that scrolls by itself where it is too wide. Columns that begin with # hold numbers. */
export function table(label, columns, rows) {
  const right = columns.map((column) => (column.startsWith("#") ? "number" : ""));
  const head = columns.map((column, at) => el("th", { className: right[at], scope: "col" }, column.replace("#", "")));
  const body = rows.map((row) => el("tr", {}, row.map((cell, at) => {
    const made = cell instanceof HTMLTableCellElement ? cell : el("td", { className: right[at] }, cell);
    made.dataset.column = columns[at].replace("#", ""); // shown before it where the screen is narrow
    return made;
  })));
  const inner = el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
  return el("div", { className: "table", tabIndex: 0, attributes: { role: "region", "aria-label": label } }, inner);
}

/** A button that is disabled while its work runs; errors go to the notice. */
export function button(text, work, className = "") {
  const made = el("button", { type: "button", className }, text);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await work(made);
    } catch (error) {
      failed(error);
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

/** Says what went wrong; nothing where the page was left. */
export function failed(error) {
  if (error.name !== "AbortError") say(error.message, true);
}

/** The line below the page's title, which screen readers read out. */
export function say(text, isError = false) {
  const notice = document.getElementById("notice");
  notice.className = isError ? "error" : "";
  notice.textContent = text;
}
