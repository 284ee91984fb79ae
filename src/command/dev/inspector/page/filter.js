// The filter, in the words of `hookgate tail`: `type:file.*,scan.* -origin:sample text`. One of the values of a word must match, and every
// word; `*` stands for any characters; `-` turns a word or a text around.

/** @typedef {{negated: boolean, matches: (row: Row) => boolean}} Term */

/** @type {Record<string, (row: Row) => string[]>} */
const FIELDS = {
  provider: (row) => [row.provider],
  endpoint: (row) => [row.endpoint],
  // As in `tail`: also with the provider's name before it, and with `hookgate.` before that.
  type: (row) => [row.type, `${row.provider}.${row.type}`, `hookgate.${row.provider}.${row.type}`],
  subject: (row) => [row.subject],
  outcome: (row) => [row.outcome, String(row.status)],
  origin: (row) => [row.origin],
  id: (row) => [row.id],
};

/**
 * Returns a test for a pattern, in which `*` stands for any characters. Upper and lower case are the same.
 * @param {string} pattern
 * @returns {(text: string) => boolean}
 */
function glob(pattern) {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('[^]*')}$`, 'i');
  return (text) => expression.test(text);
}

/** @param {Row} row */
function haystack(row) {
  const place = row.topic && `${row.topic}[${row.partition}]@${row.offset}`;
  const columns = [`#${row.n}`, timeOfDay(row.at), row.status, row.outcome, row.endpoint, row.provider, row.type, row.subject, row.why];
  return [...columns, row.id, row.origin, place].join('\n').toLowerCase();
}

/**
 * Returns the terms of a filter.
 * @param {string} text
 * @returns {Term[]}
 */
function parseFilter(text) {
  const words = text.match(/-?(?:[a-z]+:)?(?:"[^"]*"|[^\s"]+)+/gi) ?? [];
  return words.map((whole) => {
    const negated = whole.length > 1 && whole.startsWith('-');
    const word = negated ? whole.slice(1) : whole;
    const colon = word.indexOf(':');
    const values = FIELDS[word.slice(0, Math.max(colon, 0)).toLowerCase()];
    const plain = word.replaceAll('"', '').toLowerCase();
    if (!values) return { negated, matches: (row) => haystack(row).includes(plain) };
    const patterns = word.slice(colon + 1).replaceAll('"', '').split(',').filter(Boolean).map(glob);
    // A word whose value is not typed yet changes nothing.
    if (patterns.length === 0) return { negated: false, matches: () => true };
    return { negated, matches: (row) => values(row).some((value) => patterns.some((matches) => matches(value))) };
  });
}

/**
 * Returns whether a row passes every term.
 * @param {Term[]} terms
 * @param {Row} row
 */
function passes(terms, row) {
  return terms.every((term) => term.matches(row) !== term.negated);
}
