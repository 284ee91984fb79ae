// What each tab shows of a request.

/** A larger text is shown without colours. */
const COLOURS_MAX = 64 << 10;
/** So many bytes are shown in hex. */
const HEX_MAX = 64 << 10;

/**
 * The steps of the proof. The first failed one is open.
 * @param {Detail} data
 * @returns {HTMLElement[]}
 */
function proofTab({ row, proof, commands, body }) {
  const firstFailed = proof.findIndex((step) => step.state === 'failed');
  const steps = proof.map((step, at) => proofStep(step, at === firstFailed));
  const parts = [h('ol', { class: 'steps' }, ...steps)];
  if (body.read_for_you_only) parts.unshift(forYouOnly());
  if (commands.verify) parts.push(h('h3', {}, 'The same in a terminal'), copyLine(commands.verify, 'verify command', row.n));
  return parts;
}

/**
 * @param {Step} step
 * @param {boolean} isOpen
 */
function proofStep({ name, state, text, hint }, isOpen) {
  const [sign, word] = state === 'ok' ? ['✓', 'good'] : state === 'failed' ? ['✗', 'bad'] : ['–', 'dim'];
  const [first, ...rest] = text.split('\n');
  const head = [
    h('span', { class: `sign ${word}`, 'aria-label': state, role: 'img' }, sign),
    h('span', { class: 'step-name' }, name),
    foreign('span', first),
  ];
  if (rest.length === 0 && !hint) return h('li', { class: `step ${state}` }, h('div', { class: 'step-head' }, ...head));
  const more = [];
  if (rest.length > 0) more.push(h('pre', {}, ...visible(rest.join('\n'), true)));
  if (hint) more.push(h('p', { class: 'hint' }, ...visible(hint, true)));
  return h('li', { class: `step ${state}` }, h('details', { open: isOpen }, h('summary', { class: 'step-head' }, ...head), ...more));
}

const forYouOnly = () =>
  h('p', { class: 'remark' }, 'Read for you only: the daemon refused this request before its body. hookgate serve would not have read it.');

/**
 * The body: pretty, raw and in hex.
 * @param {Detail} data
 * @returns {(HTMLElement | string)[]}
 */
function bodyTab({ row, body }) {
  if (body.bytes === null) return [h('p', { class: 'remark' }, 'The body was not read.')];
  const bytes = bytesOf(body.base64);
  const views = ['Pretty', 'Raw', 'Hex'].map((name) => {
    const show = () => {
      detail.view = name;
      drawPanel();
      byId(`view-${name}`).focus();
    };
    return button(name, show, { 'aria-pressed': String(name === detail.view), id: `view-${name}` });
  });
  const save = button('Download', () => download(`/api/requests/${row.n}/body`, `${row.n}.bin`));
  const tools = h('div', { class: 'line' }, h('span', { class: 'group', role: 'group', 'aria-label': 'View' }, ...views), save, h('span', { class: 'dim' }, size(body.bytes)));
  const { remarks, text } = bodyText(bytes, bytes.length < body.bytes || !body.whole);
  if (!body.whole) remarks.push('This is the beginning. The rest did not come, or was not read.');
  else if (bytes.length < body.bytes) remarks.push(`Shown are the first ${size(bytes.length)}. Download gives all that is kept: ${size(body.kept)}.`);
  const above = remarks.map((remark) => h('p', { class: 'remark' }, remark));
  if (body.read_for_you_only) above.unshift(forYouOnly());
  return [tools, ...above, h('pre', { class: 'body' }, text)];
}

/**
 * Returns a body in the chosen view, and what there is to remark about it.
 * @param {Uint8Array} bytes
 * @param {boolean} cut whether the end is missing
 * @returns {{remarks: string[], text: Node | string}}
 */
function bodyText(bytes, cut) {
  if (bytes.length === 0) return { remarks: ['The body is empty.'], text: '' };
  if (detail.view === 'Hex') {
    const remarks = bytes.length > HEX_MAX ? [`Hex shows the first ${size(HEX_MAX)}.`] : [];
    return { remarks, text: hexDump(bytes.subarray(0, HEX_MAX)) };
  }
  const remarks = [];
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: cut });
  if (text.includes('\ufffd') && !isUtf8(bytes, cut)) remarks.push('Not UTF-8: each � is a byte that is no character. Hex shows all bytes.');
  const pieces = detail.view === 'Pretty' ? prettyJson(text, cut) : undefined;
  if (detail.view === 'Pretty' && !pieces) remarks.push('Not JSON, so it is shown as it came.');
  return { remarks, text: drawn(pieces ?? [{ kind: '', text }], bytes.length <= COLOURS_MAX) };
}

