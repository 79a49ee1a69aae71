// The classifier: one subject after the other, the tasks about it, and sending what the person said.

import { DrawingTask } from "./drawing.js";
import { button, count, make } from "./elements.js";
import { Player } from "./player.js";
import { QuestionTask } from "./questions.js";
import { Failure, Outbox, Server } from "./server.js";
import { SurveyTask } from "./survey.js";

const BATCH = 5;
const HELPED = "sandbox-helped";
const HELP = {
  survey: ["Watch the clip or look at the picture, as often as you like.", "Choose each species that you see and answer the questions about it."],
  drawing: ["Choose what you want to draw.", "Drag a box around each animal, as tight as you can. Boxes can be moved, resized and removed.", "If there is nothing to draw, just press Done."],
};

class Classifier {
  constructor(root) {
    const { workflow, project, generation, nothing, gold } = root.dataset;
    Object.assign(this, { workflowId: workflow, projectId: project, generation, gold: gold !== undefined });
    this.nothing = nothing.split(" ").filter(Boolean);
    this.queue = [];
    this.finished = 0;
    this.server = new Server();
    this.outbox = new Outbox(this.server, () => this.#tellSending());
    this.person = make("span", { class: "person" });
    this.progress = make("div", { class: "progress" });
    this.sending = make("div", { class: "sending", role: "status", "aria-live": "polite" });
    this.stage = make("div", { class: "work" });
    root.replaceChildren(make("div", { class: "top" }, this.progress, this.person), this.stage, this.sending);
    addEventListener("beforeunload", (event) => this.outbox.mine.length && event.preventDefault());
  }

  async start() {
    await this.#try(async () => {
      await this.server.resume();
      this.#showPerson();
      this.workflow = (await this.server.ask("GET", `/workflows/${this.workflowId}`)).workflows[0];
      await this.outbox.send();
      await this.#next();
    });
  }

  /** Do what needs the server; when it fails, say so and offer to do it again. */
  async #try(act) {
    try {
      await act();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      const again = button("Try again", () => this.#try(act), { class: "main" });
      this.#message("That did not work", failure.message, again);
    }
  }

  // Subjects

  async #next() {
    if (!this.queue.length) await this.#fill();
    const subject = this.queue.shift();
    if (!subject) return this.#message("Nothing to classify yet", "This workflow has no subjects. Upload some and come back.", this.#home());
    if (subject.user_has_finished_workflow && !this.again) return this.#finished(subject);
    return this.#show(subject);
  }

  async #fill() {
    // Those of which the server does not know yet that they are done are left out.
    const unsent = new Set(this.outbox.mine.map((entry) => entry.subject));
    const query = `workflow_id=${this.workflowId}&page_size=${BATCH + unsent.size}&session=${this.server.session}`;
    const { subjects, meta } = await this.server.ask("GET", `/subjects/queued?${query}`);
    const fresh = subjects.filter((subject) => this.again || !unsent.has(subject.id));
    this.queue = (fresh.length ? fresh : subjects.map(finish)).slice(0, BATCH);
    const late = fresh.length ? subjects.length - fresh.length : 0;
    const { count: left, seen, subjects: whole } = meta.subjects;
    this.counts = { left: left - late, seen: seen + late, whole };
    this.#tellProgress();
  }

  #finished(subject) {
    const text = subject.finished_workflow
      ? "All subjects here have been seen by enough people. Thank you!"
      : "You have seen them all. Thank you!";
    const again = button("Look at some again", () => {
      this.again = true;
      this.#show(subject);
    });
    this.#message(text, "What you said is on its way into the project's data.", this.#home(), again);
  }

  #show(subject) {
    this.subject = subject;
    this.started = new Date();
    this.player?.close();
    this.player = new Player(subject.locations, () => this.current?.draw?.());
    this.path = [];
    this.given = new Map();
    this.panel = make("div", { class: "panel" });
    this.current = null;
    this.stage.replaceChildren(make("div", { class: "left" }, this.player.node, about(subject)), this.panel);
    this.player.show(0);
    this.#enter(this.workflow.first_task || Object.keys(this.workflow.tasks)[0]);
    document.title = document.title.replace(/^(Subject \d+: )?/, `Subject ${subject.id}: `);
    scrollTo({ top: 0 });
  }

  // Tasks

  #enter(key) {
    const task = this.workflow.tasks[key];
    this.hint = make("p", { class: "quiet", role: "status" });
    this.doneButton = button("Done", () => this.#forward(), { class: "main done" });
    // What was answered stays when a person goes back and on again.
    this.current = this.given.get(key) ?? this.#ask(key, task);
    this.given.set(key, this.current);
    if (!this.path.includes(this.current)) this.path.push(this.current);
    this.panel.replaceChildren(
      this.#help(task?.type),
      this.current.node,
      this.hint,
      make("div", { class: "actions" }, this.doneButton, this.path.length > 1 && button("Back", () => this.#backward())),
    );
    this.current.enter?.();
    this.#tellTask();
  }

  #ask(key, task) {
    const told = () => this.#tellTask();
    if (task?.type === "survey") return new SurveyTask(key, task, told, this.nothing);
    if (task?.type === "drawing") return new DrawingTask(key, task, told, this.player);
    if (["single", "multiple", "text"].includes(task?.type)) return new QuestionTask(key, task, told);
    return unknown(key, task);
  }

  #tellTask() {
    if (!this.current) return;
    const { missing, next, open } = this.current;
    this.doneButton.hidden = this.hint.hidden = Boolean(open);
    this.doneButton.disabled = missing !== null;
    this.doneButton.textContent = next ? "Next" : "Done";
    this.hint.textContent = missing ?? "";
  }

  #forward() {
    const { next } = this.current;
    this.current.leave?.();
    if (next) this.#enter(next);
    else this.#finish();
  }

  #backward() {
    this.current.leave?.();
    this.path.pop();
    this.#enter(this.path.at(-1).key);
  }

  #help(type) {
    const steps = HELP[type] ?? ["Answer the question about what you see."];
    const help = make("details", { class: "help" }, make("summary", {}, "How it works"));
    help.append(make("ol", {}, ...[...steps, "Press Done: your answer is sent and the next one comes."].map((step) => make("li", {}, step))));
    help.open = localStorage.getItem(HELPED) === null;
    help.addEventListener("toggle", () => help.open || localStorage.setItem(HELPED, "yes"));
    return help;
  }

  // Sending

  #finish() {
    const { subject } = this;
    const annotations = this.path.flatMap((task) => task.annotations(this.generation));
    const links = { project: this.projectId, workflow: this.workflowId, subjects: [subject.id] };
    const body = { completed: true, annotations, metadata: this.#metadata(), links, ...(this.gold && { gold_standard: true }) };
    this.finished += 1;
    if (this.counts.left > 0) Object.assign(this.counts, { left: this.counts.left - 1, seen: this.counts.seen + 1 });
    this.#tellProgress();
    const sent = this.outbox.add(subject.id, body);
    this.#try(async () => {
      if (!this.queue.length) await sent;
      await this.#next();
    });
  }

  #metadata() {
    const { subject, player } = this;
    const metadata = {
      source: "api",
      session: this.server.session,
      viewport: { width: innerWidth, height: innerHeight },
      started_at: this.started.toISOString(),
      finished_at: new Date().toISOString(),
      user_agent: navigator.userAgent,
      utc_offset: String(new Date().getTimezoneOffset() * 60),
      live_project: true,
      user_language: "en",
      user_group_ids: [],
      workflow_version: this.workflow.version,
      subject_dimensions: player.sizes,
      subject_selection_state: {
        retired: subject.retired,
        already_seen: subject.already_seen,
        selection_state: subject.selection_state,
        finished_workflow: subject.finished_workflow,
        user_has_finished_workflow: subject.user_has_finished_workflow,
      },
    };
    if (subject.already_seen) metadata.seen_before = true;
    if (this.generation === "2") metadata.classifier_version = "2.0";
    return metadata;
  }

  #tellSending() {
    const all = this.outbox.all;
    const lines = all.filter((entry) => entry.refused !== null).map((entry) =>
      make("p", { class: "bad" }, `Your answer about subject ${entry.subject} was refused: ${entry.refused} `,
        button("Discard it", () => this.outbox.discard(entry.key))),
    );
    const { mine } = this.outbox;
    const others = all.filter((entry) => entry.refused === null && entry.user !== this.server.user);
    const { failure } = this.outbox;
    if (failure && mine.length) {
      const how = failure.status === 401 ? "sign out and in again to send it." : "it is tried again by itself.";
      const text = `${count(mine.length, "answer")} not sent yet: ${failure.message} Nothing is lost; ${how} `;
      lines.push(make("p", { class: "bad" }, text, button("Try now", () => this.outbox.send())));
    }
    for (const user of new Set(others.map((entry) => entry.user))) {
      lines.push(make("p", {}, user === null ? "Some answers wait until you sign out." : `Some answers wait until ${user} signs in.`));
    }
    if (!all.length && this.finished) lines.push(make("p", { class: "good" }, `${count(this.finished, "answer")} saved.`));
    this.sending.replaceChildren(...lines);
  }

  #tellProgress() {
    const { left, seen, whole } = this.counts;
    const bar = make("progress", { max: Math.max(1, seen + left), value: seen, "aria-label": "What you have seen" });
    this.progress.replaceChildren(bar, make("span", {}, `${seen} seen, ${left} to go${whole > seen + left ? ` of ${whole}` : ""}`));
  }

  // People

  #showPerson() {
    const { user } = this.server;
    const act = user === null ? button("Sign in", () => this.#askPerson()) : button("Sign out", () => this.#change(() => this.server.signOut()));
    const badge = this.gold && make("span", { class: "chip" }, "gold standard");
    this.person.replaceChildren(...[badge, user === null ? "Not signed in " : `Signed in as ${user} `, act].filter(Boolean));
  }

  #askPerson() {
    const login = make("input", { name: "login", autocomplete: "username", required: true });
    const password = make("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
    const hint = make("p", { class: "bad", role: "alert" });
    const form = make("form", { method: "dialog" },
      make("h2", {}, "Sign in"),
      make("p", { class: "quiet" }, "As a user of this sandbox; unless it was started otherwise, that is demo with the password demo."),
      make("label", {}, "User name", login),
      make("label", {}, "Password", password),
      hint,
      make("div", { class: "actions" }, make("button", { class: "main" }, "Sign in"), button("Cancel", () => dialog.close())),
    );
    const dialog = make("dialog", {}, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await this.server.signIn(login.value, password.value);
      } catch (failure) {
        hint.textContent = failure.message;
        return;
      }
      dialog.close();
      this.#change(() => {});
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  /** Go on as somebody else, who has seen other subjects. */
  async #change(act) {
    await this.#try(async () => {
      await act();
      this.#showPerson();
      this.queue = [];
      this.finished = 0;
      this.again = false;
      await this.outbox.send();
      await this.#next();
    });
  }

  #message(title, text, ...actions) {
    this.current?.leave?.();
    this.player?.close();
    this.current = this.player = null;
    const node = make("div", { class: "message" }, make("h2", { tabindex: -1 }, title), make("p", {}, text), make("div", { class: "actions" }, ...actions));
    this.stage.replaceChildren(node);
    node.firstChild.focus({ preventScroll: true });
  }

  #home() {
    return make("a", { class: "button", href: `/projects/${this.projectId}` }, "Back to the project");
  }
}

/** A task that this page cannot ask; it is passed over without an answer. */
function unknown(key, task) {
  const text = `This page cannot ask tasks of type ${task?.type ?? "unknown"}; go on without an answer.`;
  return { key, node: make("p", {}, text), missing: null, next: task?.next || null, annotations: () => [] };
}

/** What is told about a subject; keys that begin with #, // or ! are not for volunteers who have yet to look. */
function about({ id, metadata }) {
  const told = Object.entries(metadata).filter(([key]) => !/^(#|\/\/|!)/.test(key));
  const terms = [["Subject", id], ...told].flatMap(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return [make("dt", {}, key), make("dd", {}, text)];
  });
  return make("details", { class: "about" }, make("summary", {}, "About this subject"), make("dl", {}, ...terms));
}

function finish(subject) {
  return { ...subject, user_has_finished_workflow: true, already_seen: true };
}

new Classifier(document.getElementById("classifier")).start();
