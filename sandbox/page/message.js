// A message with its pictures and components. `view` is what the page knows of names, and does when something is pressed.
import { make, pressable } from "/page/dom.js";
import { ago, markdown } from "/page/markdown.js";

// `key` names the reply that a press on its components belongs to; `ms`: how long the bot took.
export function message(view, m, { key = m.id, ephemeral = false, ms = null } = {}) {
  const seconds = Number((BigInt(m.id) >> 22n) + 1420070400000n) / 1000;
  const when = make("time", "", ago(seconds));
  when.title = new Date(seconds * 1000).toLocaleString();
  const by = view.person(m.author.id, view.users[m.author.id] ?? m.author.username, "by");
  const item = make("li", "message" + (ephemeral ? " ephemeral" : ""), by, ...(m.author.bot ? [make("span", "bot", "APP")] : []), when);
  item.id = `m${m.id}`;
  if (ms != null) item.append(make("span", "note", ` · answered in ${ms} ms`));
  if (m.flags & 128) item.append(make("div", "note", "… is thinking"));
  if (m.content) item.append(markdown(m.content, view));
  for (const snapshot of m.message_snapshots ?? []) {
    const inside = make("div", "embed", make("div", "note", "Forwarded"));
    if (snapshot.message.content) inside.append(markdown(snapshot.message.content, view));
    inside.append(pictures(snapshot.message.attachments));
    item.append(inside);
  }
  if (m.attachments.length) item.append(pictures(m.attachments));
  for (const e of m.embeds) item.append(embed(view, e));
  for (const s of m.sticker_items ?? []) item.append(make("div", "note", `Sticker: ${s.name}`));
  for (const c of m.components) item.append(component(view, c, key));
  if (ephemeral) item.append(make("div", "note", "Only you can see this"));
  else if (m.attachments.length || m.embeds.length || m.components.length || m.message_snapshots) item.append(make("span", "apps", ...view.commands({ message: m.id }).map(([label, doing]) => pressable(label, "", doing))));
  return item;
}

function image(url, alt, spoiler, size, like = {}) {
  const shown = make("img");
  // The sizes are known before the picture is: nothing moves when it comes.
  if (like.width) { shown.width = like.width; shown.height = like.height; }
  const external = !url.includes("?");
  shown.src = `${url}${external ? "?" : "&"}width=${size}&height=${size}&format=webp`;
  shown.alt = alt ?? "";
  shown.loading = "lazy";
  shown.onerror = () => shown.replaceWith(make("span", "file", alt || "no preview"));
  if (!spoiler) return shown;
  const cover = make("span", "spoiler", shown);
  cover.tabIndex = 0;
  cover.title = "Spoiler: click and hold to look";
  return cover;
}

// As large as page.css lets a picture be.
function fitted({ width, height }) {
  if (!width) return {};
  const scale = Math.min(1, 360 / width, 260 / height);
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

function pictures(attachments) {
  return make("div", "pictures", ...attachments.map((a) => {
    if (a.width) return image(a.proxy_url, a.description ?? a.filename, a.flags & 8, 720, fitted(a));
    const file = make("a", "file", `${a.filename} (${a.size} bytes)`);
    file.href = a.url;
    return file;
  }));
}

function embed(view, e) {
  const box = make("div", "embed");
  if (e.title) box.append(make("strong", "", e.title));
  if (e.description) box.append(markdown(e.description, view));
  for (const picture of [e.image, e.thumbnail]) if (picture?.proxy_url) box.append(make("div", "pictures", image(picture.proxy_url, "", false, 480)));
  return box;
}

function component(view, c, key) {
  const children = () => (c.components ?? []).map((child) => component(view, child, key));
  switch (c.type) {
    case 1: return make("div", "actions", ...children());
    case 2: return button(view, c, key);
    case 3: return select(view, c, key);
    case 9: return make("div", "section", make("div", "", ...children()), component(view, c.accessory, key));
    case 10: return markdown(c.content, view);
    case 11: return image(c.media.proxy_url, c.description, c.spoiler, 176);
    case 12: return make("div", "pictures", ...c.items.map((i) => image(i.media.proxy_url, i.description, i.spoiler, 720, fitted(i.media))));
    case 13: { const file = make("a", "file", c.name ?? "file"); file.href = c.file.url; return file; }
    case 14: return make("hr", "separator");
    case 17: return make("div", "container", ...children());
    default: return make("span", "note", `(component ${c.type})`);
  }
}

function button(view, c, key) {
  const jump = c.url?.match(/channels\/\d+\/(\d+)\/(\d+)/);
  const made = pressable(c.label ?? c.emoji?.name ?? "•", "", () => {
    if (jump) view.jump(jump[1], jump[2]);
    else if (!c.url) view.press(key, { custom_id: c.custom_id });
  });
  made.disabled = Boolean(c.disabled);
  return made;
}

function select(view, c, key) {
  const made = make("select", "", make("option", "", c.placeholder ?? "Choose"), ...c.options.map((o) => { const option = make("option", "", o.label); option.value = o.value; return option; }));
  made.firstElementChild.value = "";
  made.addEventListener("change", () => made.value && view.press(key, { custom_id: c.custom_id, values: [made.value] }));
  return made;
}
