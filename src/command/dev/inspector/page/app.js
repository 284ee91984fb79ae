// Starts the page: the session, the requests as they come, and the keyboard.

/** The time between two questions for requests. */
const PAUSE_MS = 100;
/** How long the page waits before it asks a daemon again that does not answer. */
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];

const page = {
  session: /** @type {Session | null} */ (null),
  /** The daemon's name of the session whose rows are shown. */
  id: '',
  last: 0,
  /** Whether the list lacks rows that the daemon keeps, or has others. */
  hasGaps: false,
  attempts: 0,
  /** Whether the page was hidden since it last loaded all rows. */
  wasHidden: false,
  waiting: /** @type {AbortController | null} */ (null),
  isOver: false,
};

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Ends when the page is to be seen. */
function becomesVisible() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve(undefined);
    };
    document.addEventListener('visibilitychange', look);
    look();
  });
}

/** Loads what does not change during a session, and all rows. */
async function loadSession() {
  page.session = await askJson('/api/session');
  // Before that, nobody knows what can be sent.
  byId('send').removeAttribute('disabled');
  byId('away').hidden = !page.session?.kafka.embedded;
  drawStart();
  await loadAll();
  // The address may have named a row.
  if (list.selected) reveal();
}

/** Loads all rows that the daemon keeps. */
async function loadAll() {
  page.hasGaps = false;
  page.wasHidden = false;
  const batch = await askJson('/api/requests?after=0');
  page.id ||= batch.session;
  setRows(batch.rows);
  take(batch);
}

/**
 * Takes a batch of rows and the numbers of the strip.
 * @param {Batch} batch
 */
function take(batch) {
  page.last = batch.last;
  if (batch.skipped > 0 || list.rows.length > batch.strip.kept) page.hasGaps = true;
  forget(batch.strip.cleared);
  addRows(batch.rows);
  drawStrip(batch.strip);
  noteReached(batch.rows);
  chooseAwaited(batch.rows);
}

/** Asks for requests as long as the page is open. While it is hidden it asks nothing. */
async function listen() {
  for (;;) {
    await becomesVisible();
    try {
      if (!page.session) await loadSession();
      else if (page.wasHidden) await loadAll();
      drawState('live', 'live', 'good');
      byId('banner').hidden = true;
      page.attempts = 0;
      await nextBatch();
    } catch (error) {
      const isAborted = error instanceof DOMException && error.name === 'AbortError';
      if (!isAborted) failed(error);
      if (page.isOver) return;
      if (!isAborted) await backOff();
    }
  }
}

/** Waits for the next batch. After a quiet moment it loads all rows, if some came too fast or are no longer kept. */
async function nextBatch() {
  page.waiting = new AbortController();
  const asked = Date.now();
  const batch = /** @type {Batch} */ (await askJson(`/api/requests?after=${page.last}&wait=1`, { signal: page.waiting.signal }));
  if (batch.session !== page.id) {
    startOver();
    return;
  }
  take(batch);
  if (page.hasGaps && (batch.rows.length === 0 || Date.now() - asked > 1000)) await loadAll();
  await sleep(PAUSE_MS);
}

/** Forgets everything: this is another session. */
function startOver() {
  forget(Infinity);
  closeDetail();
  reached.clear();
  byId('endpoints').replaceChildren();
  Object.assign(page, { session: null, id: '', last: 0 });
  Object.assign(strip, { seenBefore: -1, latest: null });
  list.readTo = 0;
}

/** Waits before the next attempt, longer each time. */
async function backOff() {
  const ms = BACKOFF_MS[Math.min(page.attempts, BACKOFF_MS.length - 1)];
  page.attempts += 1;
  await sleep(ms);
}

/**
 * Shows what went wrong.
 * @param {unknown} error
 */
function failed(error) {
  if (error instanceof SessionEnded) {
    showOver();
  } else if (error instanceof AskRefused) {
    say(error.message);
  } else if (error instanceof DaemonAway) {
    drawState('live', 'away', 'bad');
    byId('banner').textContent = 'hookgate dev does not answer. The page tries again.';
    byId('banner').hidden = false;
  } else {
    console.error(error);
    say('The page has a fault, which the console of the browser shows.');
  }
}

