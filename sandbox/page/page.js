// One member's view of the sandbox: channels, direct messages, commands, and the bot's answers with their buttons.
import { $, make, pressable } from "/page/dom.js";
import { isOpen, openMenu } from "/page/menu.js";
import { message } from "/page/message.js";

const DIRECT = "direct";  // stands for a channel's id: the conversation of this member with the bot
const state = { member: null, channel: null, bot: "", people: [], rooms: new Map(), commands: [], described: "", marks: {}, replies: new Map(), drawn: null, waiting: null };
const view = { users: {}, channels: {}, jump: (channel, message) => open(channel, message), press, person, commands };
const MAIN = ["text", "image", "content", "file"];  // what a command is asked with; the other options stand under "More"
const TYPES = { string: 3, integer: 4, boolean: 5, user: 6, channel: 7, number: 10, attachment: 11 };

function say(text, bad = false) {
  $("says").textContent = text;
  $("says").classList.toggle("bad", bad);
}

async function get(path, query, signal = null) {
  const response = await fetch(`/page/api/${path}?${new URLSearchParams(query)}`, { signal });
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
  Object.assign(state, { member: found.member, people: found.people, commands: found.commands, words: found.words, bot: found.bot });
  state.marks.registered = found.marks.registered;
  state.marks.answers ??= found.marks.answers;
  Object.assign(view, { users: found.names, channels: {} });
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
  $("direct").replaceChildren(make("li", "", entry(DIRECT, `@ ${found.bot}`, make("span", "count"))));
  count(found.marks.unread);
  mark();
  fillCommands();
  if (!place(state.channel)) {
    const first = found.channels.find((c) => c.kind === "text");
    await open(first.id);
  }
}

function room(channel) {
  state.rooms.set(channel.id, channel);
  view.channels[channel.id] = channel.name;
  // Signs that every font has: without one for emoji a browser shows boxes.
  const sign = channel.kind.endsWith("thread") ? "↳ " : "# ";
  const notes = [channel.archived && "archived", channel.private && "private", channel.adult && "18+"].filter(Boolean);
  const item = make("li", "", entry(channel.id, sign + channel.name, ...(notes.length ? [" ", make("small", "", notes.join(", "))] : [])));
  if (channel.threads.length) item.append(make("ul", "", ...channel.threads.map(room)));
  return item;
}

function entry(id, label, ...more) {
  const button = pressable(label, "", () => open(id));
  button.append(...more);
  button.dataset.id = id;
  return button;
}

// The channel with this id, or the direct messages; nothing where the member does not see it.
function place(id) {
  return id === DIRECT ? { name: state.bot, topic: "Direct messages: only you see them" } : state.rooms.get(id);
}

async function open(channel, target = null) {
  const found = place(channel);
  if (!found) return say("You cannot see that channel.", true);
  state.channel = channel;
  state.waiting?.abort();
  $("where").textContent = found.name;
  $("topic").textContent = found.kind === "forum" ? "A forum: its posts stand below it on the left." : found.topic;
  document.body.classList.toggle("direct", channel === DIRECT);
  describe();
  mark();
  drawer(false);
  await (state.drawn = show(target));
}

// How many direct messages are new: in the list, at the button that opens it on a phone, and in the window's title.
function count(unread) {
  const some = unread !== "0", said = some ? `${unread} new` : "";
  if (state.channel !== DIRECT && Number(unread) > Number(state.marks.unread)) say(`${state.bot} sent you a direct message.`);
  state.marks.unread = unread;
  $("direct").querySelector(".count").textContent = said;
  document.body.classList.toggle("unread", some);
  $("menu").setAttribute("aria-label", some ? `Channels, ${said} in direct messages` : "Channels");
  document.title = (some ? `(${unread}) ` : "") + "Afterimage sandbox";
}

