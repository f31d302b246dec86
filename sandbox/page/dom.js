// Elements of the page, found and made.

export const $ = (id) => document.getElementById(id);

export function make(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function pressable(label, className, doing) {
  const made = make("button", className, label);
  made.type = "button";
  made.addEventListener("click", doing);
  return made;
}
