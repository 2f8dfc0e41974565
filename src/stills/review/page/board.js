/* The board: what was decided, and what it means for the frames on the page. */

const byId = (id) => document.getElementById(id);
const state = JSON.parse(byId("state").textContent);
const reviews = new Map(Object.entries(state.shots));
const shots = [...document.querySelectorAll(".shot")];
const shotOf = (element) => element.closest(".shot");
const shotById = new Map(shots.map((shot) => [shot.dataset.shot, shot]));
const takesOf = (shot) => [...shot.querySelectorAll(".take:not(.waiting)")];
const reviewOf = (shot) => reviews.get(shot.dataset.shot) ?? {};
const hasImage = (take) => take.querySelector("a.frame") !== null;

function make(name, properties = {}, ...children) {
  const { data, ...rest } = properties;
  const element = Object.assign(document.createElement(name), rest);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

/* Marks count only for the image that was marked. */
const isOf = (take) => (mark) => mark.take === take.dataset.take && mark.image === take.dataset.image;

function markOf(shot, take) {
  const review = reviewOf(shot);
  if (take.classList.contains("own")) return "picked";
  if (!take.dataset.image) return "";
  if ((review.rejected ?? []).some(isOf(take))) return "rejected";
  return review.pick && isOf(take)(review.pick) && !review.own ? "picked" : "";
}

function waitingOf(shot) {
  const done = new Set(takesOf(shot).filter(hasImage).map((take) => take.dataset.take));
  return (reviewOf(shot).requests ?? []).filter((request) => !done.has(request.id));
}

function decisionOf(shot) {
  const takes = takesOf(shot).filter(hasImage);
  const picked = takes.find((take) => markOf(shot, take) === "picked");
  if (picked) return picked.dataset.label === "own" ? "own picture" : `picked ${picked.dataset.label}`;
  const rejected = takes.filter((take) => markOf(shot, take) === "rejected");
  return takes.length && rejected.length === takes.length ? "rejected" : "";
}

const ACTS = [
  ["pick", "Pick", "p"],
  ["reject", "Reject", "x"],
  ["comment", "Comment", "c"],
  ["another", "Another", "a"],
];

function makeActs(take) {
  const acts = ACTS.filter(([act]) => hasImage(take) || !["pick", "reject"].includes(act));
  return acts.map(([act, word, key]) => {
    const button = make("button", { type: "button", textContent: word, data: { act } });
    button.setAttribute("aria-label", `${word} ${shotOf(take).dataset.shot}, take ${take.dataset.label}`);
    button.setAttribute("aria-keyshortcuts", key);
    if (act === "pick" || act === "reject") button.setAttribute("aria-pressed", "false");
    return button;
  });
}

function pencil(kind) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("class", `pencil ${kind}`);
  drawing.setAttribute("aria-hidden", "true");
  drawing.append(document.createElementNS(space, "use"));
  drawing.firstChild.setAttribute("href", `#${kind}`);
  return drawing;
}

/* Paint what was decided about a shot. */

function paint(shot) {
  for (const take of takesOf(shot)) {
    const mark = markOf(shot, take);
    take.classList.toggle("picked", mark === "picked");
    take.classList.toggle("rejected", mark === "rejected");
    const picture = take.querySelector(".picture");
    picture.querySelector(".pencil")?.remove();
    if (mark) picture.append(pencil(mark === "picked" ? "circled" : "crossed"));
    if (!take.querySelector(".acts") && !take.classList.contains("own")) {
      take.querySelector(".bar").append(make("span", { className: "acts" }, ...makeActs(take)));
    }
    paintActs(take.querySelector(".acts"), mark);
  }
  paintWaiting(shot);
  paintComments(shot);
  shot.querySelector(".decision").textContent = decisionOf(shot);
  shot.classList.toggle("settled", decisionOf(shot) !== "" && decisionOf(shot) !== "rejected");
}

function paintActs(acts, mark) {
  acts?.querySelector("[data-act=pick]")?.setAttribute("aria-pressed", mark === "picked");
  acts?.querySelector("[data-act=reject]")?.setAttribute("aria-pressed", mark === "rejected");
}

function paintWaiting(shot) {
  shot.querySelectorAll(".waiting").forEach((one) => one.remove());
  for (const request of waitingOf(shot)) {
    const label = request.id ? request.id.slice(request.id.lastIndexOf("-") + 1) : "new";
    const what = request.prompt ? make("p", { className: "changed", dir: "auto", textContent: request.prompt }) : "";
    const seed = request.seed == null ? "" : `seed ${request.seed}`;
    const cancel = make("button", { type: "button", textContent: "Take back", data: { act: "cancel" } });
    cancel.setAttribute("aria-label", `Take back take ${label} of ${shot.dataset.shot}`);
    shot.querySelector(".takes").append(
      make("li", { className: "take waiting", data: { request: request.id ?? request.key, label } },
        make("div", { className: "frame" },
          make("div", { className: "picture" }, make("span", { textContent: "asked for" })),
          make("span", { className: "edge" }, make("span", { textContent: shot.dataset.shot }), make("span", { textContent: `▸ ${label}` })),
        ),
        make("div", { className: "bar" },
          make("span", { className: "which", textContent: `like ${labelOf(shot, request.based_on)} ${seed}` }),
          make("span", { className: "acts" }, cancel),
        ),
        what,
      ),
    );
  }
  const count = shot.querySelectorAll(".take").length;
  shot.dataset.takes = Math.min(count, 8);
}

function labelOf(shot, takeId) {
  return takesOf(shot).find((take) => take.dataset.take === takeId)?.dataset.label ?? takeId;
}

function paintComments(shot) {
  const comments = reviewOf(shot).comments ?? [];
  shot.querySelector(".comments").replaceChildren(
    ...comments.map((one) => {
      const from = [one.take ? `on ${labelOf(shot, one.take)}` : "", one.by ?? ""].filter(Boolean).join(" · ");
      const remove = make("button", { type: "button", textContent: "×", data: { act: "uncomment", comment: one.id } });
      remove.setAttribute("aria-label", "Remove this comment");
      const text = make("span", { textContent: one.text, dir: "auto" });
      return make("li", {}, text, make("span", { className: "by", textContent: from }), remove);
    }),
  );
}

function setTotal(kind, number) {
  const total = document.querySelector(`.totals .${kind} dd`);
  if (total) total.textContent = number;
}

function paintTotals() {
  const film = shots.filter((shot) => !shot.classList.contains("portrait"));
  setTotal("picked", film.filter((shot) => shot.classList.contains("settled")).length);
  setTotal("rejected", document.querySelectorAll(".take.rejected").length);
  setTotal("asked", document.querySelectorAll(".take.waiting").length);
}