// Which channel is open. The list is made anew whenever the commands change, so it is marked anew too.
function mark() {
  for (const button of document.querySelectorAll(".rooms button")) {
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
  const { member, channel } = state;
  const page = await get("messages", { member, channel, ...(target && { around: target }) });
  if (member !== state.member || channel !== state.channel) return;
  state.marks.version = page.version;
  const own = [...state.replies.values()].filter((r) => r.channel === channel && r.ephemeral && !r.gone);
  const all = page.messages.map((m) => [m, {}]);
  for (const r of own) {
    all.push([r.message, { key: r.key, ephemeral: true, ms: r.ms }]);
    for (const m of r.followups) if (m.flags & 64) all.push([m, { ephemeral: true }]);
  }
  all.sort(([a], [b]) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  const focused = focus();
  $("messages").replaceChildren(...all.map(([m, how]) => message(view, m, how)));
  focused();
  if (channel === DIRECT && !all.length) $("messages").append(make("li", "note", `Nothing yet. What ${state.bot} tells only you comes here, for example new pictures that fit a search you keep with /saved add and notify.`));
  offerOlder(page.messages.length, page.messages.at(-1)?.id);
  $("newer").hidden = true;
  const found = target && document.getElementById(`m${target}`);
  if (found) { found.classList.add("target"); found.scrollIntoView({ block: "center" }); } else $("messages").lastElementChild?.scrollIntoView();
  if (channel === DIRECT && page.messages.length) await act("read", { message: page.messages[0].id });
}

// The messages are drawn anew with every change: whoever was on one by keyboard stays there.
function focus(now = document.activeElement) {
  const inside = "button, select, a, [tabindex]", id = now?.closest("#messages > li")?.id;
  const index = id ? [...document.getElementById(id).querySelectorAll(inside)].indexOf(now) : -1;
  return () => document.getElementById(id)?.querySelectorAll(inside)[index]?.focus({ preventScroll: true });
}

function offerOlder(found, before) {
  $("older").hidden = found < 40;
  $("older").onclick = async () => {
    const page = await get("messages", { member: state.member, channel: state.channel, before });
    $("messages").prepend(...page.messages.reverse().map((m) => message(view, m)));
    offerOlder(page.messages.length, page.messages[0]?.id);
  };
}

// A person's name, and the menu of what the bot does with a person. In direct messages there are no commands.
function person(id, label, className) {
  const offered = state.channel === DIRECT ? [] : commands({ user: id });
  if (!offered.length) return make("span", className, label);
  const opens = () => openMenu(made, view.users[id] ?? label, offered, focus(made));
  const made = pressable(label, className, opens);
  made.setAttribute("aria-haspopup", "menu");
  made.addEventListener("contextmenu", (event) => { event.preventDefault(); opens(); });
  return made;
}

// The commands of a message's menu, or of a person's: each with what a press does.
function commands(target) {
  const type = "user" in target ? 2 : 3;
  return state.commands.filter((c) => c.type === type).map((c) => [c.name, () => run(() => act("menu", { name: c.name, ...target }))]);
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
  state.described = chosen ? chosen[1].description : "Write as this member.";
  describe();
}

function describe() {
  say(state.channel === DIRECT ? `${state.bot} takes commands in the channels.` : state.described);
}

// Some of the words that the demo model was taught; a press puts one into the field.
function offerWords() {
  const input = $("options").querySelector("input[name=text]");
  $("try").hidden = !input;
  if (!input) return;
  const some = [...state.words].sort(() => Math.random() - 0.5).slice(0, 5);
  $("try").replaceChildren($("try").firstElementChild, ...some.map((word) => pressable(word, "", () => { input.value = word; input.focus(); })));
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
  state.marks = {};
  state.waiting?.abort();
  await (state.drawn = load().then(() => show()));
});

$("menu").addEventListener("click", () => drawer(!document.body.classList.contains("channels")));
$("newer").addEventListener("click", () => show());

async function follow() {
  for (;;) {
    await state.drawn?.catch(() => {});  // what is being drawn says itself which version it is
    const { member, channel } = state;
    state.waiting = new AbortController();  // another channel or member is followed at once
    try {
      const { marks, replies } = await get("news", { member, channel, ...state.marks }, state.waiting.signal);
      if (member !== state.member || channel !== state.channel) continue;
      const changed = marks.version !== state.marks.version || marks.answers !== state.marks.answers;
      const registered = marks.registered !== state.marks.registered;
      count(marks.unread);
      Object.assign(state.marks, marks);
      for (const [key, reply] of Object.entries(replies)) if (state.replies.has(key)) state.replies.set(key, { ...reply, channel: state.replies.get(key).channel });
      if (registered) await load();
      if (!changed && !registered) continue;
      const list = $("messages");
      if (list.scrollHeight - list.scrollTop - list.clientHeight < 200 && !isOpen()) await show();
      else $("newer").hidden = false;
    } catch (error) {
      if (error.name !== "AbortError") await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

await load();
follow();
