// Questions with answers to choose from, and free texts.

import { make } from "./elements.js";

let asked = 0;

/**
 * Return a question as a group of fields.
 *
 * `options` are `[[value, text]]`; `chosen` is the value, or a list of them where `multiple`; `changed` is called with
 * the new one. A single answer can be taken back by choosing it again.
 */
export function choices(text, options, chosen, multiple, changed) {
  const name = `question-${(asked += 1)}`;
  const fields = options.map(([value, label]) => {
    const on = multiple ? chosen.includes(value) : chosen === value;
    const input = make("input", { type: multiple ? "checkbox" : "radio", name, checked: on });
    input.addEventListener("change", () => {
      if (!multiple) return changed((chosen = value));
      chosen = options.map(([one]) => one).filter((one) => (one === value ? input.checked : chosen.includes(one)));
      return changed(chosen);
    });
    if (!multiple) {
      input.addEventListener("click", () => {
        if (input.dataset.was === "on") {
          input.checked = false;
          changed((chosen = null));
        }
        for (const other of fields) delete other.firstChild.dataset.was;
        if (input.checked) input.dataset.was = "on";
      });
      if (on) input.dataset.was = "on";
    }
    return make("label", { class: "answer" }, input, make("span", {}, label));
  });
  return make("fieldset", { class: "question" }, make("legend", {}, text), make("div", { class: "answers" }, ...fields));
}

/** A task of one question: single, multiple, shortcut or text. */
export class QuestionTask {
  constructor(key, task, changed, value) {
    this.key = key;
    this.task = task;
    this.multiple = task.type === "multiple" || task.type === "shortcut";
    this.value = value ?? unanswered(task);
    const told = (value) => {
      this.value = value;
      changed();
    };
    this.node = task.type === "text" ? this.#text(told) : this.#choices(told);
  }

  /** What keeps this from being done, or null. */
  get missing() {
    return lacks(this.task, this.value) ? "Answer the question first." : null;
  }

  /** The key of the task that follows. */
  get next() {
    const chosen = this.task.type === "single" && this.value !== null ? this.task.answers[this.value] : null;
    return (chosen && "next" in chosen ? chosen.next : this.task.next) || null;
  }

  annotations(generation) {
    const typed = generation === "2" ? { taskType: this.task.type } : {};
    return [{ task: this.key, ...typed, value: this.value }];
  }

  #choices(told) {
    const options = this.task.answers.map((answer, number) => [number, answer.label ?? String(number)]);
    return choices(this.task.question ?? this.task.instruction ?? "", options, this.value, this.multiple, told);
  }

  #text(told) {
    const field = make("textarea", { rows: 3 });
    field.value = this.value;
    field.addEventListener("input", () => told(field.value));
    return make("label", { class: "question" }, this.task.instruction ?? this.task.question ?? "", field);
  }
}

/** Return the value of a question that nobody has answered. */
export function unanswered({ type }) {
  return { text: "", multiple: [], shortcut: [] }[type] ?? null;
}

/** Return whether an answer that is required is still open. */
export function lacks({ required }, value) {
  return truthy(required) && (value === null || value.length === 0 || (typeof value === "string" && !value.trim()));
}

/** Panoptes writes yes and no as booleans and as texts. */
export function truthy(value) {
  return value === true || value === "true";
}
