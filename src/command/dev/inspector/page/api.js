// The session's key, the calls to the daemon, and the types of what it answers. Text from a delivery reaches the page only as data of these
// types, and the document only as text nodes.

/**
 * One request in the list.
 * @typedef {{n: number, at: number, took_ms: number, status: number, outcome: string, endpoint: string, provider: string, type: string,
 *   subject: string, topic: string, partition: number | null, offset: number | null, why: string, origin: string, id: string, bytes: number | null,
 *   action: string}} Row
 * @typedef {{seen: number, kept: number, cleared: number, outcomes: Record<string, number>, refused: number, in_flight: number,
 *   kafka: {away: boolean, state: string}, endpoints: Record<string, number>}} Strip
 * @typedef {{session: string, last: number, rows: Row[], skipped: number, strip: Strip}} Batch
 * @typedef {{name: string, provider: string, title: string, url: string, secret: string, types: string[], setup: string[]}} Endpoint
 * @typedef {{name: string, label: string, endpoints?: string[]}} Forgery
 * @typedef {{version: string, webhooks: string, public_url: string | null, kafka: {brokers: string, embedded: boolean},
 *   samples_need_consent: boolean, endpoints: Endpoint[], forgeries: Forgery[], repeats_max: number}} Session
 * @typedef {{name: string, state: string, text: string, hint: string}} Step
 * @typedef {{topic: string, partition: number, offset: number, key: string, headers: [string, string | null][], value_bytes: number,
 *   ack_ms: number | null, command: string}} KafkaRecord
 * @typedef {{row: Row, request: {method: string, path: string, version: string, headers: [string, string][]},
 *   body: {bytes: number | null, kept: number, whole: boolean, base64: string, read_for_you_only: boolean}, proof: Step[], event: {text: string} | null,
 *   kafka: KafkaRecord | null, times: {read_ms: number, prepare_ms: number, kafka_ms: number} | null,
 *   answer: {status: number, headers: [string, string][], body: string, next: string}, made_from: number | null, became: number[],
 *   commands: Record<string, string>}} Detail
 */

const KEY_NAME = 'hookgate-session';

/** The daemon does not know the key. */
class SessionEnded extends Error {}

/** Nobody answers at the daemon's address. */
class DaemonAway extends Error {}

/** The daemon refuses what was asked, and says why. */
class AskRefused extends Error {}

/**
 * Takes the key out of the address bar, and returns whether there was one.
 * @returns {boolean}
 */
function takeKey() {
  const key = /^#key=([0-9a-f]{32})$/.exec(location.hash)?.[1];
  if (!key) return false;
  localStorage.setItem(KEY_NAME, key);
  history.replaceState(null, '', location.pathname);
  return true;
}

/**
 * Asks the daemon. With a body it is a POST.
 * @param {string} path
 * @param {{body?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, { body, signal } = {}) {
  const key = localStorage.getItem(KEY_NAME);
  if (!key) throw new SessionEnded();
  /** @type {Record<string, string>} */
  const headers = { [KEY_NAME]: key };
  if (body) headers['content-type'] = 'application/json';
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(path, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    throw signal?.aborted ? error : new DaemonAway();
  }
  if (answer.status === 403) throw new SessionEnded();
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new AskRefused(typeof said.error === 'string' ? said.error : `the daemon answered ${answer.status}`);
  }
  return answer;
}

/**
 * Asks the daemon, and returns the JSON of its answer.
 * @param {string} path
 * @param {{body?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
async function askJson(path, options = {}) {
  const answer = await ask(path, options);
  try {
    return await answer.json();
  } catch (error) {
    throw options.signal?.aborted ? error : new DaemonAway();
  }
}

/**
 * Returns the element of the page with an id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
function byId(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * Makes an element. Attributes that are false are left out, and strings become text.
 * @param {string} kind
 * @param {Record<string, string | number | boolean>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
function h(kind, attributes = {}, ...children) {
  const element = document.createElement(kind);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children);
  return element;
}

/**
 * Makes a button.
 * @param {string} label
 * @param {(event: Event) => void} run
 * @param {Record<string, string | number | boolean>} [attributes]
 * @returns {HTMLElement}
 */
function button(label, run, attributes = {}) {
  const made = h('button', { type: 'button', ...attributes }, label);
  made.addEventListener('click', run);
  return made;
}

/** When the status line got its sentence. */
let saidAt = 0;

/**
 * Puts a sentence into the status line, which screen readers read out.
 * @param {string} text
 */
function say(text) {
  saidAt = Date.now();
  byId('status').textContent = text;
}
