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

/**
 * Returns the URL of an endpoint as a provider reaches it.
 * @param {string} url
 */
function publicUrl(url) {
  const { public_url: reachable, webhooks } = page.session ?? {};
  return reachable && webhooks ? url.replace(webhooks, () => reachable.replace(/\/$/, '')) : url;
}

/** @param {Endpoint} endpoint */
function card(endpoint) {
  const isReached = reached.has(endpoint.name);
  const state = isReached ? 'has had a real delivery' : 'waiting for the first real delivery';
  return h(
    'article',
    { class: 'card', id: `card-${endpoint.name}`, tabindex: -1, 'aria-label': endpoint.title },
    h('div', { class: 'line' }, h('h3', {}, endpoint.title), h('span', { class: `state ${isReached ? 'good' : 'idle'}` }, state)),
    copyLine(publicUrl(endpoint.url), 'URL'),
    h('p', { class: 'setup' }, endpoint.setup.join(' ')),
    h('p', { class: 'dim' }, 'Secret: ', foreign('code', endpoint.secret)),
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
