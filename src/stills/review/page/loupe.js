/* The loupe: one take in full size, or all takes of its shot side by side. */

const view = byId("view");
let current = null;
let isComparing = false;

const viewable = () =>
  shots.filter((shot) => !shot.hidden).flatMap((shot) => takesOf(shot).filter(hasImage));

function image(take) {
  const link = take.querySelector("a.frame");
  const shown = make("img", { src: link.href, alt: link.querySelector("img").alt });
  shown.classList.toggle("current", take === current);
  return shown;
}

function show(take) {
  current = take;
  const shot = shotOf(take);
  const compared = isComparing ? takesOf(shot).filter(hasImage) : [take];
  byId("stage").replaceChildren(...compared.map((one) => {
    const figure = make("figure", { data: { mark: markOf(shot, one) } }, image(one));
    if (isComparing) figure.append(make("figcaption", { textContent: one.dataset.label }));
    figure.classList.toggle("current", one === current);
    figure.addEventListener("click", () => (isComparing ? show(one) : view.close()));
    return figure;
  }));
  byId("stage").dataset.count = Math.min(compared.length, 8);
  byId("open").href = take.querySelector("a.frame").href;
  const details = [...take.querySelectorAll(".changed, .error, .details")];
  const caption = [shot.querySelector(".name"), shot.querySelector(".prompt"), shot.querySelector(".dialogue"), shot.querySelector(".references"), ...details];
  byId("view-caption").replaceChildren(...caption.filter(Boolean).map((part) => part.cloneNode(true)));
  byId("view-caption").querySelector("h2")?.append(` · ${take.querySelector(".which").textContent}`);
  const among = viewable();
  const index = among.indexOf(take);
  byId("position").textContent = `${index + 1} / ${among.length}`;
  byId("previous").disabled = index <= 0;
  byId("next").disabled = index === among.length - 1;
  byId("compare").setAttribute("aria-pressed", isComparing);
  showActs();
  if (!view.open) view.showModal();
}

function showActs() {
  const mark = markOf(shotOf(current), current);
  const acts = current.classList.contains("own") ? [] : makeActs(current);
  if (!byId("view-acts").contains(document.activeElement)) byId("view-acts").replaceChildren(...acts);
  paintActs(byId("view-acts"), mark);
  const shot = shotOf(current);
  const compared = isComparing ? takesOf(shot).filter(hasImage) : [current];
  [...byId("stage").children].forEach((figure, index) => {
    figure.dataset.mark = compared[index] ? markOf(shot, compared[index]) : "";
  });
}

function move(steps) {
  const among = viewable();
  const next = among[among.indexOf(current) + steps];
  if (next) show(next);
}

function moveViewedShot(steps) {
  const ids = shots.filter((shot) => !shot.hidden && takesOf(shot).some(hasImage));
  const next = ids[ids.indexOf(shotOf(current)) + steps];
  if (next) show(takesOf(next).find(hasImage));
}

function compare() {
  isComparing = !isComparing;
  show(current);
}

const VIEW_KEYS = {
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  ArrowUp: () => moveViewedShot(-1),
  ArrowDown: () => moveViewedShot(1),
  s: compare,
};

view.addEventListener("close", () => {
  byId("stage").replaceChildren();
  byId("desk").append(byId("note"));
  const frame = current.querySelector(".frame");
  frame.focus();
  shotOf(current).scrollIntoView({ block: "nearest" });
});
byId("previous").addEventListener("click", () => move(-1));
byId("next").addEventListener("click", () => move(1));
byId("compare").addEventListener("click", compare);
byId("close").addEventListener("click", () => view.close());
