"use strict";

// Copy, also where a page without TLS has no clipboard.
async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    getSelection().selectAllChildren(element);
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const name = button.textContent;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    await copyText(document.getElementById(button.dataset.copy));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = name; }, 2000);
  });
}

// A form without its empty fields has a shorter address.
document.getElementById("search")?.addEventListener("submit", ({ target }) => {
  for (const field of target.elements) {
    if (field.name && !field.value) field.disabled = true;
  }
});
addEventListener("pageshow", () => {
  for (const field of document.getElementById("search")?.elements ?? []) field.disabled = false;
});

const frames = [...document.querySelectorAll("#images .frame")];

function columns() {
  const top = frames[0].getBoundingClientRect().top;
  const below = frames.findIndex((frame) => frame.getBoundingClientRect().top > top + 1);
  return below < 0 ? frames.length : below;
}

function move(key) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() };
  const at = frames.indexOf(document.activeElement);
  const next = at < 0 ? frames[0] : frames[at + steps[key]];
  next?.focus();
  return at >= 0 || key === "ArrowDown" || key === "ArrowRight";
}

const LINKS = { ArrowLeft: "prev", ArrowRight: "next", Escape: "up" };

addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (target.closest("input, select, textarea, pre")) return;
  if (key === "/" && document.getElementById("search")) {
    event.preventDefault();
    document.getElementById("search").elements.q.focus();
  } else if (frames.length && key.startsWith("Arrow")) {
    if (move(key)) event.preventDefault();
  } else if (!frames.length && key in LINKS) {
    document.querySelector(`a[rel="${LINKS[key]}"]`)?.click();
  }
});

// A picture whose file is lost says so.
for (const picture of document.querySelectorAll(".picture img")) {
  const mark = () => picture.parentElement.classList.add("lost");
  if (picture.complete && !picture.naturalWidth && picture.loading !== "lazy") mark();
  picture.addEventListener("error", mark);
}