/** Shows that the page has no session. */
function showOver() {
  page.isOver = true;
  page.waiting?.abort();
  const hadKey = localStorage.getItem(KEY_NAME) !== null;
  byId('over-title').textContent = hadKey ? 'This session has ended' : 'No session yet';
  byId('over-text').textContent = hadKey
    ? 'Open the link that hookgate dev prints.'
    : 'Open the link that hookgate dev prints. It has the key of the session.';
  byId('main').classList.add('is-over');
  document.body.classList.add('is-over');
  showPart('over');
  drawState('live', 'ended', 'bad');
  say('');
  byId('over').focus();
}

/** Starts with the key that there is now. */
function begin() {
  page.isOver = false;
  byId('main').classList.remove('is-over');
  document.body.classList.remove('is-over');
  startOver();
  void listen();
}

/** Chooses the row that the address names. */
function followAddress() {
  const n = Number(/^#(\d{1,15})$/.exec(location.hash)?.[1] ?? 0);
  if (n > 0) choose(n);
}

/**
 * Moves the choice, and gives the list the focus where nothing has it, so that Enter and Escape work next.
 * @param {number} by
 * @param {(row: Row) => boolean} [which]
 */
function walk(by, which) {
  move(by, which);
  if (document.activeElement === document.body) byId('grid').focus({ preventScroll: true });
}

/**
 * What a single key does.
 * @type {Record<string, () => void>}
 */
const KEY_ACTIONS = {
  j: () => walk(1),
  k: () => walk(-1),
  n: () => walk(1, isRefusal),
  N: () => walk(-1, isRefusal),
  '/': () => /** @type {HTMLInputElement} */ (byId('filter')).select(),
  f: () => setFollow(!list.follow),
  p: () => setPause(list.upTo === Infinity),
  r: () => replay(),
  c: openCopies,
  s: () => openSamples(byId('send')),
  '?': openHelp,
};

/**
 * What the list does with a key while it has the focus.
 * @type {Record<string, () => void>}
 */
const LIST_KEYS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  PageDown: () => move(10),
  PageUp: () => move(-10),
  Home: () => chooseAt(0),
  End: () => chooseAt(list.shown.length - 1),
  Enter: () => (list.selected ? byId('panel').focus() : chooseAt(0)),
};

/**
 * Returns what a key does at this place, if anything.
 * @param {KeyboardEvent} event
 * @returns {(() => void) | undefined}
 */
function actionOf(event) {
  const at = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return undefined;
  if (document.querySelector('dialog[open], :popover-open')) return undefined;
  if (at.matches('input, textarea, select')) return event.key === 'Escape' ? () => byId('grid').focus() : undefined;
  if (event.key === 'Escape') return byId('detail').hidden ? undefined : at.closest('#detail') ? backToList : closeDetail;
  if (at.id === 'grid' && LIST_KEYS[event.key]) return LIST_KEYS[event.key];
  if (!areKeysOn()) return undefined;
  const tab = /^[1-6]$/.test(event.key) && TAB_NAMES[Number(event.key) - 1];
  return tab ? () => showTab(tab) : KEY_ACTIONS[event.key];
}

function startKeys() {
  document.addEventListener('keydown', (event) => {
    const action = actionOf(event);
    if (!action || page.isOver) return;
    event.preventDefault();
    action();
  });
  byId('help-button').addEventListener('click', openHelp);
}

takeKey();
startList();
startDetail();
startMenus();
startActions();
startKeys();
setInterval(tick, 1000);
setInterval(tickSlowly, 10_000);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) return;
  page.wasHidden = true;
  page.waiting?.abort();
});
addEventListener('hashchange', () => {
  if (takeKey()) location.reload();
  else followAddress();
});
// Another tab was opened by the link of a new session.
addEventListener('storage', (event) => {
  if (event.key === KEY_NAME && page.isOver) begin();
});
begin();
followAddress();
