// The survey: which species, and what the project wants to know about each.

import { button, make } from "./elements.js";
import { choices, truthy } from "./questions.js";

const MANY = 9;

export class SurveyTask {
  /** `nothing` are the codes of choices that say that nothing is there. */
  constructor(key, task, changed, nothing) {
    this.key = key;
    this.task = task;
    this.changed = changed;
    this.nothing = nothing.filter((code) => code in task.choices);
    this.seen = new Map();
    this.blank = false;
    // Whether the questions about one choice are open.
    this.open = false;
    this.search = make("input", { type: "search", placeholder: "Find a name", "aria-label": "Find a name" });
    this.search.addEventListener("input", () => this.#filter());
    this.node = make("div", { class: "survey" });
    this.#overview();
  }

  get missing() {
    return this.seen.size || this.blank ? null : "Choose what you see first, or say that nothing is there.";
  }

  get next() {
    return this.task.next || null;
  }

  annotations(generation) {
    const value = [...this.seen].map(([choice, answers]) => ({ choice, answers, filters: {} }));
    const typed = generation === "2" ? { taskType: "survey" } : {};
    return [{ task: this.key, ...typed, value }];
  }

  /** All choices, and what is chosen so far. */
  #overview(focus) {
    this.open = false;
    const order = this.task.choicesOrder ?? Object.keys(this.task.choices);
    const shown = order.filter((code) => !this.nothing.includes(code));
    this.grid = make("div", { class: "choices" }, ...shown.map((code) => this.#choice(code)));
    this.none = make("p", { class: "quiet", hidden: true }, "No name fits. Try a shorter one.");
    const nothing = this.nothing.length ? this.nothing.map((code) => this.#choice(code)) : [this.#blank()];
    this.node.replaceChildren(
      make("h2", {}, "What do you see?"),
      this.#chosen(),
      ...(shown.length > MANY ? [this.search] : []),
      this.grid,
      this.none,
      make("div", { class: "choices nothing" }, ...nothing),
    );
    this.#filter();
    if (focus) this.node.querySelector(`[data-code="${CSS.escape(focus)}"]`)?.focus();
    this.changed();
  }

  #filter() {
    const wanted = plain(this.search.value);
    for (const tile of this.grid.children) tile.hidden = !plain(tile.textContent).includes(wanted);
    this.none.hidden = [...this.grid.children].some((tile) => !tile.hidden);
  }

  #choice(code) {
    const on = this.seen.has(code);
    return button(this.task.choices[code].label ?? code, () => this.#press(code), {
      class: "choice",
      "data-code": code,
      "aria-pressed": String(on),
    });
  }

  /** Where the project has no choice for it. */
  #blank() {
    const say = () => {
      this.blank = !this.blank;
      if (this.blank) this.seen.clear();
      this.#overview("");
    };
    return button("Nothing here", say, { class: "choice", "data-code": "", "aria-pressed": String(this.blank) });
  }

  #press(code) {
    if (this.#questions(code).length) return this.#detail(code);
    if (this.seen.has(code)) this.seen.delete(code);
    else this.#keep(code, {});
    return this.#overview(code);
  }

  #keep(code, answers) {
    const says_nothing = this.nothing.includes(code);
    for (const other of [...this.seen.keys()]) {
      if (other !== code && (says_nothing || this.nothing.includes(other))) this.seen.delete(other);
    }
    this.blank = false;
    this.seen.set(code, answers);
  }

  #questions(code) {
    if (truthy(this.task.choices[code].noQuestions) || this.nothing.includes(code)) return [];
    const asked = this.task.questionsMap?.[code] ?? this.task.questionsOrder ?? [];
    return asked.filter((question) => question in this.task.questions);
  }

  /** One choice with its questions. */
  #detail(code) {
    this.open = true;
    this.changed();
    const { label, description } = this.task.choices[code];
    const answers = { ...this.seen.get(code) };
    const hint = make("p", { class: "quiet", role: "status" });
    const title = make("h2", { tabindex: -1 }, label ?? code);
    const check = () => {
      const left = this.#questions(code).filter((key) => truthy(this.task.questions[key].required) && !has(answers[key]));
      keep.disabled = left.length > 0;
      hint.textContent = left.length ? `Still to answer: ${left.map((key) => this.task.questions[key].label).join(" ")}` : "";
    };
    const keep = button(this.seen.has(code) ? "Keep" : "Add", () => {
      this.#keep(code, answers);
      this.search.value = "";
      this.#overview(code);
    }, { class: "main" });
    const fields = this.#questions(code).map((key) => {
      const { label: text, answers: offered, answersOrder, multiple } = this.task.questions[key];
      const options = (answersOrder ?? Object.keys(offered)).map((answer) => [answer, offered[answer].label ?? answer]);
      const chosen = answers[key] ?? (truthy(multiple) ? [] : null);
      return choices(text, options, chosen, truthy(multiple), (value) => {
        if (has(value)) answers[key] = value;
        else delete answers[key];
        check();
      });
    });
    const remove = () => {
      this.seen.delete(code);
      this.#overview(code);
    };
    this.node.replaceChildren(
      title,
      ...(description ? [make("p", {}, description)] : []),
      ...fields,
      hint,
      make(
        "div",
        { class: "actions" },
        keep,
        this.seen.has(code) && button("Remove", remove),
        button("Back", () => this.#overview(code)),
      ),
    );
    check();
    title.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
  }

  #chosen() {
    if (!this.seen.size) return make("p", { class: "quiet" }, "Choose a name; you can add several.");
    const items = [...this.seen].map(([code, answers]) => {
      const label = this.task.choices[code].label ?? code;
      const told = Object.entries(answers).map(([key, value]) => {
        const { label: text, answers: offered } = this.task.questions[key];
        return `${text} ${[value].flat().map((one) => offered[one].label ?? one).join(", ")}`;
      });
      const drop = () => {
        this.seen.delete(code);
        this.#overview(code);
      };
      return make("li", {}, make("strong", {}, label), ` ${told.join(" ")} `, button("\u00d7", drop, { "aria-label": `Remove ${label}` }));
    });
    return make("ul", { class: "chosen", "aria-label": "What you chose" }, ...items);
  }
}

function has(answer) {
  return Array.isArray(answer) ? answer.length > 0 : answer !== null && answer !== undefined;
}

/** Fold case and accents, so that "angel" finds "Ängel". */
function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
