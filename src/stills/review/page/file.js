/* The page in a file: marks stay in this browser, and are saved as a small file for the director. */

const KEY = `stills-marks-${state.board || state.title}`;
const base = structuredClone(reviews);
const done = [];

function keepLocally() {
  try {
    localStorage.setItem(KEY, JSON.stringify(changes()));
  } catch {
    say("This browser can't keep your marks for a local file: save them before you close the page.");
  }
}

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    for (const [shot, { base: before, now }] of Object.entries(kept)) {
      const isAsBefore = JSON.stringify(base.get(shot) ?? {}) === JSON.stringify(before);
      if (shotById.has(shot) && isAsBefore) reviews.set(shot, now);
    }
  } catch { /* nothing was kept, or it is not ours */ }
}

function changes() {
  const changed = {};
  for (const [shot, now] of reviews) {
    const before = base.get(shot) ?? {};
    if (JSON.stringify(before) !== JSON.stringify(now)) changed[shot] = { base: before, now };
  }
  return changed;
}

const without = (list, take) => (list ?? []).filter((mark) => mark.take !== take);
const randomId = () => [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const DECISIONS = {
  pick: (review, { mark }) => ({ ...review, pick: mark, own: undefined, rejected: without(review.rejected, mark.take) }),
  reject: (review, { mark }) => ({
    ...review,
    pick: review.pick?.take === mark.take ? undefined : review.pick,
    rejected: [...without(review.rejected, mark.take), mark],
  }),
  clear: (review, { mark }) => ({
    ...review,
    pick: review.pick?.take === mark.take ? undefined : review.pick,
    rejected: without(review.rejected, mark.take),
  }),
  comment: (review, { text, by, take }) => ({
    ...review,
    comments: [...(review.comments ?? []), {
      id: randomId(), text, at: `${new Date().toISOString().slice(0, 19)}Z`, ...(by ? { by } : {}), ...(take ? { take } : {}),
    }],
  }),
  uncomment: (review, { comment }) => ({ ...review, comments: (review.comments ?? []).filter((one) => one.id !== comment) }),
  another: (review, { take, prompt, seed, reference }) => ({
    ...review,
    requests: [...(review.requests ?? []), {
      key: randomId(), based_on: take, ...(prompt ? { prompt } : {}), ...(seed == null ? {} : { seed }), ...(reference ? { reference } : {}),
    }],
  }),
  cancel: (review, { request }) => ({
    ...review, requests: (review.requests ?? []).filter((one) => (one.id ?? one.key) !== request),
  }),
};

function tidy(review) {
  const isSet = ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(review).filter(isSet));
}

const backend = {
  takeHint: "It is generated, and paid for, only when the director runs it.",
  async decide({ do: name, ...action }) {
    const shot = shotById.get(action.shot);
    const take = takesOf(shot).find((one) => one.dataset.take === action.take);
    const mark = take?.dataset.image ? { take: take.dataset.take, image: take.dataset.image } : undefined;
    const before = reviews.get(action.shot);
    reviews.set(action.shot, tidy(DECISIONS[name](before ?? {}, { ...action, mark })));
    done.push([action.shot, before]);
    changed(shot);
  },
  async undo() {
    if (!done.length) return "";
    const [shotId, before] = done.pop();
    reviews.set(shotId, before ?? {});
    changed(shotById.get(shotId));
    return `Undone: ${shotId}`;
  },
  finish: save,
};

function changed(shot) {
  repaint(shot);
  keepLocally();
  showSave();
}

function save() {
  const by = byId("comment-by").value.trim();
  const marks = { stills_marks: 1, board: state.board, ...(by ? { by } : {}), shots: changes() };
  const file = new Blob([`${JSON.stringify(marks, null, 1)}\n`], { type: "application/json" });
  const link = make("a", { href: URL.createObjectURL(file), download: "marks.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say("marks.json is saved. The director adds it with: stills review DIR --merge marks.json");
}

restore();
shots.forEach(paint);
addTool("Keys", () => byId("keys").showModal(), { id: "help" });
addTool("Undo", undo, { id: "undo" });
const saving = addTool("Save marks", save, { id: "save" });

function showSave() {
  const count = Object.keys(changes()).length;
  saving.textContent = count ? `Save marks (${count})` : "Save marks";
  saving.disabled = !count;
  byId("undo").disabled = !done.length;
}

showSave();
paintTotals();
filter();
