// The list: all rows in memory, only those in view in the document, one paint per animation frame.

/** The height of a row in pixels, as in the style. */
const ROW_HEIGHT = 28;
/** The height of the head of the table, with its line. */
const HEAD_HEIGHT = 29;
/** How many rows are kept in memory. */
const ROWS_MAX = 10_000;
/** How many rows stand before and after those in view. */
const OVERSCAN = 6;
/** The most rows in the document, on a screen of any height. */
const DRAWN_MAX = 90;

const list = {
  /** All rows, by number. */
  rows: /** @type {Row[]} */ ([]),
  numbers: /** @type {Set<number>} */ (new Set()),
  /** The rows that pass the filter, by number; the newest is drawn first. */
  shown: /** @type {Row[]} */ ([]),
  terms: /** @type {Term[]} */ ([]),
  /** The number of the chosen row, or 0. */
  selected: 0,
  follow: true,
  /** While paused, later rows are not shown. */
  upTo: Infinity,
  /** The newest row that was in view. */
  readTo: 0,
  /** What must stay where it is at the next paint: a row, and how far its top is from that of the view. */
  anchor: /** @type {{n: number, above: number} | null} */ (null),
  isDue: false,
};

/** Elements of rows by the number of their row. */
const drawnRows = /** @type {Map<number, HTMLElement>} */ (new Map());

/**
 * Returns where a number is in rows that are in order, or where it would be.
 * @param {Row[]} rows
 * @param {number} n
 */
