// Drawing on a picture: boxes and points, by mouse, finger and keyboard.

import { button, count, make } from "./elements.js";
import { QuestionTask, lacks, unanswered } from "./questions.js";

const SMALLEST_PX = 5;
const HANDLE_PX = 6;
const TOUCH_PX = 16;
const STEP = 0.01;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KINDS = {
  rectangle: { hint: "Drag from one corner of the animal to the opposite one.", noun: "box" },
  point: { hint: "Press on the animal.", noun: "point" },
};

export class DrawingTask {
  /** Draws on the layer of `player`. */
  constructor(key, task, changed, player) {
    this.key = key;
    this.task = task;
    this.changed = changed;
    this.player = player;
    this.marks = [];
    this.history = [];
    this.selected = null;
    this.tool = Math.max(0, task.tools.findIndex((tool) => tool.type in KINDS));
    this.hint = make("p", { class: "quiet", role: "status" });
    this.tools = make("div", { class: "tools", role: "group", "aria-label": "What to draw" });
    this.list = make("ul", { class: "chosen", "aria-label": "What you drew" });
    this.details = make("div", { class: "details" });
    this.back = button("Undo", () => this.#undo(), { title: "Undo (Ctrl+Z)" });
    this.add = button("", () => this.#addInTheMiddle());
    this.node = make(
      "div",
      { class: "drawing" },
      make("h2", {}, task.instruction ?? "Draw what you see"),
      this.tools,
      this.hint,
      this.details,
      this.list,
      make("div", { class: "actions" }, this.back, this.add),
    );
    this.listeners = {
      pointerdown: (event) => this.#down(event),
      pointermove: (event) => this.drag?.move(this.#place(event)),
      pointerup: () => this.#up(),
      pointercancel: () => this.#up(),
    };
    this.keys = (event) => this.#key(event);
    this.#say(null);
  }

  /** Take the layer, and give it back. */
  enter() {
    this.player.layer.removeAttribute("hidden");
    for (const [event, listener] of Object.entries(this.listeners)) this.player.layer.addEventListener(event, listener);
    document.addEventListener("keydown", this.keys);
    this.draw();
  }

  leave() {
    for (const [event, listener] of Object.entries(this.listeners)) this.player.layer.removeEventListener(event, listener);
    document.removeEventListener("keydown", this.keys);
    this.player.layer.setAttribute("hidden", "");
  }

  get missing() {
    const few = this.task.tools.find((tool, number) => this.#made(number).length < Number(tool.min || 0));
    if (few) return `Draw at least ${few.min} of ${few.label}.`;
    const open = this.marks.find((mark) => this.#details(mark).some((detail, number) => lacks(detail, mark.details[number])));
    return open ? `Answer the questions about ${this.#name(open)}.` : null;
  }

  get next() {
    return this.task.next || null;
  }

  annotations(generation) {
    if (generation === "1") {
      const value = this.marks.map(({ tool, frame, details, ...place }) => ({
        tool,
        frame,
        details: details.map((given) => ({ value: given })),
        ...place,
      }));
      return [{ task: this.key, value }];
    }
    const about = (mark, number) => `${this.key}.${mark.tool}.${number}`;
    const value = this.marks.map((mark) => ({
      ...centred(mark),
      frame: mark.frame,
      toolIndex: mark.tool,
      toolType: this.task.tools[mark.tool].type,
      details: mark.details.map((_, number) => ({ task: about(mark, number) })),
    }));
    const answers = this.marks.flatMap((mark, markIndex) =>
      mark.details.map((given, number) => {
        const taskType = this.task.tools[mark.tool].details[number].type;
        return { task: about(mark, number), taskType, markIndex, value: given };
      }),
    );
    return [{ task: this.key, taskType: "drawing", value }, ...answers];
  }

  /** Draw the marks of the medium that is shown, and tell how many there are. */
  draw() {
    const { layer, size, shown } = this.player;
    if (this.selected && this.selected.frame !== shown) this.selected = null;
    const focused = layer.contains(document.activeElement);
    const unit = size ? size.width / (layer.getBoundingClientRect().width || size.width) : 1;
    layer.replaceChildren(...this.marks.filter((mark) => mark.frame === shown).map((mark) => this.#shape(mark, unit)));
    if (focused) layer.querySelector(".selected")?.focus();
    this.#panel();
    this.changed();
  }

  #shape(mark, unit) {
    const chosen = mark === this.selected;
    const { type, color } = this.task.tools[mark.tool];
    const group = make("g", {
      tabindex: 0,
      role: "button",
      class: chosen ? "selected" : null,
      "data-mark": this.marks.indexOf(mark),
      "aria-label": `${this.#name(mark)}. Arrows move it, with shift they change its size, delete removes it.`,
      onfocus: () => this.#select(mark),
    });
    const stroke = color || "#ffd000";
    if (type === "point") {
      group.append(
        make("circle", { cx: mark.x, cy: mark.y, r: TOUCH_PX * unit, class: "touch" }),
        make("circle", { cx: mark.x, cy: mark.y, r: HANDLE_PX * unit, fill: stroke, stroke: "#fff", class: "line" }),
      );
    } else {
      const { x, y, width, height } = mark;
      group.append(
        make("rect", { x, y, width, height, class: "line edge" }),
        make("rect", { x, y, width, height, stroke, class: "line body" }),
      );
      if (chosen) group.append(...Object.entries(corners(mark)).flatMap(([name, [cx, cy]]) => handle(name, cx, cy, unit, stroke)));
    }
    if (chosen) group.append(this.#cross(mark, unit));
    return group;
  }

  /** The way to remove a mark, at its upper right corner, inside the picture. */
  #cross(mark, unit) {
    const { width } = this.player.size;
    const away = TOUCH_PX * 1.4 * unit;
    const cx = Math.min(width - away / 2, mark.x + (mark.width ?? 0) + away);
    const cy = Math.max(away / 2, mark.y - away * 0.6);
    const arm = HANDLE_PX * 0.6 * unit;
    return make(
      "g",
      { "data-drop": true, class: "cross" },
      make("circle", { cx, cy, r: TOUCH_PX * 0.7 * unit }),
      make("path", { class: "line", d: `M${cx - arm} ${cy - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}` }),
    );
  }

  #panel() {
    this.tools.replaceChildren(...this.task.tools.map((tool, number) => this.#toolButton(tool, number)));
    this.back.disabled = this.history.length === 0;
    const { type, label } = this.task.tools[this.tool];
    this.add.textContent = `Add a ${KINDS[type]?.noun ?? "mark"} in the middle`;
    this.add.setAttribute("aria-label", `Add a ${KINDS[type]?.noun ?? "mark"} for ${label} in the middle`);
    this.add.disabled = this.#full || !this.player.size;
    this.list.replaceChildren(...this.marks.map((mark) => this.#item(mark)));
    if (this.selected !== this.asked) {
      this.asked = this.selected;
      this.details.replaceChildren(...(this.selected ? this.#questions(this.selected) : []));
    }
  }

  #toolButton(tool, number) {
    const swatch = make("i", { class: "swatch" });
    swatch.style.background = tool.color || "#ffd000";
    const choose = () => {
      this.tool = number;
      this.#say(null);
      this.draw();
      this.tools.children[number].focus();
    };
    const known = tool.type in KINDS;
    return make(
      "button",
      { type: "button", onclick: choose, disabled: !known, "aria-pressed": String(number === this.tool), "data-tool": number },
      swatch,
      known ? tool.label : `${tool.label} (${tool.type}: not on this page)`,
      make("b", {}, String(this.#made(number).length)),
    );
  }

  #item(mark) {
    const where = this.player.media.length > 1 ? ` (${mark.frame + 1})` : "";
    const look = () => {
      if (mark.frame !== this.player.shown) this.player.show(mark.frame);
      this.#select(mark);
    };
    const name = this.#name(mark);
    return make(
      "li",
      { class: mark === this.selected ? "selected" : null },
      button(name + where, look, { class: "plain" }),
      button("\u00d7", () => this.#drop(mark), { "aria-label": `Remove ${name}` }),
    );
  }

  #name(mark) {
    return `${this.task.tools[mark.tool].label} ${this.#made(mark.tool).indexOf(mark) + 1}`;
  }

  #made(tool) {
    return this.marks.filter((mark) => mark.tool === tool);
  }

  get #full() {
    const { max } = this.task.tools[this.tool];
    return this.#made(this.tool).length >= Number(max || Infinity);
  }

  #details(mark) {
    return this.task.tools[mark.tool].details ?? [];
  }

  #questions(mark) {
    return this.#details(mark).map((detail, number) => {
      const told = () => {
        mark.details[number] = question.value;
        this.changed();
      };
      const question = new QuestionTask("", detail, told, mark.details[number]);
      return question.node;
    });
  }

  #say(text) {
    this.hint.textContent = text ?? KINDS[this.task.tools[this.tool].type]?.hint ?? "This cannot be drawn here.";
  }

  #select(mark) {
    if (this.selected === mark) return;
    this.selected = mark;
    this.draw();
  }

  // Changes; each can be undone.

  #remember() {
    this.history.push(JSON.stringify(this.marks));
  }

  #undo() {
    if (!this.history.length) return;
    this.marks = JSON.parse(this.history.pop());
    this.selected = null;
    this.#say("Undone.");
    this.draw();
  }

  #drop(mark) {
    this.#remember();
    this.#say(`${this.#name(mark)} is removed.`);
    this.marks.splice(this.marks.indexOf(mark), 1);
    this.selected = null;
    this.draw();
  }

