// The help, and the switch for single keys (WCAG 2.1.4).

const KEYS_NAME = 'hookgate-keys';

const areKeysOn = () => localStorage.getItem(KEYS_NAME) !== 'off';

/** Keys and what they do. */
const KEYS = [
  ['j, k', 'next and previous row'],
  ['↑ ↓ Page Home End', 'the same, while the list has the focus'],
  ['Enter', 'to the request'],
  ['Esc', 'back to the same row'],
  ['n, N', 'next and previous refusal'],
  ['1 … 6', 'tabs of the request'],
  ['/', 'filter'],
  ['f', 'follow the newest'],
  ['p', 'pause'],
  ['r', 'replay'],
  ['c', 'copy'],
  ['s', 'send a sample'],
  ['?', 'this help'],
];

const WORDS = [
  ['outcome:bad_*', 'the outcome or the status; * stands for any characters'],
  ['type:file.*,scan.*', 'one of several types'],
  ['endpoint: provider: subject: id:', 'as in hookgate tail'],
  ['origin:webhook', 'only real deliveries; samples are sample'],
  ['-origin:sample', 'all but samples'],
  ['anything else', 'a text in any column'],
];

/**
 * @param {string[][]} rows
 * @param {string} caption
 */
function helpTable(rows, caption) {
  const lines = rows.map(([key, does]) => h('tr', {}, h('th', { scope: 'row' }, h('kbd', {}, key)), h('td', {}, does)));
  return h('table', {}, h('caption', {}, caption), h('tbody', {}, ...lines));
}

/** Opens the help. */
function openHelp() {
  const dialog = /** @type {HTMLDialogElement} */ (byId('help'));
  const { session } = page;
  const box = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', id: 'keys' }));
  box.checked = areKeysOn();
  box.addEventListener('change', () => localStorage.setItem(KEYS_NAME, box.checked ? 'on' : 'off'));
  dialog.replaceChildren(
    h('h2', { id: 'help-title' }, 'hookgate dev'),
    h('p', { class: 'dim' }, `Version ${session?.version}. Webhooks: ${session?.webhooks}. Kafka: ${session?.kafka.brokers}.`),
    helpTable(KEYS, 'Keys'),
    h('label', { class: 'line' }, box, 'Single keys are on'),
    helpTable(WORDS, 'Filter'),
    button('Close', () => dialog.close(), { class: 'main' }),
  );
  dialog.showModal();
}
