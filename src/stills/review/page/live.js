/* The page of a server: it decides there, and hears what others decide and what a run makes. */

const live = state.live;
let plan = null;
let planning = 0;

async function call(name, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": body instanceof Blob ? "application/octet-stream" : "application/json" },
    body: body instanceof Blob ? body : JSON.stringify(body),
  };
  const answer = await fetch(name, options).catch(() => {
    throw new Error("The server does not answer. Is `stills review` still running?");
  });
  const isJson = answer.headers.get("content-type")?.startsWith("application/json");
  const data = isJson ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(data.error?.message ?? `The server answered ${answer.status}.`);
  return data;
}

const backend = {
  takeHint: live.references
    ? "It is generated, and paid for, only when you generate."
    : "It is generated, and paid for, only when you generate. The model of this batch takes no references.",
  decide: async (action) => apply(await call("decisions", action)),
  undo: async () => {
    const told = await call("undo", {});
    apply(told);
    return told.undone ? `Undone: ${told.undone}` : "";
  },
  finish: openRun,
};

function apply({ shots: changed, undo: last }) {
  for (const [shotId, review] of Object.entries(changed)) {
    const shot = shotById.get(shotId);
    const hadOwn = JSON.stringify(reviews.get(shotId)?.own);
    reviews.set(shotId, review);
    if (!shot) continue;
    if (JSON.stringify(review.own) === hadOwn) repaint(shot);
    else refresh(shotId);
  }
  byId("undo").disabled = !last;
  planSoon();
}

/* Fetch a shot whose pictures are different now. */
async function refresh(shotId) {
  const html = await call(`shot?id=${encodeURIComponent(shotId)}`);
  const fresh = new DOMParser().parseFromString(html, "text/html").querySelector(".shot");
  const old = shotById.get(shotId);
  if (!fresh || !old) return;
  const focused = old.contains(document.activeElement) && document.activeElement.closest(".take")?.dataset.take;
  old.replaceWith(fresh);
  shots[shots.indexOf(old)] = fresh;
  shotById.set(shotId, fresh);
  prepare(fresh);
  if (current && old.contains(current)) {
    current = takesOf(fresh).find((take) => take.dataset.take === current.dataset.take) ?? takesOf(fresh)[0];
    if (view.open) show(hasImage(current) ? current : takesOf(fresh).find(hasImage));
  }
  if (focused) takesOf(fresh).find((take) => take.dataset.take === focused)?.querySelector(".frame").focus();
  filter();
}

/* Own pictures. */

const chooser = make("input", { type: "file", accept: "image/*", hidden: true });
document.body.append(chooser);
let choosingFor = null;

function prepare(shot) {
  const button = make("button", { type: "button", className: "quiet", textContent: "Own picture" });
  button.setAttribute("aria-label", `Own picture for ${shot.dataset.shot}`);
  button.addEventListener("click", () => {
    choosingFor = shot.dataset.shot;
    chooser.click();
  });
  shot.querySelector(".name").append(button);
  const own = shot.querySelector(".take.own .bar");
  if (own) {
    const remove = make("button", { type: "button", textContent: "Remove" });
    remove.setAttribute("aria-label", `Remove the own picture of ${shot.dataset.shot}`);
    remove.addEventListener("click", () => decide({ do: "clear", shot: shot.dataset.shot }));
    own.append(make("span", { className: "acts" }, remove));
  }
  repaint(shot);
}

chooser.addEventListener("change", async () => {
  const [file] = chooser.files;
  if (!file) return;
  const query = new URLSearchParams({ shot: choosingFor, name: file.name });
  try {
    apply(await call(`own?${query}`, file.slice()));
  } catch (error) {
    say(error.message, true);
  }
  chooser.value = "";
});

/* Prices, and runs. */

function planSoon() {
  clearTimeout(planning);
  planning = setTimeout(loadPlan, 600);
}

async function loadPlan() {
  try {
    const cap = readCap();
    plan = await call(cap == null ? "plan" : `plan?cap=${cap}`);
  } catch (error) {
    plan = null;
    if (byId("run-form").open) byId("run-price").textContent = error.message;
  }
  showPlan();
}

function readCap() {
  const text = byId("run-cap").value.trim().replace(",", ".");
  return text === "" ? null : text;
}