function placeOf(rows, n) {
  let [from, to] = [0, rows.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (rows[middle].n < n) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Returns the row that is drawn at a place, counted from the newest. */
const rowAt = (/** @type {number} */ place) => list.shown[list.shown.length - 1 - place];

/** Returns the chosen row. */
function selectedRow() {
  const row = list.rows[placeOf(list.rows, list.selected)];
  return row && row.n === list.selected ? row : undefined;
}

/** Remembers the first row in view, before the rows change, so that it stays there. */
function keepPlace() {
  if (list.anchor) return;
  const top = byId('grid').scrollTop;
  const row = rowAt(Math.floor(top / ROW_HEIGHT));
  if (row) list.anchor = { n: row.n, above: top % ROW_HEIGHT };
}

/** Draws the list in the next animation frame, once. */
function paintSoon() {
  if (list.isDue) return;
  list.isDue = true;
  requestAnimationFrame(() => {
    list.isDue = false;
    paint();
  });
}

/**
 * Takes new rows.
 * @param {Row[]} rows
 */
function addRows(rows) {
  const unknown = rows.filter((row) => !list.numbers.has(row.n));
  if (unknown.length === 0) return;
  keepPlace();
  const inOrder = unknown[0].n > (list.rows.at(-1)?.n ?? 0);
  for (const row of unknown) {
    list.numbers.add(row.n);
    list.rows.push(row);
    if (inOrder && row.n <= list.upTo && passes(list.terms, row)) list.shown.push(row);
  }
  if (!inOrder) {
    list.rows.sort((one, other) => one.n - other.n);
    select();
  }
  if (list.rows.length > ROWS_MAX) forget(list.rows[list.rows.length - ROWS_MAX].n - 1);
  paintSoon();
}

/**
 * Takes all rows that the daemon keeps. Others are dropped.
 * @param {Row[]} rows
 */
function setRows(rows) {
  keepPlace();
  list.rows = rows;
  list.numbers = new Set(rows.map((row) => row.n));
  select();
  paintSoon();
}

/** Chooses the rows to show again, from all. */
function select() {
  list.shown = list.rows.filter((row) => row.n <= list.upTo && passes(list.terms, row));
}

/**
 * Drops all rows up to a number.
 * @param {number} n
 */
function forget(n) {
  if (!(list.rows[0]?.n <= n)) return;
  keepPlace();
  for (const row of list.rows.splice(0, placeOf(list.rows, n + 1))) list.numbers.delete(row.n);
  list.shown.splice(0, placeOf(list.shown, n + 1));
  paintSoon();
}

/** Shows what the filter lets through, with the chosen row in view if it is among them. */
function applyFilter() {
  list.terms = parseFilter(/** @type {HTMLInputElement} */ (byId('filter')).value);
  select();
  list.anchor = null;
  byId('grid').scrollTop = 0;
  if (!list.follow) reveal();
  paintSoon();
}

/**
 * Sets whether the newest row stays in view.
 * @param {boolean} on
 */
function setFollow(on) {
  list.follow = on;
  byId('follow').setAttribute('aria-pressed', String(on));
  if (on) {
    list.anchor = null;
    // At once: a scroll event that is still to come would end it again.
    byId('grid').scrollTop = 0;
  }
  paintSoon();
}

/**
 * Stops the picture, or lets it go on.
 * @param {boolean} on
 */
function setPause(on) {
  keepPlace();
  list.upTo = on ? (list.rows.at(-1)?.n ?? 0) : Infinity;
  byId('pause').setAttribute('aria-pressed', String(on));
  byId('pause').textContent = on ? 'Resume' : 'Pause';
  if (!on) select();
  paintSoon();
}

/** Returns how many rows wait above the view, or for the end of a pause. */
function freshRows() {
  const above = list.shown.length - placeOf(list.shown, list.readTo + 1);
  if (list.upTo === Infinity) return above;
  const paused = list.rows.slice(placeOf(list.rows, list.upTo + 1));
  return above + paused.filter((row) => passes(list.terms, row)).length;
}

/** Draws the rows in view. */
function paint() {
  const grid = byId('grid');
  const view = Math.max(0, viewTop());
  // Below the last row there is as much room as the view needs, so that a short list need not move either.
  const height = Math.max(list.shown.length * ROW_HEIGHT, view + viewHeight());
  byId('sizer').style.height = `${height}px`;
  if (list.follow || list.anchor) grid.scrollTop = view;
  list.anchor = null;
  const first = Math.floor(grid.scrollTop / ROW_HEIGHT);
  list.readTo = Math.max(list.readTo, rowAt(first)?.n ?? 0);
  const from = Math.max(0, first - OVERSCAN);
  const inView = Math.ceil(grid.clientHeight / ROW_HEIGHT) + 2 * OVERSCAN;
  drawRows(from, Math.min(list.shown.length, from + Math.min(inView, DRAWN_MAX)));
  grid.setAttribute('aria-rowcount', String(list.shown.length + 1));
  const active = drawnRows.has(list.selected);
  if (active) grid.setAttribute('aria-activedescendant', `row-${list.selected}`);
  else grid.removeAttribute('aria-activedescendant');
  drawAround();
}

/** Draws what belongs to the list and is not a row. */
function drawAround() {
  const fresh = freshRows();
  byId('fresh').hidden = fresh === 0;
  byId('fresh').textContent = `${count(fresh)} new`;
  const filtered = list.terms.length > 0;
  byId('matches').textContent = filtered ? `${count(list.shown.length)} of ${count(list.rows.length)}` : '';
  const nothing = byId('nothing');
  nothing.hidden = list.shown.length > 0;
  nothing.textContent = list.rows.length > 0 ? 'No request passes the filter.' : 'Waiting for the first request.';
}

/**
 * Puts the rows from one place to another into the document, in this order, and takes all others out. An element stays with its row.
 * @param {number} from
 * @param {number} to
 */
function drawRows(from, to) {
  const oldest = rowAt(to - 1)?.n ?? Infinity;
  const newest = rowAt(from)?.n ?? 0;
  for (const [n, element] of drawnRows) {
    const kept = n >= oldest && n <= newest && list.shown[placeOf(list.shown, n)]?.n === n;
    if (kept) continue;
    element.remove();
    drawnRows.delete(n);
  }
  const sizer = byId('sizer');
  for (let place = from, before = sizer.firstElementChild; place < to; place += 1) {
    const row = rowAt(place);
    let element = drawnRows.get(row.n);
    if (!element) {
      element = rowElement(row);
      drawnRows.set(row.n, element);
    }
    if (element === before) before = before.nextElementSibling;
    else sizer.insertBefore(element, before);
    element.style.transform = `translateY(${place * ROW_HEIGHT}px)`;
    element.setAttribute('aria-rowindex', String(place + 2));
    element.setAttribute('aria-selected', String(row.n === list.selected));
  }
}

/**
 * Makes the element of a row.
 * @param {Row} row
 */
function rowElement(row) {
  const [sign, colour] = signOf(row.outcome);
  /** @type {(name: string, ...children: (Node | string)[]) => HTMLElement} */
  const cell = (name, ...children) => h('span', { role: 'gridcell', class: name }, ...children);
  const isTyped = row.type !== '' && row.outcome !== 'quarantined';
  const about = isTyped && row.subject ? foreign('span', row.subject, 'mono') : foreign('span', row.why || '–');
  if (row.origin === 'sample') about.prepend(h('span', { class: 'tag', title: 'sample' }, 'sample'));
  // Without a type there is a reason, which has the room of both.
  const middle = isTyped
    ? [cell('type', foreign('span', row.type)), cell('subject', about)]
    : [h('span', { role: 'gridcell', class: 'both', 'aria-colspan': 2 }, about)];
  const time = timeOfDay(row.at);
  return h(
    'div',
    { role: 'row', class: 'row', id: `row-${row.n}`, 'data-n': row.n },
    cell('n', String(row.n)),
    cell('at', time.slice(0, 8), h('span', { class: 'fraction' }, time.slice(8))),
    cell(`outcome ${colour}`, h('span', { class: 'sign' }, sign), h('span', { class: 'status' }, ` ${row.status || '–'} `), row.outcome),
    cell('endpoint', foreign('span', row.endpoint || '–')),
    ...middle,
    cell('place', row.topic ? `[${row.partition}]@${row.offset}` : ''),
    cell('bytes', row.bytes === null ? '–' : count(row.bytes)),
    cell('ms', milliseconds(row.took_ms)),
  );
}

/**
 * Chooses a row and shows its detail. This ends following, so that the row stays under the hand.
 * @param {number} n
 */
function choose(n) {
  keepPlace();
  list.selected = n;
  setFollow(false);
  reveal();
  openDetail(n);
}

/** Returns the height of the view without the head of the table, which stays at the top. */
const viewHeight = () => byId('grid').clientHeight - HEAD_HEIGHT;

/** Returns where the view will begin after the next paint. */
function viewTop() {
  if (list.follow) return 0;
  if (!list.anchor) return byId('grid').scrollTop;
  return (list.shown.length - 1 - placeOf(list.shown, list.anchor.n)) * ROW_HEIGHT + list.anchor.above;
}

/**
 * Lets the view begin so many pixels above a row, or as near to that as there are rows.
 * @param {number} place
 * @param {number} above
 */
function viewFrom(place, above) {
  const [top, last] = [place * ROW_HEIGHT, list.shown.length * ROW_HEIGHT - viewHeight()];
  list.anchor = { n: list.selected, above: Math.max(0, Math.min(top - above, last)) - top };
}

/** Scrolls as little as needed to have the chosen row in view, or puts it into the middle where it was far away. */
function reveal() {
  const at = placeOf(list.shown, list.selected);
  if (list.shown[at]?.n !== list.selected) return;
  const place = list.shown.length - 1 - at;
  const [top, height, view] = [place * ROW_HEIGHT, viewHeight(), viewTop()];
  const isFar = top < view - 2 * ROW_HEIGHT || top > view + height + ROW_HEIGHT;
  if (isFar) viewFrom(place, Math.round(height / 2));
  else if (top < view) viewFrom(place, 0);
  else if (top + ROW_HEIGHT > view + height) viewFrom(place, height - ROW_HEIGHT);
  paintSoon();
}

/**
 * Chooses the row so many places further down, the first of them for which a condition holds.
 * @param {number} by 1 or -1, or more
 * @param {(row: Row) => boolean} [holds]
 */
function move(by, holds = () => true) {
  const last = list.shown.length - 1;
  const at = placeOf(list.shown, list.selected);
  const isShown = list.selected > 0 && list.shown[at]?.n === list.selected;
  let place = isShown ? last - at + by : by > 0 ? 0 : last;
  if (Math.abs(by) > 1) place = Math.min(Math.max(place, 0), last);
  while (place >= 0 && place <= last && !holds(rowAt(place))) place += Math.sign(by);
  chooseAt(place);
}

/**
 * Chooses the row at a place, counted from the newest, if there is one.
 * @param {number} place
 */
function chooseAt(place) {
  const row = rowAt(place);
  if (row) choose(row.n);
}

/** Listens to the pointer and to scrolling. */
function startList() {
  const grid = byId('grid');
  const numberAt = (/** @type {Event} */ event) =>
    Number(/** @type {Element} */ (event.target).closest('[data-n]')?.getAttribute('data-n') ?? 0);
  let pressed = 0;
  // The row under the pointer when it goes down counts, also where new rows move the list before it goes up.
  grid.addEventListener('pointerdown', (event) => {
    pressed = numberAt(event);
  });
  grid.addEventListener('click', (event) => {
    const n = pressed || numberAt(event);
    pressed = 0;
    if (n) choose(n);
  });
  grid.addEventListener('scroll', () => {
    if (list.follow && grid.scrollTop > ROW_HEIGHT) setFollow(false);
    paintSoon();
  });
  new ResizeObserver(paintSoon).observe(grid);
  byId('fresh').addEventListener('click', () => {
    setPause(false);
    setFollow(true);
    grid.focus();
  });
  byId('follow').addEventListener('click', () => setFollow(!list.follow));
  byId('pause').addEventListener('click', () => setPause(list.upTo === Infinity));
  byId('filter').addEventListener('input', applyFilter);
}
