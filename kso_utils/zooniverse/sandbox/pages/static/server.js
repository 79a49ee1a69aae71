// Talking to the sandbox as Zooniverse's pages talk to Panoptes: signing in, asking, and sending what people said.

const API_TYPE = "application/vnd.api+json; version=1";
const TIME_LIMIT_MS = 20000;
const USER = "sandbox-user";
const SESSION = "sandbox-session";
const UNSENT = "sandbox-unsent-";
const LONGEST_WAIT_MS = 30000;

/** A request that failed; `passing` if it may do better later. */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.passing = status === 0 || status === 408 || status === 429 || status >= 500;
  }
}

/** One person's connection. */
export class Server {
  constructor() {
    this.user = null;
    this.token = null;
    // Who does not sign in is one person for each tab of the browser.
    this.session = sessionStorage.getItem(SESSION) ?? random();
    sessionStorage.setItem(SESSION, this.session);
  }

  /** Go on as the user who signed in before, if the session is still good. */
  async resume() {
    const user = localStorage.getItem(USER);
    if (user === null) return;
    try {
      await this.#refresh();
      this.user = user;
    } catch (failure) {
      if (failure.passing) throw failure;
      localStorage.removeItem(USER);
    }
  }

  async signIn(login, password) {
    const page = await send("GET", "/users/sign_in", { Accept: "application/json" });
    const form = { authenticity_token: page.headers.get("X-CSRF-Token"), user: { login, password, remember_me: true } };
    const headers = { Accept: "application/json", "Content-Type": "application/json" };
    const answer = await send("POST", "/users/sign_in", headers, JSON.stringify(form));
    this.user = (await answer.json()).users[0].login;
    await this.#refresh();
    localStorage.setItem(USER, this.user);
  }

  async signOut() {
    await send("DELETE", "/users/sign_out", { "Content-Type": "application/json" });
    localStorage.removeItem(USER);
    this.user = this.token = null;
  }

  /** Ask the API; an expired token is renewed once. */
  async ask(verb, path, body) {
    try {
      return await this.#ask(verb, path, body);
    } catch (failure) {
      if (failure.status !== 401 || this.token === null) throw failure;
      await this.#refresh();
      return this.#ask(verb, path, body);
    }
  }

  async #ask(verb, path, body) {
    const headers = { Accept: API_TYPE, "Content-Type": "application/json" };
    if (this.token !== null) headers.Authorization = `Bearer ${this.token}`;
    const answer = await send(verb, `/api${path}`, headers, body && JSON.stringify(body));
    return answer.json();
  }

  async #refresh() {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const answer = await send("POST", "/oauth/token", headers, "grant_type=password");
    this.token = (await answer.json()).access_token;
  }
}

/** Classifications on their way: kept in the browser until the server has confirmed them, and sent again until then. */
export class Outbox {
  #server;
  #changed;
  #busy = false;
  #wait = 0;
  #timer = null;

  constructor(server, changed) {
    this.#server = server;
    this.#changed = changed;
    this.failure = null;
    addEventListener("online", () => this.send());
  }

  /** What is not confirmed, oldest first: `{key, user, subject, body, refused}`. */
  get all() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(UNSENT)).sort();
    return keys.map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }));
  }

  /** What this person may send. */
  get mine() {
    return this.all.filter((entry) => entry.user === this.#server.user && entry.refused === null);
  }

  add(subject, body) {
    const key = `${UNSENT}${body.metadata.finished_at}-${random().slice(0, 8)}`;
    localStorage.setItem(key, JSON.stringify({ user: this.#server.user, subject, body, refused: null }));
    return this.send();
  }

  discard(key) {
    localStorage.removeItem(key);
    this.#changed();
  }

  /** Send what this person may send; what fails in passing is tried again after a while, each time a longer one. */
  async send() {
    if (this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#timer);
    try {
      for (let [next] = this.mine; next; [next] = this.mine) await this.#deliver(next);
      this.failure = null;
      this.#wait = 0;
    } catch (failure) {
      this.failure = failure;
      this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2 || 1000);
      this.#timer = setTimeout(() => this.send(), this.#wait);
    }
    this.#busy = false;
    this.#changed();
  }

  async #deliver({ key, ...entry }) {
    this.#changed();
    try {
      await this.#server.ask("POST", "/classifications", { classifications: entry.body });
      localStorage.removeItem(key);
    } catch (failure) {
      if (!(failure instanceof Failure) || failure.passing || failure.status === 401) throw failure;
      localStorage.setItem(key, JSON.stringify({ ...entry, refused: failure.message }));
    }
  }
}

async function send(verb, path, headers, body) {
  let answer;
  try {
    answer = await fetch(path, { method: verb, headers, body, signal: AbortSignal.timeout(TIME_LIMIT_MS) });
  } catch {
    throw new Failure(0, "The sandbox does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  throw new Failure(answer.status, await reason(answer));
}

async function reason(answer) {
  try {
    const { errors, error } = await answer.json();
    return (typeof errors === "string" ? errors : errors?.[0].message) ?? error ?? `The sandbox answered ${answer.status}.`;
  } catch {
    return `The sandbox answered ${answer.status}.`;
  }
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
