// What the page can do: send, replay, forge, copy, download, clear, and take Kafka away.

/** How many copies the menus offer. */
const REPEATS = [2, 5, 10, 50];
/** An action whose request has not come after this time is not waited for any more. */
const ACTION_PATIENCE = 20_000;

const actions = {
  /** The action whose request will be chosen when it comes. */
  awaited: '',
  until: 0,
  hasConsent: false,
};

/**
 * Lets the daemon send something, and chooses its request when it comes.
 * @param {string} path
 * @param {Record<string, string | number>} body
 * @param {string} what
 */
async function act(path, body, what) {
  const { session } = page;
  if (!session) return;
  if (session.samples_need_consent && !actions.hasConsent) {
    const text = `This session uses the Kafka at ${session.kafka.brokers}. What the page sends becomes records on its topics, with the origin SAMPLE.`;
    if (!(await question('Write samples to this Kafka?', text, 'Write them'))) return;
    actions.hasConsent = true;
  }
  await doing(async () => {
    const consent = session.samples_need_consent ? { consent: true } : {};
    const { action } = await askJson(path, { body: { ...body, ...consent } });
    actions.awaited = action;
    actions.until = Date.now() + ACTION_PATIENCE;
    say(`${what}.`);
    chooseAwaited(list.rows.slice(-100));
  });
}

/**
 * Chooses the request of the awaited action, if it is among these.
 * @param {Row[]} rows
 */
function chooseAwaited(rows) {
  if (!actions.awaited) return;
  const found = rows.find((row) => row.action === actions.awaited);
  if (!found) {
    if (Date.now() > actions.until) actions.awaited = '';
    return;
  }
  actions.awaited = '';
  if (found.n > list.upTo) setPause(false);
  choose(found.n);
}

/**
 * Does something, and says what goes wrong.
 * @param {() => Promise<void>} work
 */
async function doing(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof AskRefused) say(error.message);
    else failed(error);
  }
}

/** Sends the chosen request again. */
function replay(times = 1) {
  if (!detail.data) return;
  const { n } = detail.data.row;
  const what = times === 1 ? `Replayed #${n}` : `Replayed #${n} ${times} times`;
  void act(`/api/requests/${n}/replay`, { times }, what);
}

function openRepeats() {
  const most = page.session?.repeats_max ?? 1;
  const items = REPEATS.filter((times) => times <= most).map((times) => ({ label: `× ${times}`, run: () => replay(times) }));
  openMenu(byId('replay-times'), items);
}

function openForgeries() {
  if (!detail.data || !page.session) return;
  const { n, endpoint } = detail.data.row;
  const fitting = page.session.forgeries.filter(({ endpoints }) => !endpoints || endpoints.includes(endpoint));
  const items = fitting.map(({ name, label }) => ({
    label,
    run: () => void act(`/api/requests/${n}/forge`, { forgery: name }, `Forged #${n}: ${label}`),
  }));
  if (items.length === 0) say('There is nothing to forge: this request was for no endpoint.');
  else openMenu(byId('forge'), items);
}

/** What can be copied, by the names of the daemon. */
const COPIES = [
  ['curl', 'as curl', 'curl command'],
  ['verify', 'as hookgate verify', 'verify command'],
  ['send', 'as hookgate send', 'send command'],
  ['report', 'as a Markdown report', 'report'],
];

function openCopies() {
  const { data } = detail;
  if (!data) return;
  const items = COPIES.filter(([name]) => data.commands[name]).map(([name, label, what]) => ({
    label,
    run: () => void copyText(data.commands[name], what, data.row.n),
  }));
  const link = `${location.origin}/#${data.row.n}`;
  openMenu(byId('copy'), [...items, { label: 'as a link to this page', run: () => void copyText(link, 'link') }]);
}

/**
 * Copies a text.
 * @param {string} text
 * @param {string} what
 * @param {number} [n] the request that it is about: a command may read its file
 */
async function copyText(text, what, n) {
  try {
    await navigator.clipboard.writeText(text);
    const file = [[`${n}.http`, 'Fixture'], [`@${n}.bin`, 'Download in the Body tab']].find(([name]) => text.includes(name));
    say(`Copied the ${what}.${file ? ` It reads a file that ${file[1]} gives.` : ''}`);
  } catch {
    showText(text, what);
  }
}

/**
 * Saves what the daemon answers as a file. The key is in a header, so a plain link cannot fetch it.
 * @param {string} path
 * @param {string} name
 */
async function download(path, name) {
  await doing(async () => {
    const answer = await ask(path);
    const link = /** @type {HTMLAnchorElement} */ (h('a', { download: name }));
    link.href = URL.createObjectURL(await answer.blob());
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    say(`Saved ${name}.`);
  });
}

/**
 * Opens the panel of samples: how many, and which type of which endpoint.
 * @param {HTMLElement} opener
 * @param {string} [only] the name of the only endpoint to show
 */
function openSamples(opener, only) {
  if (!page.session || hasJustClosed(opener)) return;
  const { endpoints, repeats_max: most } = page.session;
  const panel = byId('samples');
  const times = /** @type {HTMLInputElement} */ (h('input', { type: 'number', id: 'times', min: 1, max: most, value: 1 }));
  const run = (/** @type {string} */ endpoint, /** @type {string} */ type) => {
    const number = Math.min(Math.max(Math.round(Number(times.value)) || 1, 1), most);
    panel.hidePopover();
    void act('/api/send', { endpoint, type, times: number }, `Sent ${counted(number, 'sample')} of ${type} to ${endpoint}`);
  };
  const groups = endpoints
    .filter(({ name }) => !only || name === only)
    .map(({ name, title, types }) => {
      const chips = types.map((type) => button(type, () => run(name, type)));
      return h('section', {}, h('h3', {}, title), h('div', { class: 'chips' }, ...chips));
    });
  const head = [h('h2', {}, 'Send a signed sample'), h('span', { class: 'push' }), h('label', { for: 'times' }, 'times'), times];
  panel.replaceChildren(h('div', { class: 'line' }, ...head), ...groups);
  openBelow(opener, panel);
  panel.querySelector('button')?.focus();
}

async function clearAll() {
  await doing(async () => {
    const { cleared } = await askJson('/api/clear', { body: {} });
    forget(cleared);
    if (list.selected && list.selected <= cleared) closeDetail();
    say('Cleared.');
  });
}

async function toggleKafka() {
  await doing(async () => {
    const { away, state } = await askJson('/api/kafka', { body: { away: byId('away').getAttribute('aria-checked') !== 'true' } });
    if (strip.latest) drawStrip({ ...strip.latest, kafka: { away, state } });
    say(away ? 'Kafka is away: deliveries are answered 503, and providers try again.' : 'Kafka is back.');
  });
}

/** Listens to the buttons. */
function startActions() {
  byId('send').addEventListener('click', () => openSamples(byId('send')));
  byId('replay').addEventListener('click', () => replay());
  byId('replay-times').addEventListener('click', openRepeats);
  byId('forge').addEventListener('click', openForgeries);
  byId('copy').addEventListener('click', openCopies);
  byId('fixture').addEventListener('click', () => {
    if (detail.data) void download(`/api/requests/${detail.data.row.n}/fixture`, `${detail.data.row.n}.http`);
  });
  byId('clear').addEventListener('click', () => void clearAll());
  byId('away').addEventListener('click', () => void toggleKafka());
}
