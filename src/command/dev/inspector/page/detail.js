// One request: its head, its tabs, and loading it.

/**
 * The tabs and what draws them, in the order of the keys 1 to 6.
 * @type {Record<string, (data: Detail) => (HTMLElement | string)[]>}
 */
const TABS = { Proof: proofTab, Body: bodyTab, Headers: headersTab, Event: eventTab, Kafka: kafkaTab, Answer: answerTab };
const TAB_NAMES = Object.keys(TABS);

const detail = {
  data: /** @type {Detail | null} */ (null),
  tab: 'Proof',
  /** How the body is shown. */
  view: 'Pretty',
  loading: /** @type {AbortController | null} */ (null),
};

/**
 * Loads and shows a request.
 * @param {number} n
 */
async function openDetail(n) {
  detail.loading?.abort();
  const loading = new AbortController();
  detail.loading = loading;
  showPart('detail');
  if (location.hash !== `#${n}`) history.replaceState(null, '', `#${n}`);
  // The request before stays whole until this one is there.
  if (!detail.data) drawHead(selectedRow());
  byId('detail').setAttribute('aria-busy', 'true');
  try {
    const data = /** @type {Detail} */ (await askJson(`/api/requests/${n}`, { signal: loading.signal }));
    detail.data = data;
    drawHead(data.row);
    drawLinks(data);
    drawTabs();
    drawPanel();
  } catch (error) {
    if (loading.signal.aborted) return;
    detail.data = null;
    byId('detail-sub').replaceChildren();
    byId('tabs').replaceChildren();
    byId('tools').hidden = true;
    const text = error instanceof AskRefused ? error.message : 'The request could not be loaded.';
    byId('panel').replaceChildren(h('p', { class: 'remark' }, text));
    failed(error);
  }
  byId('detail').removeAttribute('aria-busy');
}

/** Shows no request. */
function closeDetail() {
  detail.loading?.abort();
  detail.data = null;
  byId('detail-sub').replaceChildren();
  byId('panel').replaceChildren();
  if (list.selected) history.replaceState(null, '', location.pathname);
  list.selected = 0;
  showPart('start');
  paintSoon();
}

/**
 * Shows one of the parts beside the list.
 * @param {string} part start, detail or over
 */
function showPart(part) {
  for (const id of ['start', 'detail', 'over']) byId(id).hidden = id !== part;
  byId('main').dataset.part = part;
}

/**
 * Draws the first line of a request.
 * @param {Row | undefined} row
 */
function drawHead(row) {
  const title = byId('detail-title');
  if (!row) {
    title.textContent = `#${list.selected}`;
    return;
  }
  const [sign, colour] = signOf(row.outcome);
  const outcome = h('span', { class: `pill ${colour}` }, `${sign} ${row.status || '–'} ${row.outcome}`);
  title.replaceChildren(`#${row.n} `, outcome, ' ', foreign('span', row.endpoint || 'no endpoint', 'dim'));
  byId('tools').hidden = false;
}

/**
 * Draws the second line of a request, with links to those that it comes from and that came from it.
 * @param {Detail} data
 */
function drawLinks({ row, made_from: from, became }) {
  const parts = [
    h('time', { datetime: new Date(row.at).toISOString() }, `${timeOfDay(row.at)} UTC`),
    `${milliseconds(row.took_ms)} ms`,
    row.origin,
    ...(row.type ? [foreign('span', row.type)] : []),
    ...(row.subject ? [foreign('span', row.subject)] : []),
  ];
  const line = parts.flatMap((part, at) => (at === 0 ? [part] : [' · ', part]));
  const link = (/** @type {number} */ n) => button(`#${n}`, () => choose(n), { class: 'link' });
  if (from !== null) line.push(' · made from ', link(from));
  if (became.length > 0) line.push(' · sent again as ', ...became.slice(-8).flatMap((n) => [link(n), ' ']));
  byId('detail-sub').replaceChildren(...line);
}

/** Draws the tabs. Those that have nothing to show say so by their colour, and in their panel. */
function drawTabs() {
  const line = byId('tabs');
  if (line.childElementCount === 0) {
    const tabs = TAB_NAMES.map((name, at) =>
      button(name, () => showTab(name), { role: 'tab', id: `tab-${name}`, 'aria-controls': 'panel', title: `${name} (${at + 1})` }),
    );
    line.replaceChildren(...tabs);
  }
  for (const tab of line.children) {
    const name = tab.textContent ?? '';
    const isChosen = name === detail.tab;
    tab.setAttribute('aria-selected', String(isChosen));
    tab.setAttribute('tabindex', isChosen ? '0' : '-1');
    const isEmpty = (name === 'Event' && !detail.data?.event) || (name === 'Kafka' && !detail.data?.kafka);
    tab.classList.toggle('dim', isEmpty);
  }
  byId('panel').setAttribute('aria-labelledby', `tab-${detail.tab}`);
}

/**
 * Shows a tab.
 * @param {string} name
 */
function showTab(name) {
  if (!detail.data) return;
  detail.tab = name;
  drawTabs();
  drawPanel();
}

/** Draws the panel of the chosen tab. */
function drawPanel() {
  const { data } = detail;
  if (!data) return;
  byId('panel').replaceChildren(...TABS[detail.tab](data));
  byId('panel').scrollTop = 0;
}

/** Listens to the keys of the tabs, which are those of every list of tabs. */
function startDetail() {
  byId('tabs').addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    showTab(TAB_NAMES[(TAB_NAMES.indexOf(detail.tab) + step + TAB_NAMES.length) % TAB_NAMES.length]);
    byId(`tab-${detail.tab}`).focus();
  });
  byId('back').addEventListener('click', backToList);
  byId('close').addEventListener('click', () => {
    closeDetail();
    byId('grid').focus();
  });
}

/** Puts the focus back on the chosen row. On a narrow screen this closes the detail. */
function backToList() {
  const n = list.selected;
  if (getComputedStyle(byId('list')).display === 'none') closeDetail();
  list.selected = n;
  byId('grid').focus({ preventScroll: true });
  reveal();
  paintSoon();
}
