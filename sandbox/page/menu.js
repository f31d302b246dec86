// A menu of commands beside what was pressed. Arrow keys move in it; Escape, Tab or a press elsewhere closes it.
import { $, make, pressable } from "/page/dom.js";

const GAP = 8;  // pixels to the edges of the window

export const isOpen = () => $("commands").matches(":popover-open");

// `back` sets the focus where the opener is after the messages were drawn anew.
export function openMenu(opener, title, entries, back) {
  const menu = $("commands");
  menu.setAttribute("aria-label", `Commands for ${title}`);
  menu.replaceChildren(make("strong", "", title), ...entries.map(([label, doing]) => {
    const item = pressable(label, "", () => { menu.hidePopover(); doing(); });
    item.setAttribute("role", "menuitem");
    return item;
  }));
  menu.ontoggle = (event) => { if (event.newState === "closed" && !opener.isConnected) back(); };
  menu.showPopover();
  const at = opener.getBoundingClientRect(), below = at.bottom + 4, above = at.top - menu.offsetHeight - 4;
  menu.style.left = `${Math.max(GAP, Math.min(at.left, innerWidth - menu.offsetWidth - GAP))}px`;
  menu.style.top = `${Math.max(GAP, below + menu.offsetHeight + GAP > innerHeight ? above : below)}px`;
  menu.querySelector("[role=menuitem]").focus();
}

$("commands").addEventListener("keydown", (event) => {
  const items = [...$("commands").querySelectorAll("[role=menuitem]")], last = items.length - 1;
  const now = items.indexOf(document.activeElement);
  const to = { ArrowDown: now === last ? 0 : now + 1, ArrowUp: now <= 0 ? last : now - 1, Home: 0, End: last }[event.key];
  if (to == null && event.key !== "Tab") return;
  event.preventDefault();
  if (event.key === "Tab") $("commands").hidePopover();
  else items[to].focus();
});
