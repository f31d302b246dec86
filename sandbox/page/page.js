// One member's view of the sandbox: channels, messages, commands, and the bot's answers with their buttons.
import { ago, markdown } from "/page/markdown.js";

const $ = (id) => document.getElementById(id);
const state = { member: null, channel: null, people: [], rooms: new Map(), commands: [], names: {}, version: "", replies: new Map() };
const names = { users: {}, channels: {}, jump: (channel, message) => open(channel, message) };
const MAIN = ["text", "image", "content", "file"];  // what a command is asked with; the other options stand under "More"
const TYPES = { string: 3, integer: 4, boolean: 5, user: 6, channel: 7, number: 10, attachment: 11 };

function make(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function say(text, bad = false) {
  $("says").textContent = text;
  $("says").classList.toggle("bad", bad);
}

async function get(path, query) {
  const response = await fetch(`/page/api/${path}?${new URLSearchParams(query)}`);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

async function act(path, ask, files = {}) {
  const form = new FormData();
  form.append("ask", JSON.stringify({ member: state.member, channel: state.channel, ...ask }));
  for (const [name, file] of Object.entries(files)) form.append(name, file, file.name);
  const response = await fetch(`/page/api/${path}`, { method: "POST", body: form });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

// Guild, people, channels

async function load() {
  const found = await get("state", state.member ? { member: state.member } : {});
  Object.assign(state, { member: found.member, people: found.people, commands: found.commands, words: found.words });
  names.users = found.names;
  $("guild").textContent = found.guild.name;
  $("online").classList.toggle("on", found.online);
  $("online").title = found.online ? "The bot is online" : "The bot is offline";
  $("member").replaceChildren(...found.people.map((p) => {
    const option = make("option", "", p.role ? `${p.name} (${p.role})` : p.name);
    option.value = p.id;
    option.selected = p.id === found.member;
    return option;
  }));
  state.rooms.clear();
  $("channels").replaceChildren(...found.channels.map(room));
  mark();
  fillCommands();
  if (!state.rooms.has(state.channel)) {
    const first = found.channels.find((c) => c.kind === "text");
    await open(first.id);
  }
}

function room(channel) {
  state.rooms.set(channel.id, channel);
  names.channels[channel.id] = channel.name;
  // Signs that every font has: without one for emoji a browser shows boxes.
  const sign = channel.kind.endsWith("thread") ? "↳ " : "# ";
  const notes = [channel.archived && "archived", channel.private && "private", channel.adult && "18+"].filter(Boolean);
  const button = make("button", "", sign + channel.name, ...(notes.length ? [" ", make("small", "", notes.join(", "))] : []));
  button.type = "button";
  button.dataset.id = channel.id;
  button.addEventListener("click", () => open(channel.id));
  const item = make("li", "", button);
  if (channel.threads.length) item.append(make("ul", "", ...channel.threads.map(room)));
  return item;
}

async function open(channel, target = null) {
  if (!state.rooms.has(channel)) return say("You cannot see that channel.", true);
  state.channel = channel;
  const found = state.rooms.get(channel);
  $("where").textContent = found.name;
  $("topic").textContent = found.kind === "forum" ? "A forum: its posts stand below it on the left." : found.topic;
  mark();
  drawer(false);
  await show(target);
}

// Which channel is open. The list is made anew whenever the commands change, so it is marked anew too.
function mark() {
  for (const button of document.querySelectorAll("#channels button")) {
    button.setAttribute("aria-current", button.dataset.id === state.channel);
    if (button.dataset.id === state.channel) button.scrollIntoView({ block: "nearest" });
  }
}

// On a narrow screen the channels are a drawer.
function drawer(shown) {
  document.body.classList.toggle("channels", shown);
  $("menu").setAttribute("aria-expanded", shown);
}

async function show(target = null) {
  const query = { member: state.member, channel: state.channel };
  if (target) query.around = target;
  const page = await get("messages", query);
  const own = [...state.replies.values()].filter((r) => r.channel === state.channel && r.ephemeral && !r.gone);
  const all = [...page.map((m) => [m, m.id, false]), ...own.flatMap((r) => [[r.message, r.key, true, r.ms], ...r.followups.filter((m) => m.flags & 64).map((m) => [m, m.id, true])])];
  all.sort((a, b) => (BigInt(a[0].id) < BigInt(b[0].id) ? -1 : 1));
  $("messages").replaceChildren(...all.map(([m, key, ephemeral, ms]) => message(m, key, ephemeral, ms)));
  $("older").hidden = page.length < 40;
  $("older").onclick = () => older(page.at(-1).id);
  $("newer").hidden = true;
  const found = target && document.getElementById(`m${target}`);
  if (found) { found.classList.add("target"); found.scrollIntoView({ block: "center" }); } else $("messages").lastElementChild?.scrollIntoView();
}

async function older(before) {
  const page = await get("messages", { member: state.member, channel: state.channel, before });
  $("messages").prepend(...page.reverse().map((m) => message(m, m.id, false)));
  $("older").hidden = page.length < 40;
  $("older").onclick = () => older(page[0].id);
}

// A message

function message(m, key, ephemeral, ms) {
  const seconds = Number((BigInt(m.id) >> 22n) + 1420070400000n) / 1000;
  const when = make("time", "", ago(seconds));
  when.title = new Date(seconds * 1000).toLocaleString();
  const by = make("span", "by", names.users[m.author.id] ?? m.author.username);
  const item = make("li", "message" + (ephemeral ? " ephemeral" : ""), by, ...(m.author.bot ? [make("span", "bot", "APP")] : []), when);
  item.id = `m${m.id}`;
  if (ms != null) item.append(make("span", "note", ` · answered in ${ms} ms`));
  if (m.flags & 128) item.append(make("div", "note", "… is thinking"));
  if (m.content) item.append(markdown(m.content, names));
  for (const snapshot of m.message_snapshots ?? []) {
    const inside = make("div", "embed", make("div", "note", "Forwarded"));
    if (snapshot.message.content) inside.append(markdown(snapshot.message.content, names));
    inside.append(pictures(snapshot.message.attachments));
    item.append(inside);
  }
  if (m.attachments.length) item.append(pictures(m.attachments));
  for (const e of m.embeds) item.append(embed(e));
  for (const s of m.sticker_items ?? []) item.append(make("div", "note", `Sticker: ${s.name}`));
  for (const c of m.components) item.append(component(c, key));
  if (ephemeral) item.append(make("div", "note", "Only you can see this"));
  else if (m.attachments.length || m.embeds.length || m.components.length || m.message_snapshots) item.append(apps(m));
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

function embed(e) {
  const box = make("div", "embed");
  if (e.title) box.append(make("strong", "", e.title));
  if (e.description) box.append(markdown(e.description, names));
  for (const picture of [e.image, e.thumbnail]) if (picture?.proxy_url) box.append(make("div", "pictures", image(picture.proxy_url, "", false, 480)));
  return box;
}

function component(c, key) {
  const children = () => (c.components ?? []).map((child) => component(child, key));
  switch (c.type) {
    case 1: return make("div", "actions", ...children());
    case 2: return button(c, key);
    case 3: return menu(c, key);
    case 9: return make("div", "section", make("div", "", ...children()), component(c.accessory, key));
    case 10: return markdown(c.content, names);
    case 11: return image(c.media.proxy_url, c.description, c.spoiler, 176);
    case 12: return make("div", "pictures", ...c.items.map((i) => image(i.media.proxy_url, i.description, i.spoiler, 720, fitted(i.media))));
    case 13: { const file = make("a", "file", c.name ?? "file"); file.href = c.file.url; return file; }
    case 14: return make("hr", "separator");
    case 17: return make("div", "container", ...children());
    default: return make("span", "note", `(component ${c.type})`);
  }
}

function button(c, key) {
  const made = make("button", "", c.label ?? c.emoji?.name ?? "•");
  made.type = "button";
  made.disabled = Boolean(c.disabled);
  if (c.url) made.addEventListener("click", () => { const jump = c.url.match(/channels\/\d+\/(\d+)\/(\d+)/); if (jump) open(jump[1], jump[2]); });
  else made.addEventListener("click", () => press(key, { custom_id: c.custom_id }));
  return made;
}

function menu(c, key) {
  const made = make("select", "", make("option", "", c.placeholder ?? "Choose"), ...c.options.map((o) => { const option = make("option", "", o.label); option.value = o.value; return option; }));
  made.firstElementChild.value = "";
  made.addEventListener("change", () => made.value && press(key, { custom_id: c.custom_id, values: [made.value] }));
  return made;
}

function apps(m) {
  const offered = state.commands.filter((c) => c.type === 3);
  return make("span", "apps", ...offered.map((c) => {
    const made = make("button", "", c.name);
    made.type = "button";
    made.addEventListener("click", () => run(() => act("menu", { name: c.name, message: m.id })));
    return made;
  }));
}

// Commands

function leaves(command, path, out) {
  const folders = (command.options ?? []).filter((o) => o.type <= 2);
  if (!folders.length) out.push([path, command]);
  for (const folder of folders) leaves(folder, `${path} ${folder.name}`, out);
  return out;
}

function fillCommands() {
  const before = $("command").value;
  const all = state.commands.filter((c) => c.type === 1).flatMap((c) => leaves(c, c.name, []));
  all.sort(([a], [b]) => (a === "similar" ? -1 : b === "similar" ? 1 : a.localeCompare(b)));
  const option = (value, label) => { const made = make("option", "", label); made.value = value; return made; };
  $("command").replaceChildren(...all.map(([path]) => option(path, `/${path}`)), option("", "message"));
  if (before && all.some(([path]) => path === before)) $("command").value = before;
  $("command").onchange = () => fillOptions(all);
  fillOptions(all);
}

function fillOptions(all) {
  const chosen = all.find(([path]) => path === $("command").value);
  const options = chosen ? chosen[1].options ?? [] : [{ name: "content", type: TYPES.string, description: "What to write" }, { name: "file", type: TYPES.attachment, description: "A picture" }];
  const first = options.filter((o) => o.required || MAIN.includes(o.name)).sort((a, b) => MAIN.indexOf(a.name) - MAIN.indexOf(b.name)), rest = options.filter((o) => !first.includes(o));
  $("options").replaceChildren(...first.map(field));
  if (rest.length) $("options").append(make("details", "", make("summary", "", "More options"), make("div", "rest", ...rest.map(field))));
  offerWords();
  say(chosen ? chosen[1].description : "Write as this member.");
}

// Some of the words that the demo model was taught; a press puts one into the field.
function offerWords() {
  const input = $("options").querySelector("input[name=text]");
  $("try").hidden = !input;
  if (!input) return;
  const some = [...state.words].sort(() => Math.random() - 0.5).slice(0, 5);
  $("try").replaceChildren($("try").firstElementChild, ...some.map((word) => {
    const chip = make("button", "", word);
    chip.type = "button";
    chip.addEventListener("click", () => { input.value = word; input.focus(); });
    return chip;
  }));
}

function field(o) {
  let input;
  if (o.type === TYPES.channel || o.type === TYPES.user || o.choices?.length) {
    const entries = o.choices?.length ? o.choices.map((c) => [c.value, c.name]) : o.type === TYPES.user ? state.people.map((p) => [p.id, p.name]) : [...state.rooms.values()].map((r) => [r.id, r.name]);
    input = make("select", "", make("option"), ...entries.map(([value, label]) => { const option = make("option", "", label); option.value = value; return option; }));
  } else {
    input = make("input");
    input.type = { [TYPES.boolean]: "checkbox", [TYPES.attachment]: "file", [TYPES.integer]: "number", [TYPES.number]: "number" }[o.type] ?? "text";
    if (o.min_value != null) input.min = o.min_value;
    if (o.max_value != null) input.max = o.max_value;
  }
  input.name = o.name;
  input.required = Boolean(o.required);
  input.dataset.type = o.type;
  const label = make("label", o.name === "text" || o.name === "content" ? "wide" : "", o.name, input);
  label.title = o.description;
  return label;
}

function given() {
  const options = {}, files = {};
  for (const input of $("options").querySelectorAll("input, select")) {
    const type = Number(input.dataset.type);
    if (input.type === "file") { if (input.files.length) files[input.name] = input.files[0]; }
    else if (type === TYPES.boolean) { if (input.checked) options[input.name] = true; }
    else if (input.value !== "") options[input.name] = type === TYPES.integer || type === TYPES.number ? Number(input.value) : input.value;
  }
  return { options, files };
}

async function run(doing) {
  say("…");
  try {
    const reply = await doing();
    if (reply?.key) state.replies.set(reply.key, { ...reply, channel: state.channel });
    say("");
    await show();
  } catch (error) {
    say(error.message, true);
  }
}

function press(key, what) {
  return run(() => act("press", { message: key, ...what }));
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const { options, files } = given();
  const name = $("command").value;
  run(() => (name ? act("slash", { name, options }, files) : act("post", { content: options.content ?? "" }, files)));
});
$("member").addEventListener("change", async () => {
  state.member = $("member").value;
  state.replies.clear();
  await load();
  await show();
});

$("menu").addEventListener("click", () => drawer(!document.body.classList.contains("channels")));
$("newer").addEventListener("click", () => show());

async function follow() {
  for (;;) {
    const { member, channel, version } = state;
    try {
      const news = await get("news", { member, channel, version });
      if (member !== state.member || channel !== state.channel) continue;
      if (news.version !== version) {
        const commands = version.split("-").slice(2).join() !== news.version.split("-").slice(2).join();
        state.version = news.version;
        for (const [key, reply] of Object.entries(news.replies)) if (state.replies.has(key)) state.replies.set(key, { ...reply, channel: state.replies.get(key).channel });
        if (commands) await load();
        const list = $("messages");
        if (list.scrollHeight - list.scrollTop - list.clientHeight < 200) await show();
        else $("newer").hidden = version === "";
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

await load();
follow();
