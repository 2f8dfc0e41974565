/* The forms for comments and further takes. */

let answer = () => {};

function ask(form, focus, onAnswer) {
  answer = onAnswer;
  byId(form).showModal();
  byId(focus).focus();
}

function askComment(shot, take) {
  const isOnTake = take && takesOf(shot).length > 1 && take.dataset.take;
  byId("comment-title").textContent = isOnTake
    ? `Comment on ${shot.dataset.shot}, ${take.dataset.label}`
    : `Comment on ${shot.dataset.shot}`;
  byId("comment-text").value = "";
  ask("comment-form", "comment-text", () => {
    const text = byId("comment-text").value.trim();
    const by = byId("comment-by").value.trim();
    if (!text) return;
    decide({
      do: "comment", shot: shot.dataset.shot, text,
      ...(by ? { by } : {}), ...(isOnTake ? { take: take.dataset.take } : {}),
    });
  });
}

const REFERENCES = [["", "as before"], ["none", "none"], ["other", "another image …"]];

function askTake(shot, take) {
  byId("take-title").textContent = `Another take of ${shot.dataset.shot}, like ${take.dataset.label}`;
  byId("take-prompt").value = take.dataset.prompt;
  byId("take-seed").value = "";
  byId("take-reference").replaceChildren(...REFERENCES.map(([value, text]) => make("option", { value, textContent: text })));
  byId("take-other").value = "";
  showOther();
  byId("take-hint").textContent = backend.takeHint;
  ask("take-form", "take-prompt", () => {
    const seed = byId("take-seed").value.trim();
    const prompt = byId("take-prompt").value.trim();
    const reference = readReference();
    decide({
      do: "another", shot: shot.dataset.shot, take: take.dataset.take,
      ...(prompt && prompt !== take.dataset.prompt ? { prompt } : {}),
      ...(seed ? { seed: Number(seed) } : {}),
      ...(reference ? { reference } : {}),
    });
  });
}

function readReference() {
  const choice = byId("take-reference").value;
  if (!choice) return null;
  const other = byId("take-other").value.trim();
  if (choice === "none" || !other) return {};
  return other.includes("://") ? { url: other } : { shot: other };
}

function showOther() {
  byId("take-other-label").hidden = byId("take-reference").value !== "other";
}

byId("take-reference").addEventListener("change", showOther);
for (const [form, send] of [["comment-form", "comment-send"], ["take-form", "take-send"], ["run-form", "run-send"]]) {
  byId(send).addEventListener("click", (event) => {
    event.preventDefault();
    byId(form).close();
    answer();
  });
  byId(form).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId(send).click();
  });
}