function showPlan() {
  const count = plan?.takes.length ?? 0;
  generating.textContent = count ? `Generate ${count} · ${plan.cost}` : "Generate";
  generating.disabled = !count && !plan?.problems.length;
  if (!byId("run-form").open || !plan) return;
  byId("run-plan").replaceChildren(
    ...plan.takes.map((take) => make("li", {},
      make("span", { textContent: take.id }),
      make("span", { className: "like", textContent: `like ${take.like}${take.has_other_prompt ? ", other prompt" : ""}, seed ${take.seed}` }),
      make("span", { className: "cost", textContent: take.price }))),
    ...plan.problems.map((one) => make("li", { className: "error" }, make("span", { textContent: `${one.id}: ${one.message}` }))),
  );
  const cap = plan.cap ? ` (cap ${plan.cap})` : " (no cap)";
  byId("run-price").textContent = `${count} ${count === 1 ? "take" : "takes"} with ${plan.model}: ${plan.cost}${cap}`;
  byId("run-send").disabled = !count || plan.why_not !== null;
  if (plan.why_not) byId("run-price").textContent += `. ${plan.why_not}`;
}

function openRun() {
  if (generating.disabled) return;
  ask("run-form", "run-send", run);
  loadPlan();
}

async function run() {
  try {
    const cap = readCap();
    const { takes, cost } = plan;
    showRun((await call("generate", { takes, cost, ...(cap == null ? {} : { max_cost_usd: Number(cap) }) })).running);
  } catch (error) {
    say(error.message, true);
    loadPlan();
  }
}

let running = live.running;

function showRun(told) {
  running = told;
  generating.hidden = running !== null;
  document.querySelectorAll(".take.waiting").forEach((take) => take.classList.toggle("running", running !== null));
  if (!running) return;
  const { wanted, done, failed } = running;
  say(`Generating: ${done} of ${wanted} done${failed ? `, ${failed} failed` : ""}`);
  byId("note").append(make("progress", { max: wanted, value: done + failed }));
  const stop = make("button", { type: "button", textContent: running.stopping ? "Stopping …" : "Stop", disabled: running.stopping });
  stop.addEventListener("click", () => call("stop", {}).catch((error) => say(error.message, true)));
  byId("note").append(stop);
}

function showEnd(ended) {
  showRun(null);
  if (ended.totals) document.querySelector(".totals").innerHTML = ended.totals;
  paintTotals();
  const counts = [`${ended.made} new`, ended.failed ? `${ended.failed} failed` : "", ended.pending ? `${ended.pending} not started` : ""];
  const possible = ended.possible ? `, ${ended.possible} more possibly billed` : "";
  const reason = ended.stopped_because ? ` Stopped, because ${ended.stopped_because}.` : "";
  say(`${counts.filter(Boolean).join(", ")}; billed ${ended.billed}${possible}.${reason} ${ended.error ?? ""}`, Boolean(ended.error || ended.failed));
}

const hear = {
  state: (told) => {
    for (const shotId of new Set([...reviews.keys(), ...Object.keys(told.shots)])) {
      const review = told.shots[shotId] ?? {};
      if (JSON.stringify(reviews.get(shotId) ?? {}) !== JSON.stringify(review)) apply({ shots: { [shotId]: review }, undo: told.undo });
    }
    byId("undo").disabled = !told.undo;
    if (running && !told.running) location.reload(); // it ended while this page was not listening
    for (const shotId of told.running?.shots ?? []) refresh(shotId).catch((error) => say(error.message, true));
    if (told.running) showRun(told.running);
  },
  review: apply,
  run: (told) => showRun(told.running),
  take: (told) => {
    showRun(told.running);
    refresh(told.shot).catch((error) => say(error.message, true));
  },
  ended: (told) => {
    showEnd(told);
    planSoon();
  },
};

addTool("Keys", () => byId("keys").showModal(), { id: "help" });
addTool("Undo", undo, { id: "undo", disabled: !state.undo });
const generating = addTool("Generate", openRun, { id: "generate", className: "main", disabled: true });
byId("run-cap").addEventListener("input", planSoon);
shots.forEach(prepare);
filter();
showRun(running);
loadPlan();

const events = new EventSource("events");
for (const [name, listen] of Object.entries(hear)) {
  events.addEventListener(name, (event) => listen(JSON.parse(event.data)));
}
