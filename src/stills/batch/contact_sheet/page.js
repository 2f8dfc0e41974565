"use strict";

const byId = (id) => document.getElementById(id);
const frames = [...document.querySelectorAll(".frame")];
const view = byId("view");
let current = null;

/* Filter: every word must occur in the id, the prompt or the status. */

const searchable = (frame) =>
  [...frame.querySelectorAll("[data-search]")].map((part) => part.textContent).join(" ").toLowerCase();
let texts = null;

function filter() {
  texts ??= frames.map(searchable);
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  frames.forEach((frame, index) => {
    frame.hidden = !words.every((word) => texts[index].includes(word));
    shown += !frame.hidden;
  });
  byId("shown").textContent = words.length ? `${shown} of ${frames.length}` : `${frames.length} frames`;
  byId("none").hidden = shown > 0;
}

/* Full size: the dialog shows one frame, and moves among those that match the filter. */

const viewable = () => frames.filter((frame) => !frame.hidden && frame.querySelector("a.film"));

function show(frame) {
  current = frame;
  const link = frame.querySelector("a.film");
  const image = byId("view-image");
  image.src = link.href;
  image.alt = link.querySelector("img").alt;
  byId("open").href = link.href;
  byId("view-caption").replaceChildren(...frame.querySelector("figcaption").cloneNode(true).childNodes);
  const among = viewable();
  const index = among.indexOf(frame);
  byId("position").textContent = `${index + 1} / ${among.length}`;
  byId("previous").disabled = index <= 0;
  byId("next").disabled = index === among.length - 1;
  if (!view.open) view.showModal();
}

function move(steps) {
  const among = viewable();
  const next = among[among.indexOf(current) + steps];
  if (next) show(next);
}

document.querySelector(".strip").addEventListener("click", (event) => {
  const link = event.target.closest("a.film");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.closest(".frame"));
});
view.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") move(-1);
  if (event.key === "ArrowRight") move(1);
});
view.addEventListener("close", () => {
  byId("view-image").removeAttribute("src");
  current.querySelector("a.film").focus();
  current.scrollIntoView({ block: "nearest" });
});
view.querySelector(".stage").addEventListener("click", () => view.close());
byId("previous").addEventListener("click", () => move(-1));
byId("next").addEventListener("click", () => move(1));
byId("close").addEventListener("click", () => view.close());
byId("filter").addEventListener("input", filter);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !view.open && document.activeElement !== byId("filter")) {
    event.preventDefault();
    byId("filter").focus();
  }
});
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("img[loading]").forEach((image) => image.removeAttribute("loading"));
});
if (byId("filter").value) filter(); /* the browser restores it on reload */