  #begin(x, y) {
    if (this.#full) {
      this.#say(`No more than ${count(Number(this.task.tools[this.tool].max), "mark")} of this kind.`);
      return null;
    }
    this.#remember();
    const place = this.task.tools[this.tool].type === "point" ? { x, y } : { x, y, width: 0, height: 0 };
    const mark = { tool: this.tool, frame: this.player.shown, ...place };
    mark.details = this.#details(mark).map(unanswered);
    this.marks.push(mark);
    this.selected = mark;
    this.#say(null);
    return mark;
  }

  #addInTheMiddle() {
    const { width, height } = this.player.size;
    const mark = this.#begin(width / 2, height / 2);
    if (!mark) return;
    if ("width" in mark) stretch(mark, [width * 0.4, height * 0.4], [width * 0.6, height * 0.6]);
    this.draw();
    this.player.layer.querySelector(".selected")?.focus();
  }

  // Mouse, finger, pen

  #place(event) {
    const { left, top, width, height } = this.player.layer.getBoundingClientRect();
    const { size } = this.player;
    return [
      clamp(((event.clientX - left) / width) * size.width, size.width),
      clamp(((event.clientY - top) / height) * size.height, size.height),
    ];
  }

  #down(event) {
    if (event.button !== 0 || !event.isPrimary || !this.player.size) return;
    event.preventDefault();
    const mark = this.marks[event.target.closest("[data-mark]")?.dataset.mark];
    if (mark && event.target.closest("[data-drop]")) return this.#drop(mark);
    this.player.layer.setPointerCapture(event.pointerId);
    const start = this.#place(event);
    this.drag = mark ? this.#grip(mark, event.target.dataset.handle, start) : this.#fresh(start);
    return this.draw();
  }

  #fresh(start) {
    const mark = this.#begin(...start);
    if (!mark) return null;
    const follow = (to) => ("width" in mark ? stretch(mark, start, to) : Object.assign(mark, { x: to[0], y: to[1] }));
    return { mark, fresh: true, move: (to) => (follow(to), this.draw()) };
  }

  #grip(mark, name, start) {
    this.#remember();
    this.selected = mark;
    const origin = { ...mark };
    const fixed = name && corners(mark)[opposite(name)];
    const follow = (to) => (fixed ? stretch(mark, fixed, to) : shift(mark, origin, to[0] - start[0], to[1] - start[1], this.player.size));
    return { mark, fresh: false, move: (to) => (follow(to), this.draw()) };
  }

  #up() {
    const { mark, fresh } = this.drag ?? {};
    this.drag = null;
    if (!mark) return;
    if (fresh && this.#tooSmall(mark)) {
      this.#undo();
      this.#say("That was very small. " + KINDS.rectangle.hint);
    } else if (JSON.stringify(this.marks) === this.history.at(-1)) {
      this.history.pop();
    }
    this.draw();
    this.player.layer.querySelector(".selected")?.focus({ preventScroll: true });
  }

  #tooSmall(mark) {
    const unit = this.player.size.width / this.player.layer.getBoundingClientRect().width;
    return "width" in mark && Math.min(mark.width, mark.height) < SMALLEST_PX * unit;
  }

  // Keyboard

  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isText(event.target)) {
      event.preventDefault();
      return this.#undo();
    }
    const mark = this.player.layer.contains(event.target) ? this.selected : null;
    if (!mark) return null;
    if (event.key === "Delete" || event.key === "Backspace") this.#drop(mark);
    else if (event.key in ARROWS) this.#nudge(mark, ARROWS[event.key], event.shiftKey);
    else return null;
    return event.preventDefault();
  }

  #nudge(mark, [right, down], sizing) {
    const { size } = this.player;
    const step = Math.max(1, Math.round(size.width * STEP));
    this.#remember();
    if (sizing && "width" in mark) {
      const smallest = Math.min(step, mark.width, mark.height);
      mark.width = round(Math.max(smallest, Math.min(size.width - mark.x, mark.width + right * step)));
      mark.height = round(Math.max(smallest, Math.min(size.height - mark.y, mark.height + down * step)));
    } else {
      shift(mark, { ...mark }, right * step, down * step, size);
    }
    this.draw();
  }
}

