// How texts, numbers and times are shown. Characters that hide or reorder text become badges.

/** Control, format, bidi and zero-width characters, surrogates without a partner, and letters without a shape. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]/u;
/** More badges than this are plain text, so that a body full of them stays quick. */
const BADGES_MAX = 2000;

/**
 * Returns how a character is named.
 * @param {string} character
 */
function codePoint(character) {
  return `[U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`;
}

/**
 * Returns a text as parts, in which each hidden character is a badge. `breaks` keeps line ends and tabs, as a body needs them.
 * @param {string} text
 * @param {boolean} [breaks]
 * @returns {(string | HTMLElement)[]}
 */
function visible(text, breaks = false) {
  if (!HIDDEN.test(text)) return [text];
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let plain = '';
  for (const character of text) {
    if (!HIDDEN.test(character) || (breaks && (character === '\n' || character === '\t'))) {
      plain += character;
    } else if (breaks && character === '\r') {
      plain += '␍';
    } else if (parts.length < 2 * BADGES_MAX) {
      if (plain) parts.push(plain);
      parts.push(h('span', { class: 'badge' }, codePoint(character)));
      plain = '';
    } else {
      plain += codePoint(character);
    }
  }
  parts.push(plain);
  return parts;
}

/**
 * Makes an element with a text from outside. What it contains cannot reorder the text around it.
 * @param {string} kind
 * @param {string} text
 * @param {string} [names]
 */
function foreign(kind, text, names = '') {
  return h(kind, { class: `data ${names}` }, ...visible(text));
}

const COUNT = new Intl.NumberFormat('en');

/** @param {number} number */
const count = (number) => COUNT.format(number);

/**
 * Returns a number with its noun.
 * @param {number} number
 * @param {string} noun
 */
const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

/** @param {number} at milliseconds since 1970 */
const timeOfDay = (at) => new Date(at).toISOString().slice(11, 23);

/** @param {number} ms */
const milliseconds = (ms) => (ms < 10 ? ms.toFixed(1) : COUNT.format(Math.round(ms)));

/** @param {number} bytes */
const size = (bytes) => (bytes < 1 << 20 ? counted(bytes, 'byte') : `${(bytes / (1 << 20)).toFixed(1)} MiB`);

/**
 * Returns for how long something is over, in one unit.
 * @param {number} at milliseconds since 1970
 */
function ago(at) {
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

/**
 * Returns the sign and the colour's name of an outcome. The word is the outcome itself.
 * @param {string} outcome
 * @returns {[string, string]}
 */
function signOf(outcome) {
  switch (outcome) {
    case 'published':
      return ['✓', 'good'];
    case 'unclassified':
      return ['?', 'warn'];
    case 'quarantined':
      return ['!', 'warn'];
    default:
      return ['✗', 'bad'];
  }
}

/** @param {Row} row */
const isRefusal = (row) => signOf(row.outcome)[1] === 'bad';

/**
 * Returns the bytes of a base64 text.
 * @param {string} text
 */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/**
 * Returns bytes as a dump: offset, sixteen bytes in hex, and their characters.
 * @param {Uint8Array} bytes
 */
function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, '0'));
    const left = hex.slice(0, 8).join(' ').padEnd(24) + hex.slice(8).join(' ').padEnd(24);
    const letters = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left} ${letters}`);
  }
  return lines.join('\n');
}
