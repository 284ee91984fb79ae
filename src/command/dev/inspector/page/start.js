// The cards: how each endpoint is reached, and whether its first real delivery has come. They are there while no request is chosen.

/** Endpoints that have had a real delivery, as far as this page has seen. */
const reached = /** @type {Set<string>} */ (new Set());

/**
 * Remembers which endpoints have had a real delivery.
 * @param {Row[]} rows
 */
function noteReached(rows) {
  const before = reached.size;
  for (const row of rows) {
    if (row.origin === 'webhook' && row.endpoint && !isRefusal(row)) reached.add(row.endpoint);
  }
  if (reached.size !== before) drawStart();
}

/** Draws the cards. */
function drawStart() {
  if (!page.session) return;
  const { endpoints, public_url: reachable } = page.session;
  const intro = reachable
    ? 'Providers reach these URLs.'
    : 'Only this machine reaches these URLs. For real deliveries, start hookgate dev with --tunnel or --public-url.';
  byId('start').replaceChildren(
    h('h2', {}, 'Endpoints'),
    h('p', { class: 'dim' }, `Choose a request to see why it was accepted or refused. ${intro}`),
    ...endpoints.map(card),
  );
}

/** @param {Endpoint} endpoint */
function card(endpoint) {
  const isReached = reached.has(endpoint.name);
  const state = isReached ? 'has had a real delivery' : 'waiting for the first real delivery';
  // With a public URL one of the lines is the whole URL, with the place of the token.
  const found = endpoint.setup.findIndex((line) => line.startsWith(endpoint.url));
  const at = found < 0 ? endpoint.setup.length : found;
  const [before, after] = [endpoint.setup.slice(0, at), endpoint.setup.slice(at + 1)];
  return h(
    'article',
    { class: 'card', id: `card-${endpoint.name}`, tabindex: -1, 'aria-label': endpoint.title },
    h('div', { class: 'line' }, h('h3', {}, endpoint.title), h('span', { class: `state ${isReached ? 'good' : 'idle'}` }, state)),
    h('p', { class: 'setup' }, before.join(' ')),
    copyLine(endpoint.setup[at] ?? endpoint.url, 'URL'),
    // A line that begins so is the secret in a shell's words.
    ...after.filter((line) => !line.startsWith('$')).map((line) => h('p', { class: 'setup' }, line)),
    h('p', { class: 'setup' }, 'Secret: ', foreign('code', endpoint.secret)),
    button('Send sample', (event) => openSamples(/** @type {HTMLElement} */ (event.currentTarget), endpoint.name), { 'aria-haspopup': 'dialog' }),
  );
}

/**
 * Makes a line of text with a button that copies it.
 * @param {string} text
 * @param {string} what
 * @param {number} [n] the request that it is about
 */
function copyLine(text, what, n) {
  const copy = button('Copy', () => void copyText(text, what, n), { 'aria-label': `Copy the ${what}` });
  return h('div', { class: 'copyline' }, foreign('code', text), copy);
}

/**
 * Shows the cards, and puts the focus on one.
 * @param {string} [name]
 */
function showStart(name) {
  closeDetail();
  const found = name && document.getElementById(`card-${name}`);
  if (found) found.focus();
}
