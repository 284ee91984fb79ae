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
  const { endpoints, public_url: publicUrl, webhooks } = page.session;
  const where = publicUrl ?? webhooks;
  const intro = publicUrl
    ? `Providers reach this session at ${publicUrl}.`
    : 'Only this machine reaches these URLs. For real deliveries, start hookgate dev with --tunnel or --public-url.';
  byId('start').replaceChildren(
    h('h2', {}, 'Endpoints'),
    h('p', { class: 'dim' }, intro),
    ...endpoints.map(card),
    h('p', { class: 'dim' }, `Choose a request in the list to see why it was accepted or refused. Webhooks: ${where}`),
  );
}

/** @param {Endpoint} endpoint */
function card(endpoint) {
  const isReached = reached.has(endpoint.name);
  const state = isReached ? 'has had a real delivery' : 'waiting for the first real delivery';
  return h(
    'article',
    { class: 'card', id: `card-${endpoint.name}`, tabindex: -1, 'aria-label': endpoint.title },
    h('div', { class: 'line' }, h('h3', {}, endpoint.title), h('span', { class: `state ${isReached ? 'good' : 'idle'}` }, state)),
    copyLine(endpoint.url, 'URL'),
    h('ul', {}, ...endpoint.setup.map((line) => foreign('li', line))),
    h('p', { class: 'dim' }, 'Secret: ', foreign('code', endpoint.secret)),
    button('Send sample', (event) => openSamples(/** @type {HTMLElement} */ (event.currentTarget), endpoint.name), { 'aria-haspopup': 'dialog' }),
  );
}

/**
 * Makes a line of text with a button that copies it.
 * @param {string} text
 * @param {string} what
 */
function copyLine(text, what) {
  return h('div', { class: 'copyline' }, foreign('code', text), button('Copy', () => copyText(text, what), { 'aria-label': `Copy the ${what}` }));
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
