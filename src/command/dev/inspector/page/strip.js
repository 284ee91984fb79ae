// The strip: what the whole session has done so far.

/** For how many seconds the rate is drawn. */
const RATE_SECONDS = 60;
/** The rate as a number is the mean of so many seconds. */
const RATE_MEAN = 3;
/** What was said stays so long, so that a person can read it. */
const READ_MS = 5000;

const strip = {
  latest: /** @type {Strip | null} */ (null),
  /** Requests of each second, the latest last. */
  rates: /** @type {number[]} */ (new Array(RATE_SECONDS).fill(0)),
  seenBefore: -1,
  refusedBefore: -1,
  /** When the refusals were last counted. */
  countedAt: Date.now(),
};

/** Requests per outcome, in the order of the strip. All others are refusals. */
const STORED = ['published', 'unclassified', 'quarantined'];

/**
 * The states of Kafka in words, and their colours.
 * @type {Record<string, [string, string]>}
 */
const KAFKA_STATES = {
  ready: ['ready', 'good'],
  unready: ['not ready', 'warn'],
  failing: ['has not stored the last delivery', 'bad'],
  lost: ['does not answer', 'bad'],
  away: ['away', 'bad'],
};

/**
 * Draws the numbers of a batch.
 * @param {Strip} now
 */
function drawStrip(now) {
  strip.latest = now;
  if (strip.seenBefore < 0) [strip.seenBefore, strip.refusedBefore] = [now.seen, now.refused];
  for (const outcome of STORED) drawCount(outcome, now.outcomes[outcome] ?? 0, `outcome:${outcome}`);
  const refused = drawCount('refused', now.refused, `-outcome:${STORED}`);
  const reasons = Object.entries(now.outcomes).filter(([name, number]) => number > 0 && !STORED.includes(name));
  refused.title = reasons.map(([name, number]) => `${count(number)} ${name}`).join('\n') || 'None was refused';
  byId('in-flight').textContent = `in flight ${count(now.in_flight)}`;
  byId('kept').textContent = `${count(now.kept)} kept of ${count(now.seen)} seen`;
  const [word, state] = KAFKA_STATES[now.kafka.state] ?? [now.kafka.state, 'warn'];
  const where = page.session?.kafka.embedded ? 'embedded, ' : '';
  drawState('kafka', `Kafka ${where}${word}`, state);
  byId('away').setAttribute('aria-checked', String(now.kafka.away));
  drawEndpoints();
}

/**
 * Draws the number of one outcome: sign, number and word. A click filters by it.
 * @param {string} outcome
 * @param {number} number
 * @param {string} filter
 * @returns {HTMLElement}
 */
function drawCount(outcome, number, filter) {
  const id = `count-${outcome}`;
  const [sign, colour] = signOf(outcome);
  const show = () => filterBy(filter);
  const made = document.getElementById(id) ?? button('', show, { id, title: `Show only ${outcome}` });
  if (!made.parentElement) byId('counts').append(made);
  made.className = `link ${number > 0 ? colour : 'dim'}`;
  made.replaceChildren(`${sign} ${count(number)}`, h('span', { class: 'word' }, ` ${outcome}`));
  return made;
}

/**
 * Shows a state as a dot and a word.
 * @param {string} id
 * @param {string} text
 * @param {string} state
 */
function drawState(id, text, state) {
  byId(id).className = `state ${state}`;
  byId(id).textContent = text;
}

/** Draws when each endpoint had its last request. A click filters by it, or shows how to set it up. */
function drawEndpoints() {
  if (!page.session || !strip.latest) return;
  const line = byId('endpoints');
  for (const { name } of page.session.endpoints) {
    const at = strip.latest.endpoints[name];
    const show = () => (strip.latest?.endpoints[name] === undefined ? showStart(name) : filterBy(`endpoint:${name}`));
    const made = document.getElementById(`endpoint-${name}`) ?? button('', show, { id: `endpoint-${name}`, class: 'link' });
    if (!made.parentElement) line.append(made);
    made.title = at === undefined ? `Set up ${name}` : `Show only ${name}`;
    made.textContent = `${name} ${at === undefined ? 'never' : ago(at)}`;
  }
}

/**
 * Sets the filter.
 * @param {string} text
 */
function filterBy(text) {
  const field = /** @type {HTMLInputElement} */ (byId('filter'));
  field.value = field.value === text ? '' : text;
  applyFilter();
}

/** Counts the requests of the last second, and draws the rate. */
function tick() {
  if (!strip.latest) return;
  const { seen } = strip.latest;
  strip.rates.push(Math.max(0, seen - strip.seenBefore));
  strip.rates.shift();
  strip.seenBefore = seen;
  const most = Math.max(1, ...strip.rates);
  const points = strip.rates.map((rate, at) => `${at * 2},${(17 - (15 * rate) / most).toFixed(1)}`);
  const svg = byId('spark');
  const line = svg.firstElementChild ?? document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  line.setAttribute('points', points.join(' '));
  svg.append(line);
  const mean = strip.rates.slice(-RATE_MEAN).reduce((sum, rate) => sum + rate, 0) / RATE_MEAN;
  byId('rate').textContent = `${mean < 100 ? mean.toFixed(1) : count(Math.round(mean))}/s`;
  drawEndpoints();
}

/** Says how many requests were refused since the last time, once nobody reads another sentence. New rows are not read out. */
function tickSlowly() {
  const now = Date.now();
  if (!strip.latest || now - saidAt < READ_MS) return;
  const refused = strip.latest.refused - strip.refusedBefore;
  if (refused > 0) say(`${count(refused)} refused in the last ${Math.round((now - strip.countedAt) / 1000)} s.`);
  [strip.refusedBefore, strip.countedAt] = [strip.latest.refused, now];
}
