// JSON with line breaks and colours. The text of each token stays as it came: no number is parsed, so none is changed.

/** White space, strings, numbers, words, punctuation; sticky, so that anything else ends the search. */
const TOKEN = /([ \t\n\r]+)|("[^"\\]*(?:\\[^][^"\\]*)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)|([{}[\],:])/y;
/** Deeper levels are not indented further: ten thousand of them would be a hundred million blanks. */
const INDENT_MAX = 32;

/** @typedef {{kind: string, text: string}} Piece a part of the output, with the name of its colour or none */

/**
 * Returns the tokens of a JSON text without white space, or nothing where the text is not JSON. `cut` allows that the end is missing.
 * @param {string} text
 * @param {boolean} cut
 * @returns {Piece[] | undefined}
 */
function jsonTokens(text, cut) {
  /** @type {Piece[]} */
  const tokens = [];
  const open = [];
  let wasValue = false;
  TOKEN.lastIndex = 0;
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    const found = TOKEN.exec(text);
    if (!found) {
      if (!cut) return undefined;
      tokens.push({ kind: '', text: text.slice(at) });
      return tokens;
    }
    const [token, blank, string, number, word] = found;
    if (blank) continue;
    if (string || number || word || token === '{' || token === '[') {
      // Two values in a row: without the white space between them they would be something else.
      if (wasValue) return undefined;
      wasValue = token !== '{' && token !== '[';
      if (!wasValue) open.push(token);
      tokens.push({ kind: string ? 'string' : number ? 'number' : word ? 'word' : '', text: token });
      continue;
    }
    if (token === '}' || token === ']') {
      if (open.pop() !== (token === '}' ? '{' : '[')) return undefined;
      wasValue = true;
    } else {
      if (token === ':' && tokens.at(-1)?.kind === 'string') tokens[tokens.length - 1].kind = 'key';
      wasValue = false;
    }
    tokens.push({ kind: '', text: token });
  }
  return tokens.length > 0 && (cut || open.length === 0) ? tokens : undefined;
}

/**
 * Returns JSON with line breaks, or nothing where the text is not JSON.
 * @param {string} text
 * @param {boolean} cut
 * @returns {Piece[] | undefined}
 */
function prettyJson(text, cut) {
  const tokens = jsonTokens(text, cut);
  if (!tokens) return undefined;
  let depth = 0;
  const line = () => `\n${'  '.repeat(Math.min(depth, INDENT_MAX))}`;
  /** @type {Piece[]} */
  const pieces = [];
  /** @param {string} text */
  const plain = (text) => {
    const last = pieces.at(-1);
    if (last && last.kind === '') last.text += text;
    else pieces.push({ kind: '', text });
  };
  tokens.forEach((token, at) => {
    const before = tokens[at - 1]?.kind === '' ? tokens[at - 1].text : '';
    const { text } = token;
    if (token.kind !== '') pieces.push(token);
    else if (text === '}' || text === ']') {
      depth -= 1;
      plain(before === '{' || before === '[' ? text : line() + text);
    } else if (text === '{' || text === '[') {
      depth += 1;
      const next = tokens[at + 1];
      plain(next?.kind === '' && (next.text === '}' || next.text === ']') ? text : text + line());
    } else if (text === ',') plain(text + line());
    else plain(text === ':' ? ': ' : text);
  });
  return pieces;
}

/**
 * Draws pieces, with colours or without.
 * @param {Piece[]} pieces
 * @param {boolean} colours
 */
function drawn(pieces, colours) {
  const fragment = document.createDocumentFragment();
  if (!colours) {
    fragment.append(...visible(pieces.map((piece) => piece.text).join(''), true));
    return fragment;
  }
  for (const { kind, text } of pieces) {
    const parts = visible(text, true);
    if (kind === '') fragment.append(...parts);
    else fragment.append(h('span', { class: `j-${kind}` }, ...parts));
  }
  return fragment;
}