function handle(name, cx, cy, unit, fill) {
  return [
    make("circle", { cx, cy, r: TOUCH_PX * unit, class: "touch", "data-handle": name }),
    make("circle", { cx, cy, r: HANDLE_PX * unit, fill, stroke: "#fff", class: "line", "data-handle": name }),
  ];
}

function corners({ x, y, width, height }) {
  return { nw: [x, y], ne: [x + width, y], se: [x + width, y + height], sw: [x, y + height] };
}

function opposite(corner) {
  return { nw: "se", se: "nw", ne: "sw", sw: "ne" }[corner];
}

function stretch(mark, [ax, ay], [bx, by]) {
  mark.x = round(Math.min(ax, bx));
  mark.y = round(Math.min(ay, by));
  mark.width = round(Math.abs(ax - bx));
  mark.height = round(Math.abs(ay - by));
}

function shift(mark, from, right, down, size) {
  mark.x = round(clamp(from.x + right, size.width - (mark.width ?? 0)));
  mark.y = round(clamp(from.y + down, size.height - (mark.height ?? 0)));
}

/** The second generation of the classifier names the centre of a box. */
function centred({ x, y, width, height }) {
  if (width === undefined) return { x, y };
  return { x_center: x + width / 2, y_center: y + height / 2, width, height };
}

function clamp(value, most) {
  return Math.max(0, Math.min(most, value));
}

function round(value) {
  return Math.round(value * 100) / 100;
}

function isText(node) {
  return node.matches?.("textarea, input:not([type=radio]):not([type=checkbox]):not([type=range])");
}