/**
 * @param {Uint8Array} bytes
 * @param {boolean} cut
 */
function isUtf8(bytes, cut) {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut });
    return true;
  } catch {
    return false;
  }
}

/**
 * A table of names and values.
 * @param {[string, string | null][]} headers
 * @param {string} caption
 */
function headerTable(headers, caption) {
  const rows = headers.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, ...visible(name)), foreign('td', value ?? 'no value')));
  return h('table', {}, h('caption', {}, caption), h('tbody', {}, ...rows));
}

/**
 * @param {Detail} data
 * @returns {HTMLElement[]}
 */
function headersTab({ request }) {
  const { method, path, version, headers } = request;
  if (!method) return [h('p', { class: 'remark' }, 'What came is no request, so it has no headers.')];
  return [foreign('p', `${method} ${path} ${version}`, 'code'), headerTable(headers, counted(headers.length, 'header'))];
}

/**
 * @param {Detail} data
 * @returns {HTMLElement[]}
 */
function eventTab({ event, row }) {
  if (!event) return [h('p', { class: 'remark' }, 'There is no event: ', ...visible(row.why || row.outcome))];
  return [h('pre', { class: 'body' }, ...visible(event.text, true))];
}

/**
 * Names with their values.
 * @param {[string, string][]} pairs
 */
function facts(pairs) {
  return h('dl', {}, ...pairs.flatMap(([name, value]) => [h('dt', {}, name), foreign('dd', value)]));
}

/**
 * @param {Detail} data
 * @returns {HTMLElement[]}
 */
function kafkaTab({ kafka, row }) {
  if (!kafka) return [h('p', { class: 'remark' }, 'There is no record: ', ...visible(row.why || row.outcome))];
  return [
    facts([
      ['Topic', kafka.topic],
      ['Partition', String(kafka.partition)],
      ['Offset', String(kafka.offset)],
      ['Key', kafka.key],
      ['Value', size(kafka.value_bytes)],
      ['Acknowledged', kafka.ack_ms === null ? '–' : `after ${milliseconds(kafka.ack_ms)} ms`],
    ]),
    headerTable(kafka.headers, counted(kafka.headers.length, 'header')),
    h('h3', {}, 'Read this record'),
    copyLine(kafka.command, 'tail command'),
  ];
}

/**
 * @param {Detail} data
 * @returns {HTMLElement[]}
 */
function answerTab({ answer, times, row }) {
  const none = row.outcome === 'cancelled' ? 'none: the sender hung up' : 'none';
  const status = answer.status === 0 ? none : String(answer.status);
  const parts = [facts([['Status', status], ...(answer.next ? [/** @type {[string, string]} */ (['Then', answer.next])] : [])])];
  if (answer.headers.length > 0) parts.push(headerTable(answer.headers, counted(answer.headers.length, 'header')));
  if (answer.body) {
    const pieces = prettyJson(answer.body, false) ?? [{ kind: '', text: answer.body }];
    parts.push(h('pre', { class: 'body' }, drawn(pieces, true)));
  }
  if (times) {
    const { read_ms: read, prepare_ms: prepare, kafka_ms: kafka } = times;
    /** @type {[string, number][]} */
    const spent = [['Read the request', read], ['Verify, classify, encode', prepare], ['Wait for Kafka', kafka]];
    const most = Math.max(...spent.map(([, ms]) => ms), 0.001);
    parts.push(h('h3', {}, 'Where the time went'), ...spent.map(([name, ms]) => timeBar(name, ms, most)));
  }
  return parts;
}

/**
 * @param {string} name
 * @param {number} ms
 * @param {number} most
 */
function timeBar(name, ms, most) {
  const bar = h('span', { class: 'bar' });
  bar.style.width = `${Math.max(1, (100 * ms) / most)}%`;
  return h('div', { class: 'time' }, h('span', {}, name), h('span', { class: 'track' }, bar), h('span', { class: 'ms' }, `${milliseconds(ms)} ms`));
}
