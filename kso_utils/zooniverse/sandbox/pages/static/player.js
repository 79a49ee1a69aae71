// Showing a subject: pictures, clips and sounds, with a layer over them to draw on.

import { button, make } from "./elements.js";

const SPEEDS = [0.25, 0.5, 1];
const USUAL_FRAME_S = 1 / 25;
const ZOOMS = [1, 1.5, 2, 3, 4];
const TALLEST = { wide: 0.68, narrow: 0.4 };
const NARROW_PX = 820;

/** The media of one subject, one of them shown at a time. */
export class Player {
  /** `locations` as `[{mime: url}]`; `changed` is called when another medium is shown or its size becomes known. */
  constructor(locations, changed) {
    this.media = locations.map((location) => Object.entries(location)[0]);
    this.sizes = locations.map(() => null);
    this.shown = 0;
    this.zoom = 1;
    this.changed = changed;
    this.layer = make("svg", { class: "layer", preserveAspectRatio: "none", hidden: true });
    this.stage = make("div", { class: "stage" });
    this.view = make("div", { class: "view" }, this.stage);
    this.bar = make("div", { class: "bar" });
    this.node = make("div", { class: "player" }, this.view, this.bar);
    this.closed = new AbortController();
    addEventListener("resize", () => this.#fit(), { signal: this.closed.signal });
  }

  /** Show one of the media. */
  show(number) {
    this.shown = number;
    const [mime, url] = this.media[number];
    this.#stop();
    this.medium = null;
    if (new URL(url, location.href).origin !== location.origin) this.#excuse("This file lies elsewhere: ", url);
    else if (mime.startsWith("image/")) this.#picture(url);
    else if (mime.startsWith("video/")) this.#movie(url);
    else if (mime.startsWith("audio/")) this.#sound(url);
    else this.#excuse(`A file of type ${mime}: `, url);
    this.bar.append(...this.#turn());
    this.changed();
  }

  /** Width and height of the medium in its own pixels; null until they are known. */
  get size() {
    const size = this.sizes[this.shown];
    return size && { width: size.naturalWidth, height: size.naturalHeight };
  }

  close() {
    this.closed.abort();
    this.#stop();
  }

  #stop() {
    this.medium?.pause?.();
    this.stage.replaceChildren();
    this.bar.replaceChildren();
  }

  #picture(url) {
    const picture = make("img", { alt: "What to look at", draggable: "false" });
    picture.addEventListener("load", () => this.#measure(picture.naturalWidth, picture.naturalHeight));
    this.#place(picture, url);
    this.bar.append(this.#zooms());
  }

  #movie(url) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const movie = make("video", { loop: true, playsinline: true, preload: "auto", "aria-label": "The clip" });
    movie.muted = true;
    movie.autoplay = !calm;
    movie.addEventListener("loadedmetadata", () => this.#measure(movie.videoWidth, movie.videoHeight));
    movie.addEventListener("click", () => toggle(movie));
    this.#place(movie, url);
    this.bar.append(...this.#clock(movie, movie));
    this.bar.append(this.#zooms());
  }

  #sound(url) {
    const sound = make("audio", { controls: true, loop: true, preload: "auto" });
    this.#place(sound, url);
  }

  #place(medium, url) {
    this.medium = medium;
    medium.addEventListener("error", () => this.#excuse("This file cannot be shown: ", url));
    medium.src = url;
    this.layer.removeAttribute("viewBox");
    this.stage.append(medium, this.layer);
  }

  #excuse(text, url) {
    const link = make("a", { href: url, target: "_blank", rel: "noreferrer" }, url);
    this.stage.replaceChildren(make("p", { class: "excuse", role: "alert" }, text, link));
  }

  #measure(naturalWidth, naturalHeight) {
    this.sizes[this.shown] = { clientWidth: 0, clientHeight: 0, naturalWidth, naturalHeight };
    this.layer.setAttribute("viewBox", `0 0 ${naturalWidth} ${naturalHeight}`);
    this.#fit();
    this.changed();
  }

  #fit() {
    const size = this.sizes[this.shown];
    if (!size || !this.medium) return;
    const share = innerWidth > NARROW_PX ? TALLEST.wide : TALLEST.narrow;
    const widest = (size.naturalWidth / size.naturalHeight) * innerHeight * share;
    this.view.style.maxWidth = `${widest}px`;
    this.stage.style.width = `${this.zoom * 100}%`;
    size.clientWidth = this.medium.clientWidth;
    size.clientHeight = this.medium.clientHeight;
  }

  /** Play and pause, single frames, time, speed. */
  *#clock(movie) {
    let frame_s = USUAL_FRAME_S;
    const play = button("Pause", () => toggle(movie), { class: "play" });
    const time = make("output", { class: "time" }, "0.0 s");
    const slider = make("input", { type: "range", min: 0, max: 1, step: "any", value: 0, "aria-label": "Time in the clip" });
    const told = () => {
      slider.value = movie.currentTime;
      time.textContent = `${movie.currentTime.toFixed(1)} s`;
      play.textContent = movie.paused ? "Play" : "Pause";
    };
    for (const event of ["timeupdate", "play", "pause", "seeked"]) movie.addEventListener(event, told);
    movie.addEventListener("loadedmetadata", () => (slider.max = movie.duration));
    slider.addEventListener("input", () => seek(movie, Number(slider.value)));
    let before = null;
    const watch = (_, { mediaTime }) => {
      const step = mediaTime - before;
      if (before !== null && step > 0.001 && step < frame_s * 1.9) frame_s = step;
      before = mediaTime;
      told();
      movie.requestVideoFrameCallback(watch);
    };
    movie.requestVideoFrameCallback?.(watch);
    const step = (way) => seek(movie, movie.currentTime + way * frame_s);
    yield play;
    yield button("\u2039", () => step(-1), { "aria-label": "One frame back", title: "One frame back" });
    yield button("\u203a", () => step(1), { "aria-label": "One frame on", title: "One frame on" });
    yield slider;
    yield time;
    const speeds = SPEEDS.map((speed) => make("option", { value: speed, selected: speed === 1 }, `${speed} \u00d7`));
    const choice = make("select", { "aria-label": "Speed" }, ...speeds);
    choice.addEventListener("change", () => (movie.playbackRate = Number(choice.value)));
    yield choice;
  }

  #zooms() {
    const by = (way) => () => {
      const next = ZOOMS.indexOf(this.zoom) + way;
      this.zoom = ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, next))];
      this.#fit();
      this.changed();
    };
    return make(
      "span",
      { class: "zooms" },
      button("\u2212", by(-1), { "aria-label": "Smaller", title: "Smaller" }),
      button("+", by(1), { "aria-label": "Larger", title: "Larger" }),
    );
  }

  /** Buttons to turn to another medium, where there are several. */
  *#turn() {
    if (this.media.length < 2) return;
    const turns = this.media.map((_, number) =>
      button(String(number + 1), () => this.show(number), {
        "aria-pressed": String(number === this.shown),
        "aria-label": `Show ${number + 1} of ${this.media.length}`,
      }),
    );
    yield make("span", { class: "turns" }, ...turns);
  }
}

function toggle(movie) {
  if (movie.paused) movie.play();
  else movie.pause();
}

function seek(movie, time_s) {
  movie.pause();
  movie.currentTime = Math.max(0, Math.min(movie.duration, time_s));
}
