/* The sheet: filter, focus and keys. */

const filters = {
  open: (shot) => !shot.classList.contains("settled") && !shot.classList.contains("portrait"),
  picked: (shot) => shot.classList.contains("settled"),
  rejected: (shot) => shot.querySelector(".take.rejected") !== null,
  commented: (shot) => (reviewOf(shot).comments ?? []).length > 0,
  asked: (shot) => shot.querySelector(".take.waiting") !== null,
  failed: (shot) => shot.querySelector(".take.failed") !== null,
};
const searchable = (shot) =>
  [...shot.querySelectorAll("[data-search], .comments")].map((part) => part.textContent).join(" ").toLowerCase();
let texts = new Map();

/* Every word must occur in the id, the prompt, a comment or the status. */
function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = filters[byId("show").value] ?? (() => true);
  const film = (shot) => !shot.classList.contains("portrait");
  for (const shot of shots) {
    if (words.length && !texts.has(shot)) texts.set(shot, searchable(shot));
    shot.hidden = !(wanted(shot) && words.every((word) => texts.get(shot).includes(word)));
  }
  const seen = shots.filter((shot) => !shot.hidden);
  const [shown, all] = [seen.filter(film).length, shots.filter(film).length];
  byId("shown").textContent = shown < all ? `${shown} of ${all}` : `${all} ${all === 1 ? "shot" : "shots"}`;
  byId("none").hidden = seen.length > 0;
  document.querySelector(".cast").hidden = seen.length === shown;
}

function say(text, isError = false) {
  const note = byId("note");
  const place = view.open ? view : byId("desk"); // what is below a modal dialog is not seen
  if (note.parentElement !== place) place.append(note);
  note.textContent = text;
  note.hidden = !text;
  note.classList.toggle("error", isError);
}

/* One decision: the page in a file changes itself, the page of a server asks it. */
async function decide(action) {
  try {
    await backend.decide(action);
    if (byId("note").classList.contains("error")) say("");
  } catch (error) {
    say(error.message, true);
  }
}

async function undo() {
  try {
    say((await backend.undo()) || "Nothing to undo.");
  } catch (error) {
    say(error.message, true);
  }
}

function repaint(shot) {
  paint(shot);
  texts.delete(shot);
  paintTotals();
  if (view.open && current && shotOf(current) === shot) showActs();
}

function act(name, take) {
  const shot = shotOf(take);
  const where = { shot: shot.dataset.shot, take: take.dataset.take };
  if (name === "cancel") return decide({ do: "cancel", shot: where.shot, request: take.dataset.request });
  if (name === "comment") return askComment(shot, take);
  if (take.classList.contains("own") || take.classList.contains("waiting")) return undefined;
  if (name === "another") return askTake(shot, take);
  if (!hasImage(take)) return undefined;
  const isSet = markOf(shot, take) === (name === "pick" ? "picked" : "rejected");
  return decide({ do: isSet ? "clear" : name, ...where });
}

const shownFrames = () => shots.filter((shot) => !shot.hidden).flatMap((shot) => [...shot.querySelectorAll(".take > .frame")]);
const focusedTake = () => (view.open ? current : document.activeElement?.closest(".take")) ?? null;

function moveFocus(frame) {
  frame?.focus({ preventScroll: true });
  frame?.closest(".shot").scrollIntoView({ block: "nearest" });
}

function moveBy(steps) {
  const frames = shownFrames();
  const index = frames.indexOf(focusedTake()?.querySelector(".frame"));
  moveFocus(frames[index < 0 ? 0 : Math.min(Math.max(index + steps, 0), frames.length - 1)]);
}

function moveShot(steps) {
  const shown = shots.filter((shot) => !shot.hidden);
  const take = focusedTake();
  const index = take ? shown.indexOf(shotOf(take)) : -1;
  const next = shown[index < 0 ? 0 : Math.min(Math.max(index + steps, 0), shown.length - 1)];
  moveFocus(next?.querySelector(".frame"));
}

const KEYS = {
  ArrowLeft: () => moveBy(-1),
  ArrowRight: () => moveBy(1),
  ArrowUp: () => moveShot(-1),
  ArrowDown: () => moveShot(1),
  u: undo,
  g: () => backend.finish(),
  "?": () => byId("keys").showModal(),
  "/": () => byId("filter").focus(),
};
const TAKE_KEYS = { p: "pick", x: "reject", c: "comment", a: "another" };

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, dialog.form") !== null;
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const take = focusedTake();
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (TAKE_KEYS[key] && take) {
    event.preventDefault();
    act(TAKE_KEYS[key], take);
  } else if (view.open) {
    if (VIEW_KEYS[key]) VIEW_KEYS[key]();
    else if (key === "u") undo();
  } else if (KEYS[key]) {
    event.preventDefault();
    KEYS[key]();
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) {
    if (button.dataset.act === "uncomment") {
      decide({ do: "uncomment", shot: shotOf(button).dataset.shot, comment: button.dataset.comment });
    } else {
      act(button.dataset.act, button.closest(".take") ?? current);
    }
    return;
  }
  const link = event.target.closest("a.frame");
  if (link && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    show(link.closest(".take"));
  }
  const closing = event.target.closest("[data-close]");
  if (closing) closing.closest("dialog").close();
});

/* A thumbnail that is missing, as in a folder that was copied in part, is replaced by its image. */
document.addEventListener("error", (event) => {
  const link = event.target.closest?.("a");
  if (event.target.tagName === "IMG" && link && event.target.src !== link.href) event.target.src = link.href;
}, true);

byId("filter").addEventListener("input", filter);
byId("show").addEventListener("change", filter);
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("img[loading]").forEach((image) => image.removeAttribute("loading"));
});

function addTool(text, run, properties = {}) {
  const button = make("button", { type: "button", textContent: text, ...properties });
  button.addEventListener("click", run);
  byId("tools").append(button);
  return button;
}
